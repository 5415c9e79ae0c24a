import math

import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.arms.arm_studies import (
    agreement_table,
    cohorts,
    effects_table,
    mean_icc,
    verdict_text,
)
from neurotarget.stats.cohort.measured import Measured, of_volumes
from neurotarget.stats.effects.effects import effects_table as study_effects
from oracles.agreement import icc_a1
from oracles.arms import arms_of, simulated, target
from oracles.cohorts import cohort

HYPOTHESES = {"sex_difference": "volume: F > M", "age_slope": "volume ~ age + sex: negative"}


def volumes(arm, fold, seed, case, found, true, label="front"):
    place = (arm, fold, seed, case, label)
    return [(*place, "volume_mm3", found), (*place, "reference_volume_mm3", true)]


def test_the_folds_of_a_seed_are_one_cohort():
    rows = [*volumes("a", 0, 1, "c1", 10.0, 11.0), *volumes("a", 1, 1, "c2", 20.0, 22.0)]
    rows += [*volumes("a", 0, 2, "c1", 30.0, 11.0), *volumes("a", 1, 2, "c2", 40.0, 22.0)]
    reference, (first, second) = cohorts(arms_of(rows, target("front")))
    assert reference["front"].tolist() == [11, 22]
    assert (first.arm, first.seed, first.values["front"].tolist()) == ("a", 1, [10, 20])
    assert second.values["front"].tolist() == [30, 40]


def test_folds_that_share_a_test_case_are_averaged():
    rows = [*volumes("a", 0, 1, "c1", 10.0, 11.0), *volumes("a", 1, 1, "c1", 20.0, 11.0)]
    _, (found,) = cohorts(arms_of(rows, target("front")))
    assert found.values["front"].tolist() == [15]


def test_cases_without_a_reference_are_left_out():
    rows = [*volumes("a", 0, 1, "c1", 10.0, 11.0), *volumes("a", 0, 1, "c2", 20.0, math.nan)]
    reference, (found,) = cohorts(arms_of(rows, target("front")))
    assert list(reference.index) == list(found.values.index) == ["c1"]


def test_agreement_is_that_of_the_closed_form():
    arms = simulated({"a": 0.8, "b": 0.8}, seeds=(1, 2), n=24)
    table = agreement_table(arms)
    assert list(table["label"].unique()) == ["front", "back", "total"]
    assert len(table) == 2 * 2 * 3
    reference, every = cohorts(arms)
    for one in every:
        at = (table["arm"] == one.arm) & (table["seed"] == one.seed) & (table["label"] == "total")
        found = table[at].iloc[0]
        true, own = reference["total"].to_numpy(), one.values["total"].to_numpy()
        assert found["icc_a1"] == pytest.approx(icc_a1(true, own).value)
        assert found["icc_low"] < found["icc_a1"] < found["icc_high"]
        assert found["bias_mm3"] == pytest.approx((own - true).mean())
        assert found["bias_low"] < found["bias_mm3"] < found["bias_high"]
        assert found["pearson_r"] == pytest.approx(np.corrcoef(true, own)[0, 1])
        assert found["n"] == 24
    own = table[(table["arm"] == "a") & (table["label"] == "front")]
    assert mean_icc(table, "a", "front") == pytest.approx(own["icc_a1"].mean())


def test_a_case_without_a_mask_is_counted():
    rows = [row for k in range(5) for row in volumes("a", 0, 1, f"c{k}", 10.0 + k, 11.0 + k * k)]
    rows[0] = (*rows[0][:-1], math.nan)
    found = agreement_table(arms_of(rows, target("front"))).iloc[0]
    assert found["n"] == 4
    assert "1 cases lack a volume" in found["reason"]


def planted(seeds=(1, 2)):
    """Arm `good` draws the true volumes, `blind` noise; sex and age move the true ones."""
    true, covariates = cohort()
    rng, rows = np.random.default_rng(1), []
    for number, case in enumerate(true.index):
        for seed in seeds:
            for arm, found in (("good", true[case]), ("blind", rng.normal(600, 60))):
                rows += volumes(arm, number % 3, seed, case, found + rng.normal(0, 1), true[case])
    return arms_of(rows, target("front", hypotheses=HYPOTHESES), covariates), true, covariates


def test_each_arm_and_the_reference_are_asked_for_the_effects():
    arms, true, covariates = planted()
    table = effects_table(arms)
    assert list(table["arm"].unique()) == ["reference", "good", "blind"]
    assert table["seed"].isna().sum() == 2  # the reference, once for each hypothesis
    volumes_of = {"reference": pd.DataFrame({"front": true})}
    measured = Measured(
        arms.target, of_volumes(volumes_of), covariates, pd.DataFrame(), "reference"
    )
    expected = study_effects(measured).set_index("hypothesis")["estimate"]
    found = table[table["arm"] == "reference"].set_index("hypothesis")["estimate"]
    assert found.to_dict() == pytest.approx(expected.to_dict())
    arguments = table.groupby("arm")["verdict"].agg(set)
    assert arguments["good"] == arguments["reference"] == {"shown"}
    assert arguments["blind"] == {"no conclusion"}


def test_verdicts_are_counted_over_seeds():
    effects = pd.DataFrame(
        [("a", "sex", "shown"), ("a", "sex", "shown"), ("a", "age", "shown"),
         ("a", "age", "inconclusive"), ("b", "age", "shown")],
        columns=["arm", "hypothesis", "verdict"],
    )  # fmt: skip
    assert verdict_text(effects, "a") == (
        "sex: shown 2 of 2; age: shown 1 of 2, inconclusive 1 of 2"
    )
    assert verdict_text(effects, "c") == ""


def test_unknown_covariates_give_a_reason():
    arms, _, covariates = planted(seeds=(1,))
    blank = type(arms)(arms.target, arms.scores, arms.runs, covariates[["subject_id"]][:0])
    table = effects_table(blank)
    assert set(table["verdict"]) == {"inconclusive", "no conclusion"}
    assert (table["reason"] != "").all()


def test_without_volumes_or_hypotheses_there_are_no_rows():
    arms = arms_of(
        [("a", 0, 1, "c1", "front", "dice", 0.5)], target("front", hypotheses=HYPOTHESES)
    )
    assert len(agreement_table(arms)) == len(effects_table(arms)) == 0
    assert math.isnan(mean_icc(agreement_table(arms), "a", "front"))
    assert len(effects_table(simulated({"a": 0.8}, n=6))) == 0


def test_means_inside_the_masks_of_each_arm_are_tested_in_their_unit():
    true, covariates = cohort()
    hypotheses = {"iron": "mean_t1: F > M"}
    of = target("front", hypotheses=hypotheses, units={"t1": "ppm"})
    rows = [
        ("good", number % 3, 1, case, "front", metric, true[case] / 1000)
        for number, case in enumerate(true.index)
        for metric in ("mean_t1", "reference_mean_t1")
    ]
    rows += [
        ("good", number % 3, 1, case, "front", metric, 500.0 + number)
        for number, case in enumerate(true.index)
        for metric in ("volume_mm3", "reference_volume_mm3")
    ]
    table = effects_table(arms_of(rows, of, covariates))
    assert set(table["unit"]) == {"ppm"}
    is_f = (covariates["sex"] == "F").to_numpy()
    gap = (true[is_f].mean() - true[~is_f].mean()) / 1000
    assert table["estimate"].tolist() == pytest.approx([gap, gap])
