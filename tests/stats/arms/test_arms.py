import numpy as np

from neurotarget.stats.arms.arms import check_design, listed
from oracles.arms import arms_of, simulated, target


def rows(*runs, cases=("c1", "c2"), labels=("front",)):
    return [(*run, case, label, "dice", 0.8) for run in runs for case in cases for label in labels]


FULL = rows(("unet", 0, 1), ("vnet", 0, 1))


def design_errors(found, of=("front",)):
    return check_design(arms_of(found, target(*of)))


def test_arms_keep_the_order_in_which_they_come():
    arms = arms_of(rows(("vnet", 1, 2), ("unet", 0, 1), ("all", 0, -1)), target("front"))
    assert arms.names == ("vnet", "unet", "all")
    assert arms.nets == ("vnet", "unet")
    assert (arms.folds, arms.seeds) == ((0, 1), (1, 2))
    assert arms.kinds["all"] == "ensemble"


def test_a_complete_design_has_nothing_to_tell():
    assert check_design(simulated({"a": 0.8, "b": 0.8}, seeds=(1, 2), n=9)) == []


def test_a_missing_run_is_named():
    (sentence,) = design_errors([*FULL, *rows(("unet", 0, 2))])
    assert sentence.startswith("vnet has no run of fold 0 seed 2")


def test_a_score_that_comes_twice_is_named():
    (sentence,) = design_errors([*FULL, FULL[0]])
    assert "unet/fold=0,seed=1 has two rows of the same score for c1" in sentence


def test_a_long_list_counts_the_rest():
    assert listed(range(7)) == "0, 1, 2, 3, 4 and 2 more"
    assert listed(np.array(["a"])) == "a"
