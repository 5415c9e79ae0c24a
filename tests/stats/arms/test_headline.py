import pytest

from neurotarget.stats.arms.comparison import compare
from neurotarget.stats.arms.headline import join_names
from oracles.arms import arms_of, dice_of, simulated, target, twice


def headline(arms):
    return compare(arms).sentence


def shifted(**shifts):
    """Ten cases, each arm moved by a shift that differs a little from case to case."""
    return twice(
        {
            arm: [0.5 + 0.02 * k + shift * (1 + 0.1 * (k % 3)) for k in range(10)]
            for arm, shift in shifts.items()
        }
    )


def test_one_arm_is_not_compared():
    assert headline(dice_of({"unet": [0.5, 0.7]})) == (
        "unet is the only architecture: its mean Dice is 0.600 over 2 cases and 1 training, so "
        "there is nothing to compare."
    )


def test_equal_arms_are_called_equal():
    text = headline(dice_of({arm: [0.5, 0.7] for arm in "abc"}))
    assert text == (
        "All 3 architectures have the same mean Dice, 0.600, over 2 cases and 3 trainings."
    )


def test_two_arms_that_are_clear():
    text = headline(shifted(a=0.0, b=0.1))
    assert text.startswith("b has the highest mean Dice, 0.699, which is 0.109 above a (95 %")
    assert " The two can be distinguished. " in text
    assert text.endswith("over 10 cases and 4 trainings.")


def test_two_arms_that_are_not_clear():
    text = headline(
        twice({"a": [0.5, 0.6, 0.9, 0.4, 0.7, 0.8], "b": [0.6, 0.5, 0.8, 0.5, 0.6, 0.8]})
    )
    assert " (95 % interval −0." in text
    assert "The two cannot be distinguished. " in text


def test_one_training_of_each_is_not_tested_however_clear():
    values = [0.5 + 0.02 * k for k in range(10)]
    text = headline(dice_of({"a": values, "b": [one + 0.1 for one in values]}))
    assert "(95 % interval over cases 0.100 to 0.100). " in text
    assert (
        "Whether the two differ by more than two trainings of one net is not testable from one "
        "training." in text
    )
    assert "another training could change the order" in text


def test_too_few_cases_do_not_tell_arms_apart_however_clear():
    text = headline(twice({"a": [0.50, 0.61, 0.72, 0.80], "b": [0.60, 0.70, 0.82, 0.9]}))
    assert "The two cannot be distinguished by Wilcoxon's test." in text


def test_a_clear_winner():
    text = headline(shifted(a=0.0, b=0.05, c=0.2))
    assert text.startswith("c has the highest mean Dice")
    assert "above b, the next" in text
    assert "It can be distinguished from both others." in text


def test_ties_with_the_best_are_named():
    arms = simulated({"a": 0.80, "b": 0.80, "c": 0.70, "d": 0.70}, seeds=(1, 2), n=60)
    text = headline(arms)
    best, tied = ("a", "b") if text.startswith("a") else ("b", "a")
    assert text.startswith(best)
    assert f"{tied} cannot be distinguished from it; the other 2 are behind." in text
    assert "Another seed changes the mean Dice of an architecture on a fold by 0.00" in text
    assert text.endswith("over 60 cases and 24 trainings.")


def test_no_arms_are_told_apart():
    text = headline(simulated(dict.fromkeys("abc", 0.8), seeds=(1, 2), n=30))
    assert "None of the other 2 can be distinguished from it" in text


def test_the_spread_of_trainings_comes_of_folds_where_there_is_one_seed():
    arms = simulated(dict.fromkeys("abc", 0.8), folds=5, n=60, run_sd=0.02)
    assert "as estimated from its folds" in headline(arms)
    same = simulated(dict.fromkeys("abc", 0.8), n=60, run_sd=0)
    assert ("as estimated from its folds" in headline(same)) or (
        "too small to be seen" in headline(same)
    )


def test_an_arm_that_is_better_on_most_cases_and_fails_on_some_is_not_told_apart():
    """Both tests are sure, of opposite arms."""
    often = [0.7 + 0.001 * k for k in range(100)]
    fails = [0.0 if k < 15 else value + 0.01 + 0.0001 * k for k, value in enumerate(often)]
    text = headline(twice({"often": often, "fails": fails}))
    assert text.startswith("often has the highest mean Dice")
    assert (
        " The two cannot be distinguished: its mean is higher, but fails is better on most cases. "
        in text
    )
    text = headline(twice({"often": often, "fails": fails, "bad": [one - 0.2 for one in often]}))
    assert "better on most cases; the other one is behind." in text


def test_means_over_other_cases_do_not_order_arms():
    """Neither mask of `a` has the label in its worst case, which `b` fails with Dice 0."""
    every = [0.7 + 0.02 * k for k in range(10)]
    text = headline(
        dice_of({"a": [float("nan"), *every[1:]], "b": [0, *(e + 0.01 for e in every[1:])]})
    )
    assert text.startswith(
        "a has the highest mean Dice, 0.800, but on the 9 cases with a score by both, b is 0.010 "
        "above it (95 % interval over cases 0.010 to 0.010)."
    )
    text = headline(dice_of({"a": [0.7, float("nan")], "b": [float("nan"), 0.6]}))
    assert text.startswith("a has the highest mean Dice, 0.700, but no case has a score by both")


def test_one_case_has_no_spread_to_tell():
    text = headline(dice_of({"a": [0.5], "b": [0.7]}))
    assert text.endswith(" That is over 1 case and 2 trainings.")


def test_an_ensemble_above_the_best_is_named():
    rows = [
        (arm, 0, seed, f"c{case}", "front", "dice", dice + 0.01 * case)
        for arm, seed, dice in (("a", 1, 0.5), ("b", 1, 0.4), ("all", -1, 0.6))
        for case in range(8)
    ]
    text = headline(arms_of(rows, target("front")))
    assert text.startswith("a has the highest mean Dice, 0.535")
    assert "; all, made of several trainings, reaches 0.635." in text


def test_an_ensemble_of_the_easier_cases_is_not_above_the_best():
    rows = [
        (arm, 0, seed, f"c{case}", "front", "dice", 0.5 + 0.01 * case)
        for arm, seed in (("a", 1), ("all", -1))
        for case in range(8)
        if arm == "a" or case > 3
    ]
    found = compare(arms_of(rows, target("front")))
    assert found.tables["arms"]["arm"].tolist() == ["all", "a"]
    assert "reaches" not in found.sentence
    assert "all was scored on 4 of 8 cases only" in " ".join(found.notes)


@pytest.mark.parametrize(
    ("names", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_spoken(names, text):
    assert join_names(names) == text
