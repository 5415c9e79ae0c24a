import math

import pytest

from neurotarget.stats.arms.comparison import compare
from oracles.arms import dice_of, simulated


def three(**changed):
    """A good arm, and two that have not learnt anything, each trained once."""
    good = {"good": [0.8, 0.85, 0.9, 0.75, 0.82, 0.88, 0.79]}
    bad = {"weak": [0.03, 0.05, 0.04, 0.03, 0.04, 0.05, 0.03], "none": [0.02, 0.01] * 3 + [0.02]}
    return compare(dice_of(good | bad | changed))


def test_arms_that_have_not_learnt_have_no_rank_and_no_chance():
    found = three(fair=[0.6, 0.65, 0.7, 0.55, 0.62, 0.68, 0.59])
    arms = found.tables["arms"].set_index("arm")
    assert arms["learnt"].to_dict() == {
        "good": "learnt", "fair": "learnt", "weak": "not learnt", "none": "not learnt"
    }  # fmt: skip
    assert arms.loc[["weak", "none"], ["mean_rank", "p_best"]].isna().all(axis=None)
    assert arms.loc[["good", "fair"], "mean_rank"].tolist() == [1, 2]
    assert arms.loc["weak", "n_failed"] == 7
    assert "not learnt: The mean Dice of 7 held-out masks is 0.039" in arms.loc["weak", "reason"]
    for name in ("differences", "ranks"):
        assert not {"weak", "none"} & set(found.tables[name]["arm"])
    assert found.sentence.startswith("good has the highest mean Dice, 0.827, which is 0.200 above")
    assert found.sentence.endswith("weak (Dice 0.039) and none (Dice 0.016) have not learnt, and "
                                   "have no rank.")  # fmt: skip


def test_where_no_arm_has_learnt_the_comparison_says_nothing():
    found = compare(dice_of({"weak": [0.038] * 6, "none": [0.016] * 6}))
    assert found.sentence == (
        "No network has learnt, so this comparison does not show which is best: weak has a mean "
        "Dice of 0.038 and none has a mean Dice of 0.016."
    )
    assert len(found.tables["differences"]) == len(found.tables["ranks"]) == 0
    assert found.tables["arms"][["mean_rank", "p_best"]].isna().all(axis=None)


def test_the_only_one_that_has_learnt_is_no_winner():
    found = three()
    assert found.sentence.startswith("good is the only architecture that has learnt: ")
    assert math.isnan(found.tables["arms"].set_index("arm").at["good", "p_best"])


def test_an_arm_is_held_against_what_a_mask_of_all_voxels_has():
    arms = dice_of({"a": [0.8] * 6, "b": [0.52] * 6})
    assert set(compare(arms).tables["arms"]["learnt"]) == {"learnt"}
    arms.runs["val_all_foreground_dice"] = 0.5
    found = compare(arms).tables["arms"].set_index("arm")["learnt"]
    assert found.to_dict() == {"a": "learnt", "b": "not learnt"}


def test_one_training_of_three_that_failed_makes_an_arm_doubtful():
    arms = simulated({"a": 0.8, "b": 0.75}, seeds=(1, 2, 3), folds=1, n=12, labels=("front",))
    lost = (arms.scores["run"] == arms.runs.index[0]) & (arms.scores["metric"] == "dice")
    arms.scores.loc[lost, "value"] = 0.01
    found = compare(arms).tables["arms"].set_index("arm")
    assert found["learnt"].to_dict() == {"a": "doubtful", "b": "learnt"}
    assert "Of 3 trainings: 1 not learnt" in found.at["a", "reason"]
    assert found["mean_rank"].notna().all()


@pytest.mark.parametrize("n", [1, 2])
def test_few_cases_are_judged_too(n):
    found = compare(dice_of({"a": [0.8] * n, "b": [0.01] * n}))
    assert found.tables["arms"]["learnt"].tolist() == ["learnt", "not learnt"]
