import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.cohort.failures import failures_table
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.study.analysis import analyse
from neurotarget.stats.tables.raters import rater_differences_table, raters_table
from neurotarget.stats.tables.tables import agreement_table
from oracles.rater_cohort import DICE, TARGET, rater_cohort, rater_rows, rater_study

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def measured():
    return rater_cohort()


@pytest.fixture(scope="module")
def table(measured):
    found = raters_table(measured, agreement_table(measured))
    return found.set_index(["first", "second", "label"])


@pytest.fixture(scope="module")
def differences(measured):
    found = rater_differences_table(measured)
    return found.set_index(["label", "measure", "against", "rater"]).sort_index()


def test_every_two_of_network_and_people_have_a_row_a_label_and_region(measured, table):
    assert measured.methods == ("reference", "predicted", "again", "rater2")
    assert measured.network == "predicted"
    assert len(table) == 6 * 3
    assert list(table.index[:3]) == [("reference", "predicted", x) for x in TARGET_LABELS]


TARGET_LABELS = ("left", "right", "total")


def test_each_pair_has_the_dice_of_its_own_rows(table):
    found = {pair: rows["dice"].iloc[0] for pair, rows in table.groupby(level=[0, 1])}
    assert found["again", "rater2"] == pytest.approx(DICE["rater_dice@rater2@again"], abs=0.01)
    assert found["reference", "rater2"] == pytest.approx(DICE["rater_dice@rater2"], abs=0.01)
    assert found["predicted", "again"] == pytest.approx(DICE["dice@again"] * 39 / 40, abs=0.01)


def test_a_failure_counts_as_0_and_a_scan_that_was_not_drawn_as_missing(table):
    row = table.loc[("predicted", "rater2", "left")]
    assert (row["n"], row["n_missing"], row["n_volumes"]) == (32, 8, 31)
    rows, _ = rater_rows()
    own = rows[(rows["metric"] == "dice@rater2") & (rows["label"] == "left")]["value"]
    assert row["dice"] == pytest.approx(own.mean())
    assert row["dice_low"] < row["dice"] < row["dice_high"]


def test_the_dice_of_a_region_is_the_mean_over_its_labels(table):
    left, right, both = (
        table.loc[("reference", "again", label)]["dice"] for label in TARGET_LABELS
    )
    assert both == pytest.approx((left + right) / 2)


def test_volumes_agree_as_the_table_of_agreement_says(measured, table):
    agreement = agreement_table(measured)
    found = agreement[
        (agreement["first"] == "reference")
        & (agreement["second"] == "rater2")
        & (agreement["label"] == "left")
        & (agreement["stratum"] == "all")
    ].set_index("statistic")
    row = table.loc[("reference", "rater2", "left")]
    assert row["icc_a1"] == found.loc["icc_a1", "value"]
    ends = found.loc["bias", "low"], found.loc["bias", "high"]
    assert (row["bias_low"], row["bias_high"]) == ends


def test_a_network_between_the_people_is_closer_than_one_and_less_close_than_the_other(
    differences,
):
    again = differences.loc[("left", "dice", "reference", "again")]
    assert (again["finding"], again["n"]) == ("less close than the rater", 40)
    icc = differences.loc[("total", "icc_a1", "reference", "rater2")]
    assert icc["finding"] == "closer than the rater"
    assert icc["difference"] == pytest.approx(icc["of_network"] - icc["of_rater"])
    assert icc["low"] > 0


def test_equal_agreement_shows_no_difference():
    rows, covariates = rater_rows()
    rng = np.random.default_rng(1)
    dice = rows["metric"].isin(["dice", "rater_dice@again"])
    rows.loc[dice, "value"] = 0.9 + rng.normal(0, 0.02, dice.sum())
    found = rater_differences_table(from_rows(rows, TARGET, covariates))
    (row,) = found.query(
        "label == 'left' and measure == 'dice' and against == 'reference' and rater == 'again'"
    ).to_dict("records")
    assert row["finding"] == "no difference is shown"
    assert row["low"] < 0 < row["high"]


def test_the_unit_of_the_intervals_is_the_subject():
    rows, covariates = rater_rows()
    one = rows.assign(subject_id="one")
    found = rater_differences_table(from_rows(one, TARGET, covariates))
    assert found["difference"].isna().all()
    assert set(found["reason"]) == {"fewer than 3 subjects"}
    table = raters_table(from_rows(one, TARGET, covariates), agreement_table(rater_cohort()))
    assert table["dice"].notna().all()
    assert table["dice_low"].isna().all()


def test_people_alone_are_put_against_each_other():
    rows, covariates = rater_rows()
    people = rows[rows["metric"].str.startswith(("reference_", "rater_"))]
    measured = from_rows(people, TARGET, covariates)
    assert measured.network is None
    table = raters_table(measured, agreement_table(measured))
    assert set(zip(table["first"], table["second"], strict=True)) == {
        ("reference", "again"), ("reference", "rater2"), ("again", "rater2")
    }  # fmt: skip
    assert table["dice"].notna().all()
    assert rater_differences_table(measured).empty


def test_without_raters_the_study_is_as_it_was():
    rows, covariates = rater_rows()
    plain = rows[~rows["metric"].str.contains("@|mean")]
    tables = analyse(from_rows(plain, TARGET, covariates)).tables
    assert not {"raters", "rater_differences", "means", "mean_agreement"} & set(tables)


def test_a_scan_that_a_rater_has_not_drawn_is_no_failure(measured):
    found = failures_table(measured)
    assert set(found["method"]) == {"reference", "predicted"}
    lost = found[(found["method"] == "predicted") & (found["definition"] == "crash_or_empty")]
    assert lost["n_failed"].tolist() == [1]
    assert "8 of 40 cases have no rater2 volume of left." in rater_study().notes


def test_swapped_masks_of_a_rater_are_named():
    rows, covariates = rater_rows(10)
    of_rater = "reference_volume_mm3@rater2"
    rows = rows[rows["metric"].isin(["reference_volume_mm3", of_rater])]
    crossed = rows[rows["metric"] == of_rater].assign(metric="reference_swapped@rater2")
    crossed["value"] = crossed["case_id"].isin(["c01", "c07"]).astype(float)
    notes = analyse(from_rows(pd.concat([rows, crossed]), TARGET, covariates)).notes
    assert notes[0].startswith("2 rater2 masks have left and right swapped (c01, c07); swap")
    crossed["value"] = 0.0
    clean = analyse(from_rows(pd.concat([rows, crossed]), TARGET, covariates)).notes
    assert not any("swapped" in note for note in clean)


def test_a_prediction_that_is_never_there_leaves_the_people():
    rows, covariates = rater_rows()
    rows.loc[rows["metric"] == "volume_mm3", "value"] = np.nan
    measured = from_rows(rows, TARGET, covariates)
    assert measured.methods == ("reference", "again", "rater2")
    assert rater_differences_table(measured).empty
    assert isinstance(raters_table(measured, agreement_table(measured)), pd.DataFrame)
