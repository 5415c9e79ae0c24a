import math
import warnings
from dataclasses import replace

import numpy as np
import pytest

from neurotarget.stats.arms.arm_scores import score_arms
from neurotarget.stats.arms.mixed import fit_arms, training_overlap, variance_table
from oracles.arms import arms_of, dice_of, read_arms, simulated, target
from oracles.mixed_arms import blocks, false_rates, fitted, statsmodels_fit

DESIGNS = {
    "equal folds": {"sizes": (9, 9, 9), "seed": 5},
    "unequal folds": {"sizes": (12, 7, 10), "seed": 0},
    "two seeds": {"sizes": (10, 8, 9), "seeds": 2, "seed": 1},
    "one fold": {"sizes": (20,), "seeds": 3, "seed": 2},
}


def drawn(seed=0, **design):
    rng = np.random.default_rng(seed)
    return blocks(rng, **{"arms": 3, "run": 0.02, "means": (0.7, 0.75, 0.8), **design})


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_the_fit_is_that_of_statsmodels(design):
    folds = drawn(**design)
    fit = fitted(folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls every small variance one at the boundary
        theirs = statsmodels_fit(folds)
    assert fit.difference("b", "a").value == pytest.approx(theirs.params["arm[T.b]"], abs=1e-6)
    raised = math.sqrt(training_overlap(len(folds))) if fit.shares_training else 1
    # of several seeds an error by folds may be the larger
    exactly = 1e-3 if "seeds" not in design else 0.03
    assert fit.error == pytest.approx(raised * theirs.bse["arm[T.b]"], rel=exactly)
    for name, variance in theirs.components.items():
        assert fit.variances[name] == pytest.approx(variance, rel=2e-3, abs=1e-7), name
    assert fit.variances["residual"] == pytest.approx(theirs.scale, rel=1e-3)


def test_folds_of_one_seed_are_tested_against_arm_by_fold_and_share_training_data():
    """Split plot: the mean square of arm × fold, counted by hand, is the error.

    Of four folds three are trained on: the variance of a mean, 1/4, becomes 1/4 + 1/3.
    """
    folds = drawn(sizes=(6, 6, 6, 6))
    means = np.array([scores.mean(axis=(0, 2)) for scores in folds])  # folds × arms
    apart = means - means.mean(axis=0) - means.mean(axis=1, keepdims=True) + means.mean()
    square = (apart**2).sum() / 6
    fit = fitted(folds)
    assert fit.freedom == pytest.approx(6, rel=1e-3)  # (3 − 1)(4 − 1)
    assert fit.shares_training
    assert fit.error == pytest.approx(math.sqrt(2 * square * (1 / 4 + 1 / 3)), rel=1e-4)
    assert training_overlap(4) == pytest.approx(4 * (1 / 4 + 1 / 3))


def test_the_interval_of_several_seeds_is_that_of_lme4(statistics):
    """lmer(dice ~ arm + fold + (1|case) + (1|case:arm) + (1|run)), Satterthwaite; R 4.2."""
    arms = read_arms(statistics / "arms_s2f3.csv", target("front"))
    fit = fit_arms(score_arms(arms), "mean", arms.nets)
    found = fit.difference("segresnet", "swin")
    assert found.value == pytest.approx(0.01657831, abs=1e-7)
    assert (found.low, found.high) == pytest.approx((0.00518, 0.02798), abs=5e-6)
    assert found.p == pytest.approx(0.0062, abs=5e-5)
    assert not fit.shares_training


@pytest.mark.parametrize(
    ("design", "freedom"),
    [
        ({"sizes": (9, 9, 9), "arms": 3}, 4),
        ({"sizes": (9,), "seeds": 3, "run": 0.2}, 6),  # as 3 × (3 − 1) trainings decide
        ({"sizes": (9,)}, 2 * 8),  # cases alone
    ],
)
def test_degrees_of_freedom_count_trainings(design, freedom):
    assert fitted(drawn(**design)).freedom == pytest.approx(freedom, rel=0.02)


def test_one_training_per_arm_counts_cases_alone_and_says_so():
    fit = fitted(drawn(sizes=(30,)))
    assert not fit.has_runs
    assert "run" not in fit.variances
    assert "the model has cases only" in fit.reason


def test_equal_arms_are_seldom_told_apart_and_seldom_called_the_best():
    """More designs, of 500 comparisons each, stand in the oracle."""
    designs = ({}, {"seeds": 2}, {"arms": 2, "seeds": 2}, {"sizes": (67,), "seeds": 3})
    rates = np.mean([false_rates(50, seed=3, **design) for design in designs], axis=0)
    assert (rates <= 0.05).all()  # of pairs; of comparisons after Holm; with a chance above 95 %


def test_without_runs_in_the_model_equal_arms_would_be_told_apart():
    """So one training is not tested, and no net has a probability of being best."""
    pairs, finds, chances = false_rates(40, sizes=(67,))
    assert pairs > 0.2
    assert finds == chances == 0


def test_arms_that_differ_by_fold_do_not_pass_for_better():
    pairs, finds, _ = false_rates(40, seeds=2, arm_fold=0.01, run=0.002)
    assert pairs < 0.1
    assert finds < 0.1


def test_seeds_that_are_good_in_all_folds_do_not_pass_for_better():
    """Folds of one seed begin from the same weights, so they are not independent trainings."""
    pairs, finds, _ = false_rates(40, seeds=2, arm_seed=0.01, run=0.001)
    assert pairs < 0.1
    assert finds < 0.1


def test_a_seed_is_the_same_in_all_folds_whatever_the_order_of_runs():
    arms = simulated({"a": 0.8, "b": 0.8}, seeds=(1, 2), labels=("front",))
    is_lucky = (arms.scores["arm"] == "a") & (arms.scores["seed"] == 2)
    arms.scores.loc[is_lucky & (arms.scores["metric"] == "dice"), "value"] += 0.1
    mixed = replace(arms, runs=arms.runs.iloc[[1, 0, *range(2, len(arms.runs))]])
    fits = [fit_arms(score_arms(one), "mean", ("a", "b")) for one in (arms, mixed)]
    assert fits[0].freedom == 2  # 2 arms × (2 seeds − 1)
    assert fits[1].error == pytest.approx(fits[0].error)


def test_components_are_found_again():
    rng = np.random.default_rng(0)
    fit = fitted(blocks(rng, sizes=(40,) * 5, seeds=3, run=0.005))
    sds = {name: math.sqrt(variance) for name, variance in fit.variances.items()}
    expected = {"case": 0.03, "case_arm": 0.015, "run": 0.005, "residual": 0.013}
    assert sds == pytest.approx(expected, rel=0.2)


def test_arms_that_differ_by_a_constant_have_no_error():
    scores = np.array([[0.5], [0.6], [0.9]])
    fold = np.stack([scores, scores + 0.1], axis=1)
    fit = fitted([fold, fold + 0.05])
    assert fit.error == pytest.approx(0, abs=1e-9)
    difference = fit.difference("b", "a")
    assert difference == pytest.approx((0.1, 0.1, 0.1, 0))
    assert fit.difference("a", "a").p == 1


def test_too_few_cases_have_a_reason():
    fit = fitted([np.full((1, 2, 1), 0.5), np.full((1, 2, 1), 0.6)])
    assert math.isnan(fit.difference("a", "b").value)
    assert "too few cases" in fit.reason


def test_arms_with_unequal_numbers_of_seeds_are_averaged():
    arms = simulated({"a": 0.8, "b": 0.8}, seeds=(1, 2), labels=("front",), n=30)
    keep = (arms.scores["arm"] != "b") | (arms.scores["seed"] == 1)
    rows = arms.scores[keep & (arms.scores["metric"] == "dice")]
    records = [
        (r.arm, r.fold, r.seed, r.case_id, r.label, "dice", r.value) for r in rows.itertuples()
    ]
    fit = fit_arms(score_arms(arms_of(records, target("front"))), "mean", ("a", "b"))
    assert fit.freedom == 2
    assert "unequal numbers of trainings" in fit.reason


def test_folds_that_share_some_cases_count_cases_alone():
    rows = [
        (arm, fold, 1, f"c{case}", "front", "dice", 0.5 + 0.01 * case + 0.02 * (arm == "b") * case)
        for arm in "ab"
        for fold, cases in ((0, range(6)), (1, range(4, 10)))
        for case in cases
    ]
    fit = fit_arms(score_arms(arms_of(rows, target("front"))), "mean", ("a", "b"))
    assert not fit.has_runs
    assert "share only some of their cases" in fit.reason
    assert fit.n_cases == 10


def test_folds_with_one_test_set_are_trainings_of_one_block():
    rng = np.random.default_rng(0)
    rows = [
        (arm, fold, 1, f"c{case}", "front", "dice", rng.uniform())
        for arm in "ab"
        for fold in range(3)
        for case in range(8)
    ]
    fit = fit_arms(score_arms(arms_of(rows, target("front"))), "mean", ("a", "b"))
    assert fit.freedom >= 4  # 2 arms × (3 trainings − 1)
    assert fit.n_cases == 8


def test_variances_that_cannot_be_estimated_have_a_reason():
    table = variance_table({"mean": fitted(drawn(sizes=(30,)))}).set_index("component")
    assert math.isnan(table.at["run", "sd"])
    assert "has cases only" in table.at["run", "reason"]
    assert "case × arm" in table.at["residual", "reason"]
    assert table["share"].sum() == pytest.approx(1)


def test_one_arm_has_no_model():
    fit = fit_arms(score_arms(dice_of({"a": [0.5, 0.6]})), "mean", ("a",))
    assert fit.reason == "there is one arm"
    assert variance_table({"mean": fit})["sd"].isna().all()
