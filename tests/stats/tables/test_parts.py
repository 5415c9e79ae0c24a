import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from neurotarget.stats.arms.arm_parts import arm_parts_table
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.tables.parts import COLUMNS, correlation_p, parts_table
from neurotarget.stats.tables.tables import agreement_table, scores_table
from oracles.agreement import icc_a1
from oracles.arms import arms_of
from oracles.held_out_parts import rows_of, target
from oracles.rater_cohort import TARGET as DRAWN
from oracles.rater_cohort import rater_rows

pytestmark = pytest.mark.filterwarnings("error")


def table_of(rows, asked=None):
    known = pd.DataFrame(index=pd.Index([], name="case_id"))
    measured = from_rows(rows, asked or target(), known)
    return parts_table(measured, agreement_table(measured), scores_table(measured))


SPLITS = ["test"] * 8 + ["external"] * 6


@pytest.fixture(scope="module")
def rows():
    return rows_of(SPLITS, failed=("c03", "c10"))


@pytest.fixture(scope="module")
def table(rows):
    return table_of(rows)


def at(table, part, label, statistic):
    return table[
        (table["part"] == part) & (table["label"] == label) & (table["statistic"] == statistic)
    ]


def test_each_part_has_its_own_dice_over_cases(rows, table):
    for part, split in (("internal", "test"), ("external", "external")):
        own = rows[(rows["split"] == split) & (rows["label"] == "left")]
        dice = own[own["metric"] == "dice"]["value"]
        found = at(table, part, "left", "dice").iloc[0]
        assert found["value"] == pytest.approx(dice.mean())
        assert found["sd"] == pytest.approx(dice.std(ddof=1))
        assert (found["interval"], found["reason"]) == ("none", "fewer than 10 people: no interval")
        assert (found["n"], found["n_subjects"], found["n_failed"]) == (len(dice), len(dice), 1)


def test_each_part_has_the_agreement_of_its_own_volumes(rows, table):
    own = rows[(rows["split"] == "external") & (rows["label"] == "right")]
    true, pred = (
        own[own["metric"] == name]["value"].to_numpy()
        for name in ("reference_volume_mm3", "volume_mm3")
    )
    found = {row["statistic"]: row for _, row in table.iterrows()
             if (row["part"], row["label"]) == ("external", "right")}  # fmt: skip
    assert found["icc_a1"]["value"] == pytest.approx(icc_a1(true, pred).value)
    r, p = pearsonr(true, pred)
    assert (found["pearson_r"]["value"], found["pearson_r"]["p"]) == pytest.approx((r, p))
    assert found["bias"]["value"] == pytest.approx((pred - true).mean())
    assert (found["bias"]["unit"], found["bias"]["n"]) == ("mm3", 6)


def test_what_is_published_stands_beside_its_part_and_label(table):
    left = at(table, "internal", "left", "dice")
    assert left[["published", "published_sd", "source"]].to_numpy().tolist() == [
        [0.9, 0.03, "paper 0"]
    ]
    both = at(table, "external", "left", "dice")
    assert both["published"].tolist() == [0.86, 0.57]
    assert both["value"].nunique() == 1
    right = at(table, "external", "right", "pearson_r").iloc[0]
    assert (right["published"], math.isnan(right["published_sd"])) == (0.48, True)
    assert at(table, "internal", "right", "pearson_r")["published"].isna().all()


def test_another_score_is_reported_where_it_is_published(table):
    assert at(table, "external", "left", "hd95_mm")["value"].notna().all()
    assert at(table, "internal", "left", "hd95_mm").empty


def test_a_value_without_a_label_is_about_all_of_them(table):
    assert at(table, "external", "total", "icc_a1")["published"].tolist() == [0.91]
    assert at(table, "external", "mean", "dice")["published"].tolist() == [0.85]
    alone = table_of(
        rows_of(SPLITS, labels=("nucleus",)),
        target([{"what": "dice", "label": "", "part": "external", "value": 0.7}], nucleus=1),
    )
    assert at(alone, "external", "nucleus", "dice")["published"].tolist() == [0.7]


def test_a_region_counts_cases_in_which_any_of_its_labels_failed(rows):
    one = rows.copy()
    one.loc[(one["case_id"] == "c00") & (one["label"] == "left")
            & (one["metric"] == "failed"), "value"] = 1.0  # fmt: skip
    found = at(table_of(one), "internal", "total", "icc_a1").iloc[0]
    assert (found["n_failed"], found["n"]) == (2, 8)


def test_scans_of_one_person_are_no_further_evidence():
    subjects = [0, 0, 1, 1, 2, 2, 3, 3, *range(4, 10)]
    found = at(table_of(rows_of(SPLITS, subjects=subjects)), "internal", "left", "pearson_r")
    row = found.iloc[0]
    assert (row["n"], row["n_subjects"]) == (8, 4)
    assert row["p"] == pytest.approx(correlation_p(row["value"], 4))
    assert row["p"] > correlation_p(row["value"], 8)


def test_one_site_left_out_is_all_external():
    found = table_of(rows_of(["external"] * 6))
    assert set(found["part"]) == {"external"}
    assert at(found, "external", "left", "dice")["n"].tolist() == [6, 6]  # published twice


def test_published_values_alone_make_the_table_too():
    assert set(table_of(rows_of(["test"] * 6))["part"]) == {"internal"}


def test_cases_that_trained_are_of_neither_part():
    found = table_of(rows_of(["train", "val", *SPLITS]))
    assert at(found, "internal", "right", "bias")["n"].tolist() == [8]


def test_each_further_rater_has_the_same_parts_over_the_cases_that_he_has_drawn():
    rows, _ = rater_rows()
    numbers = rows["case_id"].str[1:].astype(int)
    rows["split"] = np.where(numbers < 25, "test", "external")
    table = table_of(rows, DRAWN)
    assert table["against"].unique().tolist() == ["reference", "again", "rater2"]
    own = rows[(rows["label"] == "left") & (rows["split"] == "external")]
    wide = own.pivot(index="case_id", columns="metric", values="value")
    ours = table[table["against"] == "rater2"]
    dice = at(ours, "external", "left", "dice").iloc[0]
    assert (dice["value"], dice["n"]) == (pytest.approx(wide["dice@rater2"].mean()), 12)
    both = wide[["reference_volume_mm3@rater2", "volume_mm3"]].dropna().to_numpy().T
    assert at(ours, "external", "left", "bias")["value"].item() == pytest.approx(
        (both[1] - both[0]).mean()
    )
    icc = at(ours, "external", "left", "icc_a1")["value"].item()
    assert icc == pytest.approx(icc_a1(*both).value)
    failed = table[(table["label"] == "left") & (table["statistic"] == "dice")]
    assert failed[failed["part"] == "internal"]["n_failed"].tolist() == [1, 1, 1]


def test_published_values_stand_beside_the_reference_alone():
    rows, _ = rater_rows()
    rows["split"] = "external"
    published = [{"what": "dice", "label": "left", "part": "external", "value": 0.9, "source": "s"}]
    table = table_of(rows, replace(DRAWN, published=published))
    assert set(table.loc[table["published"].notna(), "against"]) == {"reference"}
    assert set(table["against"]) == {"reference", "again", "rater2"}


def test_without_external_cases_or_published_values_there_are_no_rows():
    found = table_of(rows_of(["test"] * 6), target([]))
    assert found.empty
    assert list(found.columns) == COLUMNS


def test_two_raters_are_not_held_against_published_networks():
    known = pd.DataFrame(index=pd.Index([], name="case_id"))
    measured = from_rows(rows_of(["test"] * 6), target(), known, methods=("first", "second"))
    assert parts_table(measured, agreement_table(measured), scores_table(measured)).empty


def test_few_cases_give_a_reason():
    found = at(table_of(rows_of(["test"] * 6 + ["external"])), "external", "left", "icc_a1")
    assert found["value"].isna().all()
    assert found["reason"].tolist() == ["fewer than 3 cases"]


@pytest.mark.parametrize(("r", "n", "p"), [(1.0, 5, 0.0), (math.nan, 5, math.nan),
                                           (0.5, 2, math.nan), (0.0, 9, 1.0)])  # fmt: skip
def test_p_of_a_correlation_at_its_ends(r, n, p):
    assert correlation_p(r, n) == pytest.approx(p, nan_ok=True)


def test_arms_have_a_table_each_and_folds_that_share_a_case_are_averaged():
    rows = []
    for arm, fold, cases in (("a", 0, "012345"), ("a", 1, "345678"), ("b", 0, "012345678")):
        for case in cases:
            for metric, value in (
                ("dice", 0.8 + 0.1 * fold),
                ("volume_mm3", 10.0 + int(case) + fold),
                ("reference_volume_mm3", 11.0 + int(case) ** 1.1),
                ("failed", 0.0),
            ):
                rows.append((arm, fold, 1, f"c{case}", "left", metric, value))
    arms = arms_of(rows, target([], left=1))
    assert arm_parts_table(arms).empty  # nothing says the splits
    is_external = arms.scores["case_id"].isin(["c3", "c4", "c5"])
    arms.scores["split"] = np.where(is_external, "external", "test")
    found = arm_parts_table(arms)
    assert found["arm"].unique().tolist() == ["a", "b"]
    ours = found[found["arm"] == "a"]
    assert at(ours, "external", "left", "dice")["value"].tolist() == pytest.approx([0.85])
    assert at(ours, "internal", "left", "dice")["n"].tolist() == [6]
