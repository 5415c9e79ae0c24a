import numpy as np
import pandas as pd
import pytest

from neurotarget.outcome import Outcome
from neurotarget.stats.arms.arm_scores import MEAN, score_arms
from neurotarget.stats.arms.comparison import compare
from neurotarget.stats.arms.main_score import headline_of, labels_of
from neurotarget.stats.arms.paired import order
from neurotarget.types import Target
from oracles.arms import dice_of, target
from oracles.predicted_cohorts import BINARY, GRADES, graded, noisy, predicted_arms, simulated

AGE = Outcome("age", "number", unit="years")


def scores(*metrics, unit=""):
    return pd.DataFrame({"metric": metrics, "unit": unit})


def of_outcomes(*outcomes):
    return Target("t", ("t1",), {}, (1, 1, 1), (8, 8, 8), outcomes=outcomes)


@pytest.fixture(scope="module")
def compared():
    """Three arms of two seeds each; the second has the most noise."""
    p, y = simulated(80)
    arms = {"good": noisy(p, 0.1), "bad": noisy(p, 3.0), "fair": noisy(p, 0.4)}
    return compare(predicted_arms(BINARY, arms, y, failed=[5]))


def test_the_headline_is_dice_where_there_are_labels_else_by_the_rows():
    assert headline_of(target("front"), scores("brier")).metric == "dice"
    both = of_outcomes(BINARY, AGE)
    assert headline_of(both, scores("error_abs", "brier")).metric == "brier"
    error = headline_of(both, scores("error_abs", unit="years"))
    assert (error.metric, error.unit, error.sign) == ("error_abs", "years", -1)
    assert labels_of(both, error) == ("age",)
    assert labels_of(both, headline_of(both, scores("brier"))) == ("hyperplasia",)


def test_the_lowest_brier_score_is_best(compared):
    assert compared.headline.metric == "brier"
    assert compared.tables["arms"]["arm"].tolist() == ["good", "fair", "bad"]
    assert compared.tables["arms"]["brier"].is_monotonic_increasing
    assert compared.sentence.startswith("good has the lowest mean Brier score, 0.")
    assert " below fair, the next" in compared.sentence
    ranks = compared.tables["ranks"].set_index("arm")["mean_rank"]
    assert ranks["good"] < ranks["bad"]
    chances = compared.tables["arms"].set_index("arm")["p_best"]
    assert chances["good"] == chances.max()


def test_a_smaller_score_is_a_win(compared):
    row = compared.tables["differences"].set_index(["arm", "other"]).loc[("good", "bad")]
    assert row["mean_difference"] < 0
    assert row["wins"] > row["losses"]
    assert row["told_apart"] == "yes"


@pytest.mark.parametrize(("outcome", "worst"), [(BINARY, 1.0), (GRADES, 2.0)])
def test_a_failed_prediction_has_the_worst_score(outcome, worst):
    p, codes = simulated(20) if outcome is BINARY else graded(20)
    arms = predicted_arms(outcome, {"a": [p]}, codes, failed=[3])
    scored = score_arms(arms)
    assert scored.by_arm[MEAN].loc["c003", "a"] == worst
    assert scored.by_arm[MEAN]["a"].drop("c003").max() < worst
    assert compare(arms).tables["arms"].loc[0, "n_failed"] == 1


def test_dice_keeps_its_order_and_its_columns():
    arms = dice_of({"low": [0.5, 0.6, 0.7], "high": [0.8, 0.9, 0.7]})
    assert order(score_arms(arms)) == ["high", "low"]
    found = compare(arms)
    assert list(found.tables["arms"].columns[3:6]) == ["dice", "dice_low", "dice_high"]
    assert "discrimination_differences" not in found.tables
    assert np.isfinite(found.tables["arms"]["front_dice"]).all()
