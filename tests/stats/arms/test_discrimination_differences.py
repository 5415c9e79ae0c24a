import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from neurotarget.stats.arms.discrimination_differences import discrimination_differences_table
from neurotarget.stats.core.discrimination import auc_difference
from neurotarget.stats.core.multiple_tests import corrected
from oracles.predicted_cohorts import (
    BINARY,
    GRADES,
    adrenal_probabilities,
    graded,
    noisy,
    predicted_arms,
    simulated,
)


def test_probabilities_of_seeds_are_averaged_before_delongs_test(shared_data):
    p, y = adrenal_probabilities(shared_data)
    seeds = {"size": noisy(p, 0.1), "noise": noisy(p, 2.0, (3, 4))}
    (row,) = discrimination_differences_table(predicted_arms(BINARY, seeds, y)).to_dict("records")
    size, noise = (np.mean(seeds[arm], axis=0) for arm in ("size", "noise"))
    assert row["auc_arm"] == pytest.approx(roc_auc_score(y, size))
    assert row["auc_other"] == pytest.approx(roc_auc_score(y, noise))
    groups = [(one[y == 1], one[y == 0]) for one in (noise, size)]
    assert [row["difference"], row["low"], row["high"]] == pytest.approx(
        list(auc_difference(*groups)[:3])
    )
    assert (row["n"], row["n_positive"], row["n_left_out"]) == (298, 69, 0)


def test_holms_correction_is_over_the_pairs_of_a_class():
    p, codes = graded()
    arms = {name: [p ** (1 + sd) + sd * np.random.default_rng(0).random(p.shape)]
            for name, sd in {"a": 0.0, "b": 0.5, "c": 2.0}.items()}  # fmt: skip
    table = discrimination_differences_table(predicted_arms(GRADES, arms, codes))
    assert len(table) == 9
    for _, family in table.groupby("label"):
        assert family["p_holm"].tolist() == pytest.approx(corrected(family["p"].to_numpy()))


def test_a_case_that_one_arm_lacks_is_left_out_of_its_pairs():
    p, y = simulated()
    arms = predicted_arms(BINARY, {"a": [p], "b": noisy(p, 1.0, (1,))}, y)
    lost = (arms.scores["arm"] == "b") & (arms.scores["case_id"] == "c007")
    arms.scores.drop(
        arms.scores.index[lost & (arms.scores["metric"] == "probability")], inplace=True
    )
    (row,) = discrimination_differences_table(arms).to_dict("records")
    assert (row["n"], row["n_left_out"]) == (119, 1)
    assert row["auc_arm"] == pytest.approx(roc_auc_score(np.delete(y, 7), np.delete(p, 7)))


@pytest.mark.parametrize(
    ("n", "positive", "reason"),
    [
        (8, 4, "fewer than 10 people"),
        (30, 0, "no case is positive"),
        (30, 2, "people of a class"),
        (30, 9, "without an error"),
    ],
)
def test_a_difference_that_cannot_be_estimated_has_a_reason(n, positive, reason):
    p = np.linspace(0.1, 0.9, n)
    arms = predicted_arms(BINARY, {"a": [p], "b": [p[::-1]]}, 1.0 * (np.arange(n) < positive))
    (row,) = discrimination_differences_table(arms).to_dict("records")
    assert reason in row["reason"]
    assert np.isnan(row["p"])
    assert np.isnan(row["low"])
