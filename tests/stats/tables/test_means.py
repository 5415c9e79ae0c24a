import numpy as np
import pandas as pd
import pytest

from neurotarget.problems import DataError
from neurotarget.stats.cohort.measured import from_rows, means_with_regions, with_regions
from neurotarget.stats.study.analysis import analyse
from neurotarget.stats.tables.means import mean_agreement_table, means_table
from neurotarget.stats.tables.sites import sites_table
from oracles.rater_cohort import GAP_PPM, SLOPE_PPM, TARGET, rater_rows, rater_study

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def study():
    return rater_study()


@pytest.fixture(scope="module")
def measured(study):
    return study.measured


def test_rows_become_means_of_every_method(measured):
    assert set(measured.quantities["mean_qsm"].tables) == set(measured.methods)
    rows, _ = rater_rows()
    own = rows[(rows["metric"] == "mean_qsm") & (rows["label"] == "left")]["value"]
    assert measured.quantities["mean_qsm"].tables["predicted"]["left"].tolist() == pytest.approx(
        own.tolist(), nan_ok=True
    )


def test_the_mean_of_a_region_is_weighted_by_volume():
    index = list("abcd")
    volumes = pd.DataFrame(
        {"left": [300.0, 0.0, np.nan, 100.0], "right": [100.0, 50.0, 80.0, 100.0]}, index=index
    )
    means = pd.DataFrame(
        {"left": [0.1, np.nan, np.nan, np.nan], "right": [0.3, 0.2, 0.2, 0.1]}, index=index
    )
    total = means_with_regions(means, with_regions(volumes, TARGET), TARGET)["total"]
    assert total.tolist() == pytest.approx([0.15, 0.2, np.nan, np.nan], nan_ok=True)


def test_a_region_without_a_voxel_has_no_mean():
    volumes = with_regions(pd.DataFrame({"left": [0.0], "right": [0.0]}), TARGET)
    means = pd.DataFrame({"left": [np.nan], "right": [np.nan]})
    assert means_with_regions(means, volumes, TARGET)["total"].isna().all()


def test_effects_on_means_are_in_their_unit_and_find_what_was_planted(study, measured):
    effects = study.tables["effects"].set_index(["hypothesis", "method"])
    gap = effects.loc[("susceptibility", "predicted")]
    assert (gap["unit"], gap["verdict"], gap["label"]) == ("ppm", "shown", "total")
    assert gap["low"] < GAP_PPM < gap["high"]
    assert gap["expected"] == GAP_PPM
    slope = effects.loc[("iron_with_age", "reference")]
    assert (slope["unit"], slope["label"]) == ("ppm/year", "left")
    table = measured.covariates
    columns = np.column_stack([table["age"], table["group"] == "patient", np.ones(len(table))])
    by_hand = np.linalg.lstsq(
        columns.astype(float), measured.quantities["mean_qsm"].tables["reference"]["left"]
    )[0]
    assert slope["estimate"] == pytest.approx(by_hand[0])
    assert slope["estimate"] == pytest.approx(SLOPE_PPM, abs=3e-4)
    assert effects.loc[("nuclei_smaller", "reference"), "unit"].unique().tolist() == ["mm3"]


def test_head_size_is_no_matter_of_means(study):
    models = study.tables["effects"].groupby("hypothesis")["model"].unique()
    assert models["susceptibility"].tolist() == ["declared"]
    assert "tiv_residual" in models["nuclei_smaller"]


def test_differences_and_power_are_in_the_unit_too(study):
    differences = study.tables["effect_differences"].set_index("hypothesis")
    assert set(differences.loc["susceptibility", "unit"]) == {"ppm"}
    assert differences.loc["susceptibility", "difference"].abs().max() < 0.01
    power = study.tables["power"].set_index(["hypothesis", "method"])
    row = power.loc[("susceptibility", "predicted")]
    assert (row["unit"], row["effect"]) == ("ppm", GAP_PPM)
    assert row["sd"] == pytest.approx(0.007, abs=0.004)


def test_sites_are_compared_by_volumes_only():
    rows, covariates = rater_rows()
    covariates["site"] = ["A", "B", "C", "D"] * 10
    found = sites_table(from_rows(rows, TARGET, covariates))
    assert set(found["hypothesis"]) == {"nuclei_smaller"}
    assert set(found["unit"]) <= {"mm3", ""}


def test_a_hypothesis_on_means_that_nobody_has_measured_says_so():
    rows, covariates = rater_rows()
    bare = rows[~rows["metric"].str.contains("mean|@")]
    tables = analyse(from_rows(bare, TARGET, covariates)).tables
    found = tables["effects"].set_index("hypothesis").loc["susceptibility"]
    assert found["estimate"].isna().all()
    assert set(found["reason"]) == {"no case has a mean of qsm"}
    assert "means" not in tables


def test_means_have_a_table_of_their_own(measured):
    found = means_table(measured).query("stratum == 'all'")
    row = found.set_index(["method", "label"]).loc[("predicted", "left")]
    own = measured.quantities["mean_qsm"].tables["predicted"]["left"]
    assert (row["mean"], row["unit"], row["contrast"]) == (pytest.approx(own.mean()), "ppm", "qsm")
    assert (row["n"], row["n_missing"]) == (39, 1)


def test_means_agree_in_their_unit_and_without_shares(measured):
    found = mean_agreement_table(measured)
    assert set(found["unit"]) == {"", "ppm"}
    assert "bias_percent" not in set(found["statistic"])
    whole = found.query("stratum == 'all' and label == 'left' and second == 'predicted'")
    by_name = whole.set_index("statistic")["value"]
    assert by_name["bias"] == pytest.approx(0, abs=0.002)
    assert by_name["icc_a1"] > 0.9


def test_each_case_has_its_means_and_absent_ones_are_counted(study):
    cases = study.tables["cases"]
    assert {"left_predicted_mean_qsm_ppm", "total_rater2_mean_qsm_ppm"} <= set(cases)
    assert "1 of 40 cases has no predicted mean qsm of left." in study.notes


def test_a_rater_called_as_a_method_is_refused():
    rows, covariates = rater_rows()
    with pytest.raises(DataError, match="a rater called 'rater2', and the methods anna and rat"):
        from_rows(rows, TARGET, covariates, methods=("anna", "rater2"))
