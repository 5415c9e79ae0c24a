import time
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.cohort.measured import Measured, of_volumes, with_regions
from neurotarget.stats.effects.effects import estimate_effect
from neurotarget.stats.effects.verdict import INCONCLUSIVE, SHOWN
from neurotarget.stats.tables.sites import (
    COLUMNS,
    HARMONISATION_COLUMNS,
    harmonisation_table,
    sites_table,
)
from neurotarget.types import Target

AGE = {"age_slope": "volume ~ age + sex: negative"}
ESTIMATES = ["estimate_within", "within_low", "within_high"]
ERRORS = ["mae_mm3", "bias_mm3", "mae_combat_mm3", "bias_combat_mm3"]
SHARES = ["site_share_raw", "site_share_combat", "p_site_raw", "p_site_combat"]


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def target(hypotheses=AGE, labels=("gland",), pairs=()):
    ids = {label: number for number, label in enumerate(labels, start=1)}
    return Target("t", ("t1",), ids, (1, 1, 1), (8, 8, 8), pairs=pairs, hypotheses=dict(hypotheses))


def cohort(sizes=(30, 30, 30), scanned=(0.0, 0.0, 0.0), slope=-4.0, seed=0, what=None):
    """One method's volumes; each site adds `scanned` mm³, and each year adds `slope` mm³."""
    generator = np.random.default_rng(seed)
    what = what or target()
    place = np.repeat(np.arange(len(sizes)), sizes)
    cases = pd.Index([f"c{number:03}" for number in range(len(place))], name="case_id")
    table = pd.DataFrame(
        {
            "subject_id": [f"s{number:03}" for number in range(len(place))],
            "age": generator.uniform(20, 70, len(place)),
            "sex": np.where(np.arange(len(place)) % 2, "F", "M"),
            "site": np.array(list("ABCDEFGH"), dtype=object)[place],
        },
        cases,
    )
    ideal = 3000 + slope * table["age"] + np.array(scanned)[place] + 100 * (table["sex"] == "M")
    volumes = pd.DataFrame(
        {label: ideal + generator.normal(0, 40, len(place)) for label in what.label_names}
    )
    return Measured(
        what, of_volumes({"reference": with_regions(volumes, what)}), table, pd.DataFrame()
    )


def with_covariates(measured, **columns):
    return replace(measured, covariates=measured.covariates.assign(**columns))


def row(table, **wanted):
    found = table[(table[list(wanted)] == pd.Series(wanted)).all(axis=1)]
    assert len(found) == 1
    return found.iloc[0]


def test_a_row_a_site_holds_the_effect_within_it_and_without_it():
    measured = cohort()
    table = sites_table(measured)
    assert [name.removesuffix("_mm3") for name in table] == list(COLUMNS)
    assert list(table["site"]) == ["A", "B", "C"]
    volumes, covariates = measured.values["reference"]["gland"], measured.covariates
    (hypothesis,) = measured.target.hypotheses
    here = covariates["site"] == "B"
    found = row(table, site="B")
    for rows, name in ((here, "within"), (~here, "without")):
        effect = estimate_effect(hypothesis, volumes[rows], covariates[rows])
        values = found[[f"estimate_{name}", f"{name}_low", f"{name}_high"]]
        assert list(values) == pytest.approx([effect.estimate, effect.low, effect.high])
    assert (found["n"], found["unit"], found["reason"]) == (30, "mm3/year", "")


def test_the_verdict_shows_that_a_result_hangs_on_one_site():
    measured = cohort(slope=0.0)
    ages, here = measured.covariates["age"], measured.covariates["site"] == "B"
    measured.values["reference"].loc[here, "gland"] -= 10 * (ages[here] - 45)
    verdicts = sites_table(measured).set_index("site")["verdict_without"]
    assert verdicts["A"] == verdicts["C"] == SHOWN
    assert verdicts["B"] != SHOWN


def test_a_site_off_by_200_mm3_is_found_and_combat_takes_the_bias_away():
    measured = cohort(sizes=(40, 40, 40, 40), scanned=(0.0, 80.0, -80.0, 200.0))
    found = row(sites_table(measured), site="D")
    assert found["bias_mm3"] == pytest.approx(-200, abs=25)  # predicted minus measured
    assert found["mae_mm3"] == pytest.approx(200, abs=25)
    assert abs(found["bias_combat_mm3"]) < 40
    assert found["mae_combat_mm3"] < 60


def test_the_same_seed_gives_the_same_tables():
    measured = cohort(what=target(labels=("one", "two")))
    for make in (sites_table, harmonisation_table):
        pd.testing.assert_frame_equal(make(measured, seed=3), make(measured, seed=3))
    different = sites_table(measured, seed=4)["mae_combat_mm3"]
    assert (sites_table(measured, seed=3)["mae_combat_mm3"] != different).any()


def test_a_group_difference_is_looked_at_site_by_site():
    measured = cohort(what=target({"sex": "volume: M > F"}))
    table = sites_table(measured)
    assert set(table["verdict_without"]) == {SHOWN}
    assert set(table["unit"]) == {"mm3"}
    assert table[ERRORS].notna().all(axis=None)


def test_site_as_a_term_of_the_model_is_no_hindrance():
    plain = sites_table(cohort())
    adjusted = sites_table(cohort(what=target({"age_slope": "volume ~ age + sex + site: any"})))
    assert list(adjusted["estimate_within"]) == pytest.approx(list(plain["estimate_within"]))
    assert list(adjusted["mae_mm3"]) == pytest.approx(list(plain["mae_mm3"]))
    assert (adjusted["estimate_without"] != plain["estimate_without"]).all()
    assert set(adjusted["reason"]) == {""}


def test_splines_and_interactions_are_predicted_too():
    curved = {"sex": "volume ~ sex + spline(age): M > F", "steeper": "volume ~ age*sex: any"}
    measured = cohort(what=target(curved))
    table = sites_table(measured)
    assert len(table) == 6
    assert table[ERRORS].notna().all(axis=None)
    assert harmonisation_table(measured)[SHARES].notna().all(axis=None)


def test_labels_and_regions_each_have_rows_unless_the_hypothesis_names_one():
    claims = {"all": "volume ~ age: negative", "one": "volume[two] ~ age: negative"}
    table = sites_table(cohort(what=target(claims, labels=("one", "two"))))
    labels = table.groupby("hypothesis")["label"].unique()
    assert list(labels["all"]) == ["one", "two", "total"]
    assert list(labels["one"]) == ["two"]


def test_of_many_labels_the_first_are_looked_at_and_the_rest_is_counted():
    labels = [f"{side}-{number}" for number in range(8) for side in ("lh", "rh")]
    pairs = tuple(zip(labels[::2], labels[1::2], strict=True))
    measured = cohort(sizes=(8, 8), scanned=(0, 0), what=target(labels=labels, pairs=pairs))
    table = sites_table(measured)
    looked = [label for label in table["label"].unique() if "more" not in label]
    assert looked[:12] == labels[:12]
    assert set(looked[12:]) == {"left", "right", "total", *"012345"}
    last = table.iloc[-1]
    assert last["label"] == "6 more"  # four labels and two pairs
    assert last["reason"].startswith("6 labels and regions are not analysed")
    assert len(harmonisation_table(measured)) == len(measured.labels)


def test_without_hypotheses_age_stands_for_one_adjusted_for_sex_and_tiv():
    bare = cohort(what=target({}))
    head = pd.Series(np.random.default_rng(1).normal(1.5e6, 1e5, 90), bare.covariates.index)
    table = sites_table(with_covariates(bare, eTIV=head))
    declared = target({"age_slope": "volume ~ age + sex + eTIV: any"})
    same = sites_table(with_covariates(replace(bare, target=declared), eTIV=head))
    pd.testing.assert_frame_equal(table, same)


def test_without_any_covariate_there_is_a_reason():
    measured = cohort(what=target({}))
    bare = replace(measured, covariates=measured.covariates[["subject_id", "site"]])
    (found,) = sites_table(bare).to_dict("records")
    assert found["reason"].startswith("no hypothesis on anything but site, and no covariate age")
    assert harmonisation_table(bare)["site_share_raw"].notna().all()


def test_without_sites_there_is_a_reason():
    measured = cohort()
    bare = replace(measured, covariates=measured.covariates.drop(columns="site"))
    for table in (sites_table(bare), harmonisation_table(bare)):
        (found,) = table.to_dict("records")
        assert (found["n"], found["reason"]) == (90, "no covariate site")


def test_one_site_has_its_own_effect_and_nothing_to_compare():
    measured = cohort(sizes=(30,), scanned=(0,))
    found = row(sites_table(measured), site="A")
    assert found[ESTIMATES].notna().all()
    assert found[["estimate_without", *ERRORS]].isna().all()
    assert found["verdict_without"] == INCONCLUSIVE
    assert found["reason"] == "there is no other site; nobody was scanned at other sites alone"
    shares = harmonisation_table(measured).iloc[0]
    assert shares[SHARES].isna().all()
    assert shares["reason"] == "ComBat needs two sites of 3 subjects or more"


@pytest.mark.parametrize("few", [1, 2])
def test_a_site_of_one_or_two_is_a_row_with_a_reason(few):
    measured = cohort(sizes=(30, 30, 30, few), scanned=(0.0,) * 4)
    table = sites_table(measured)
    small = row(table, site="D")
    assert small[[*ESTIMATES, *ERRORS]].isna().all()
    assert small["estimate_without"] == pytest.approx(-4, abs=1)
    assert small["n"] == few
    assert small["reason"] == f"{few} subject{'s' * (few > 1)}, wanted 3 or more"
    assert row(table, site="A")[ERRORS].notna().all()
    shares = harmonisation_table(measured).iloc[0]
    assert (shares["n"], shares["n_sites"]) == (90, 3)
    assert shares["reason"] == "left out with fewer than 3 subjects: D"


@pytest.mark.parametrize("sizes", [(), (1,), (2, 2), (1, 1, 1), (3, 3), (3, 1), (4, 1, 1)])
@pytest.mark.parametrize("labels", [("one",), ("one", "two")])
def test_cohorts_too_small_for_anything_give_reasons_and_no_numbers(sizes, labels):
    measured = cohort(sizes=sizes, scanned=(0.0,) * len(sizes), what=target(labels=labels))
    table = sites_table(measured)
    assert sorted(set(table["site"])) == list("ABC"[: len(sizes)])
    assert table[[*ESTIMATES, *ERRORS]].isna().all(axis=None)
    assert (table["reason"] != "").all()
    shares = harmonisation_table(measured)
    assert shares[SHARES].isna().all(axis=None)
    assert set(shares["n_sites"]) == {len(sizes)}
    assert (shares["reason"] != "").all()


def test_combat_needs_two_other_sites_and_says_so():
    found = row(sites_table(cohort(sizes=(30, 30), scanned=(0, 0))), site="A")
    assert found[ERRORS[:2]].notna().all()
    assert found[ERRORS[2:]].isna().all()
    assert found["reason"] == "ComBat needs two other sites of 3 subjects or more"


def test_three_subjects_are_predicted_though_they_have_no_slope_of_their_own():
    found = row(sites_table(cohort(sizes=(30, 30, 3))), site="C")
    assert found[ESTIMATES].isna().all()
    assert found[ERRORS].notna().all()
    assert found["reason"].startswith("within: 3 subjects for 3 terms")


def test_a_site_without_women_has_a_slope_and_one_without_known_sex_has_a_reason():
    measured = cohort()
    sex = measured.covariates["sex"].copy()
    here = measured.covariates["site"] == "B"
    sex[here] = "M"
    found = row(sites_table(with_covariates(measured, sex=sex)), site="B")
    assert found[[*ESTIMATES, *ERRORS]].notna().all()
    sex[here] = None
    measured = with_covariates(measured, sex=sex)
    found = row(sites_table(measured), site="B")
    assert found[[*ESTIMATES, *ERRORS]].isna().all()
    assert "30 cases lack a volume or a covariate" in found["reason"]
    shares = harmonisation_table(measured).iloc[0]
    assert (shares["n"], shares["n_sites"]) == (60, 2)
    assert "30 cases without a site or a covariate left out" in shares["reason"]


def test_each_sex_at_a_site_of_its_own_leaves_nothing_to_harmonise():
    measured = cohort()
    sex = np.where(measured.covariates["site"] == "A", "F", "M")
    measured = with_covariates(measured, sex=sex)
    shares = harmonisation_table(measured).iloc[0]
    assert shares[SHARES].isna().all()
    assert "cannot be distinguished from the sites" in shares["reason"]
    found = row(sites_table(measured), site="A")
    assert "30 subjects of a category that no other site has" in found["reason"]


def test_constant_volumes_have_reasons():
    measured = cohort(what=target(labels=("one", "two")))
    measured.values["reference"]["one"] = 500.1
    found = row(sites_table(measured), site="A", label="one")
    assert np.isnan(found["estimate_within"])
    assert "the volumes do not vary" in found["reason"]
    shares = harmonisation_table(measured).set_index("label")
    assert shares.loc["one", SHARES].isna().all()
    assert shares.loc["one", "reason"] == "too few volumes, or they do not vary"
    assert shares.loc["two", SHARES].notna().all()


def test_missing_values_are_left_out_and_counted():
    measured = cohort()
    table = measured.covariates.copy()
    table.loc[["c000", "c001"], "age"] = np.nan
    table.loc[["c040", "c041", "c042"], "site"] = None
    measured = replace(measured, covariates=table)
    measured.values["reference"].loc["c002", "gland"] = np.nan
    found = sites_table(measured)
    here = row(found, site="A")
    assert (here["n"], here["reason"]) == (27, "3 cases lack a volume or a covariate")
    assert row(found, site="B")["n"] == 27
    assert row(found, site="")["reason"] == "cases without a site"
    assert row(found, site="")["n"] == 3
    shares = harmonisation_table(measured).iloc[0]
    assert (shares["n"], shares["n_sites"]) == (84, 3)
    assert shares["reason"] == "5 cases without a site or a covariate left out"


def test_no_volume_at_all_has_a_reason():
    measured = cohort()
    measured.values["reference"]["gland"] = np.nan
    assert (sites_table(measured)["reason"] != "").all()
    assert (harmonisation_table(measured)["reason"] != "").all()


def test_an_absent_covariate_of_a_hypothesis_has_a_reason():
    measured = cohort(what=target({"size": "volume ~ tiv + age: positive"}))
    table = sites_table(measured)
    assert table["reason"].str.contains("no covariate tiv").all()
    shares = harmonisation_table(measured).iloc[0]
    assert shares[SHARES].notna().all()
    assert shares["reason"] == "no covariate tiv"


def test_repeated_scans_of_a_subject_count_once():
    measured = cohort()
    again = measured.covariates.rename(index=lambda name: f"{name}_again")
    volumes = measured.values["reference"]
    repeated = volumes.rename(index=lambda name: f"{name}_again")
    doubled = replace(
        measured.with_values({"reference": pd.concat([volumes, repeated])}),
        covariates=pd.concat([measured.covariates, again]),
    )
    for make in (sites_table, harmonisation_table):
        pd.testing.assert_frame_equal(make(doubled), make(measured))


def test_the_share_of_site_falls_in_cases_that_combat_did_not_see():
    measured = cohort(
        sizes=(60, 60, 60), scanned=(0.0, 60.0, -60.0), what=target(labels=("one", "two"))
    )
    table = harmonisation_table(measured)
    assert tuple(table) == HARMONISATION_COLUMNS
    assert list(table["label"]) == ["one", "two", "total"]
    # three shifts of 0, 60 and −60 have a variance of 2400 beside one of 1600 within sites
    assert table["site_share_raw"][:2].tolist() == pytest.approx([0.6, 0.6], abs=0.08)
    assert (table["site_share_combat"] < 0.05).all()
    assert (table["p_site_raw"] < 1e-6).all()
    assert (table["p_site_combat"] > 0.01).all()
    assert set(table["folds"]) == {5}


@pytest.fixture(scope="module")
def hippocampi(shared_data):
    name = "EstimatedTotalIntraCranialVol"
    columns = ["sub_id", "age", "sex", "site", name, "Left-Hippocampus", "Right-Hippocampus"]
    path = shared_data / "tables" / "fcon1000.csv"
    table = pd.read_csv(path, usecols=columns, index_col="sub_id").rename_axis("case_id")
    table = table.dropna(subset="site")
    sides = ("Left-Hippocampus", "Right-Hippocampus")
    what = Target(
        "hippocampi",
        ("table",),
        {sides[0]: 1, sides[1]: 2},
        (1, 1, 1),
        (8, 8, 8),
        pairs=(sides,),
        hypotheses={"age": f"volume ~ age + sex + {name}: negative"},
    )
    covariates = table[["age", "sex", "site", name]]
    covariates.insert(0, "subject_id", table.index)
    return Measured(
        what, of_volumes({"freesurfer": with_regions(table, what)}), covariates, pd.DataFrame()
    )


def test_23_real_sites_shrink_the_hippocampus_with_age_whichever_is_left_out(hippocampi):
    start = time.process_time()
    table = sites_table(hippocampi)
    shares = harmonisation_table(hippocampi).set_index("label")
    assert time.process_time() - start < 15
    assert len(table) == 3 * 23
    assert set(table["verdict_without"]) == {SHOWN}
    few = row(table, label="total", site="Pittsburgh")
    assert few["n"] == 3
    assert "3 subjects" in few["reason"]
    table = table[table["site"] != "Pittsburgh"]
    assert table[[*ESTIMATES, *ERRORS]].notna().all(axis=None)
    # a site's bias is some 5 % of the volume, and nearly gone after ComBat
    total = table[table["label"] == "total"]
    assert total["bias_mm3"].abs().mean() > 200
    assert total["bias_combat_mm3"].abs().mean() < 60
    assert total["mae_combat_mm3"].mean() < 0.95 * total["mae_mm3"].mean()
    assert shares["site_share_raw"].between(0.08, 0.15).all()
    assert (shares["p_site_raw"] < 1e-8).all()
    assert (shares["site_share_combat"] < 0.04).all()
    assert (shares["p_site_combat"] > 0.05).all()
    assert set(shares["n"]) == {1078}
