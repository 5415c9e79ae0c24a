from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon
from statsmodels.stats.multitest import multipletests

from neurotarget.stats.arms.arm_scores import score_arms, secondary_scores
from neurotarget.stats.arms.mixed import fit_arms
from neurotarget.stats.arms.paired import differences_table, distinguished, order, signed_rank_p
from neurotarget.stats.core.multiple_tests import corrected
from oracles.arms import arms_of, dice_of, simulated, target, twice


def table_of(arms, seed=0):
    scored = score_arms(arms)
    fits = {label: fit_arms(scored, label, arms.nets) for label in scored.labels}
    return differences_table(scored, fits, seed=seed)


def row(table, arm, other, label="mean"):
    at = (table["arm"] == arm) & (table["other"] == other) & (table["label"] == label)
    return table[at].iloc[0]


def test_a_difference_is_counted_by_hand():
    arms = dice_of({"unet": [0.5, 0.6, 0.7, 0.9], "vnet": [0.4, 0.6, 0.8, 0.5]})
    found = row(table_of(arms), "unet", "vnet")  # 0.1, 0, −0.1, 0.4
    assert found["mean_difference"] == pytest.approx(0.1)
    assert found["median_difference"] == pytest.approx(0.05)
    assert (found["wins"], found["ties"], found["losses"]) == (2, 1, 1)
    assert found["low"] < 0.1 < found["high"]
    assert (found["n_cases"], found["n_subjects"]) == (4, 4)
    assert found["told_apart"] == "not testable from one training"
    assert "fewer than 6 subjects differ" in found["reason"]


def test_the_better_arm_comes_first():
    table = table_of(dice_of({"a": [0.1, 0.2, 0.3], "b": [0.3, 0.4, 0.6], "c": [0.2, 0.3, 0.4]}))
    assert list(zip(table["arm"], table["other"], strict=True)) == [
        ("b", "c"), ("b", "a"), ("c", "a")
    ]  # fmt: skip


def test_wilcoxon_and_holm_are_those_of_the_libraries():
    arms = simulated({"a": 0.8, "b": 0.805, "c": 0.81}, labels=("front",))
    table, scores = table_of(arms), score_arms(arms).by_arm["mean"]
    raw = [wilcoxon(scores[one.arm] - scores[one.other]).pvalue for one in table.itertuples()]
    assert table["wilcoxon_p"].to_numpy() == pytest.approx(raw)
    assert table["holm_p"].to_numpy() == pytest.approx(multipletests(raw, method="holm")[1])


@pytest.mark.parametrize("n", [1, 5, 9, 12])
def test_all_signs_are_tried_as_scipy_does(n):
    rng = np.random.default_rng(n)
    plain, tied = rng.normal(0.3, 1, n), rng.choice([-2, -1, 1, 2, 3], n).astype(float)
    assert signed_rank_p(plain) == pytest.approx(wilcoxon(plain, method="exact").pvalue)
    if n < 10:  # it takes its time for more
        assert signed_rank_p(tied) == pytest.approx(wilcoxon(tied).pvalue)


def test_many_differences_are_left_to_scipy():
    many = np.random.default_rng(0).normal(0.2, 1, 14)
    assert signed_rank_p(many) == wilcoxon(many).pvalue


def test_holm_leaves_out_what_is_unknown():
    p = np.array([0.04, np.nan, 0.01, 0.03, 0.5, 0.03])
    expected = multipletests(p[np.isfinite(p)], method="holm")[1]
    found = corrected(p)
    assert found[np.isfinite(p)] == pytest.approx(expected)
    assert np.isnan(found[1])
    assert len(corrected(np.array([]))) == 0


def test_arms_that_never_differ_have_p_1():
    found = table_of(dice_of({"a": [0.1, 0.2, 0.3], "b": [0.1, 0.2, 0.3]})).iloc[0]
    assert (found["wilcoxon_p"], found["holm_p"], found["model_p"]) == (1, 1, 1)
    assert (found["mean_difference"], found["low"], found["high"]) == (0, 0, 0)
    assert "no case differs" in found["reason"]


def test_rounding_is_no_difference():
    arms = dice_of({"a": [0.1 + 0.2, 0.5, 0.7], "b": [0.3, 0.5, 0.7]})
    assert table_of(arms).iloc[0]["ties"] == 3


def test_a_planted_difference_is_told_apart_and_equal_arms_are_not():
    table = table_of(simulated({"a": 0.80, "b": 0.80, "c": 0.85}, seeds=(1, 2), n=90))
    assert distinguished(table) == {frozenset("ac"), frozenset("bc")}
    assert row(table, "c", "a")["model_low"] < 0.05 < row(table, "c", "a")["model_high"]


@pytest.mark.parametrize("folds", [1, 3])
def test_one_training_in_all_is_not_tested_however_clear(folds):
    """Of equal nets that were trained once three in four comparisons would find one better."""
    arms = simulated({"a": 0.5, "b": 0.9}, folds=folds, n=90)
    arguments = {1: "not testable from one training", 3: "yes"}
    assert set(table_of(arms)["told_apart"]) == {arguments[folds]}


def test_arms_that_share_some_cases_only_are_not_tested():
    rows = [
        (arm, fold, 1, f"c{case}", "front", "dice", 0.5 + 0.01 * case + 0.2 * (arm == "b"))
        for arm in "ab"
        for fold, cases in ((0, range(8)), (1, range(4, 12)))
        for case in cases
    ]
    found = table_of(arms_of(rows, target("front"))).iloc[0]
    assert found["told_apart"].startswith("not testable, as not every arm")


def test_what_other_trainings_could_undo_is_not_told_apart():
    """200 cases make Wilcoxon sure of a shift that is well within the spread of trainings."""
    arms = simulated(dict.fromkeys("abcde", 0.8), n=200, run_sd=0.01, noise=0.01, seed=1)
    table = table_of(arms)
    sure = table[(table["label"] == "mean") & (table["holm_p"] < 0.05)]
    assert len(sure) >= 3
    assert set(sure["told_apart"]) == {"no"}
    assert sure["reason"].str.contains("not significant over trainings").all()


def test_tests_that_point_to_different_arms_tell_none_apart():
    steady = np.linspace(0.7, 0.8, 100)
    fails = np.where(np.arange(100) < 15, 0.0, steady + np.linspace(0.01, 0.02, 100))
    table = table_of(twice({"steady": steady, "fails": fails}))
    found = row(table, "steady", "fails", "mean")
    assert found["holm_p"] < 0.05
    assert found["model_holm_p"] < 0.05
    assert found["told_apart"] == "no"
    assert found["reason"].endswith("the other arm is better on most subjects")


def test_a_subject_counts_once():
    rng = np.random.default_rng(0)
    dice = {arm: rng.uniform(0.5, 0.9, 8) for arm in "ab"}
    rows = [
        (arm, 0, 1, f"s{subject}-{scan}", "front", "dice", dice[arm][subject])
        for arm in "ab"
        for subject in range(8)
        for scan in range(5)
    ]
    many = table_of(arms_of(rows, target("front"))).iloc[0]
    once = table_of(dice_of(dice)).iloc[0]
    assert (many["n_cases"], many["n_subjects"]) == (40, 8)
    for name in ("wilcoxon_p", "low", "high", "model_low", "model_p"):
        assert many[name] == pytest.approx(once[name]), name


def test_two_subjects_have_no_interval():
    found = table_of(dice_of({"a": [0.1, 0.2], "b": [0.3, 0.1]})).iloc[0]
    assert np.isnan(found["low"])
    assert "fewer than 3 subjects" in found["reason"]


def test_cases_that_one_arm_lacks_are_left_out():
    arms = dice_of({"a": [0.1, 0.2, 0.3, 0.4], "b": [0.3, 0.1, np.nan, 0.2]})
    assert table_of(arms).iloc[0]["n_cases"] == 3


def with_ensemble(shift, parts=None):
    """Three nets, and an ensemble that is `shift` above the second."""
    nets = simulated({"a": 0.80, "b": 0.78, "c": 0.76}, folds=1, labels=("front",), n=20)
    dice = nets.scores[nets.scores["metric"] == "dice"]
    rows = [(r.arm, 0, 1, r.case_id, r.label, "dice", r.value) for r in dice.itertuples()]
    made = dice[dice["arm"] == "b"]
    rng = np.random.default_rng(0)
    rows += [
        ("all", 0, -1, r.case_id, r.label, "dice", r.value + shift + rng.normal(0, 0.01))
        for r in made.itertuples()
    ]
    arms = arms_of(rows, target("front"))
    if parts:
        arms.runs["parts"] = pd.Series({"all/fold=0,seed=-1": parts})
    return arms


@pytest.mark.parametrize(
    ("shift", "parts", "others"),
    [(-0.1, None, {"a"}), (-0.1, "b\nc", {"a", "b", "c"}), (0.1, None, {"a", "b", "c"})],
)
def test_an_ensemble_is_held_against_the_best_net_its_parts_or_if_best_all(shift, parts, others):
    table = table_of(with_ensemble(shift, parts))
    is_made = (table["arm"] == "all") | (table["other"] == "all")
    made = table[is_made]
    assert {*made["arm"], *made["other"]} - {"all"} == others
    assert len(table) - len(made) == 3  # pairs of nets
    assert set(made["told_apart"]) == {"not testable from one training"}
    assert table[~is_made]["holm_p"].to_numpy() == pytest.approx(
        multipletests(table[~is_made]["wilcoxon_p"], method="holm")[1]
    )


def test_an_ensemble_in_each_fold_is_tested_by_its_folds():
    """A net is below its ensemble by 0.1 in each fold, more or less: t of three folds."""
    shifts = (0.09, 0.10, 0.11)
    rows = [
        (arm, fold, seed, f"c{fold}{case}", "front", "dice", 0.7 + 0.01 * case + shift)
        for fold, shift in enumerate(shifts)
        for arm, seed, shift in (("a", 1, 0.0), ("a", 2, 0.0), ("all", -1, shift))
        for case in range(6)
    ]
    found = row(table_of(arms_of(rows, target("front"))), "all", "a")
    assert found["model_difference"] == pytest.approx(0.1)
    # SD 0.01 over folds; of three folds two are trained on; Student's t at 2 degrees of freedom
    half = 4.303 * 0.01 * np.sqrt(1 / 3 + 1 / 2)
    assert (found["model_high"] - found["model_low"]) / 2 == pytest.approx(half, rel=1e-2)
    assert found["told_apart"] == "yes"


@pytest.mark.parametrize("metric", ["volume_error_abs_mm3", "hd95_mm"])
def test_of_errors_and_distances_less_is_better(metric):
    """Arm b draws 20 mm³ more than arm a, and its surfaces lie 1 mm further off."""
    arms = twice({"a": np.full(8, 0.9), "b": np.full(8, 0.8)})
    more = [
        arms.scores.assign(metric=name, value=value + np.where(arms.scores["arm"] == "b", by, 0))
        for name, value, by in (("volume_mm3", 110, 20), ("reference_volume_mm3", 100, 0),
                                ("hd95_mm", 2, 1))
    ]  # fmt: skip
    arms = replace(arms, scores=pd.concat([arms.scores, *more]))
    scored = secondary_scores(arms)[metric]
    fits = {"mean": fit_arms(scored, "mean", arms.nets)}
    found = differences_table(scored, fits, metric=metric).iloc[0]
    better = found if found["arm"] == "a" else {"wins": found["losses"]}
    assert better["wins"] == 8
    assert abs(found["mean_difference"]) == pytest.approx(1 if metric == "hd95_mm" else 20)


def test_arms_without_scores_are_last():
    scored = score_arms(dice_of({"a": [np.nan, np.nan], "b": [0.1, 0.2]}))
    assert order(scored) == ["b", "a"]
