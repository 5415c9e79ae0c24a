import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import friedmanchisquare

from neurotarget.stats.arms.arm_scores import score_arms
from neurotarget.stats.arms.mixed import fit_arms
from neurotarget.stats.arms.paired import differences_table, distinguished
from neurotarget.stats.arms.ranks import critical_difference, friedman_p, letters, ranks_table
from oracles.arms import arms_of, dice_of, simulated, target

# AUC in thousandths of four classifiers on 14 data sets: Demšar 2006, table 6; the two that are
# written as 975 have the ranks 2 and 3 there
DEMSAR = {
    "C4.5": [763, 599, 954, 628, 882, 936, 661, 583, 775, 1000, 940, 619, 972, 957],
    "C4.5+m": [768, 591, 971, 661, 888, 931, 668, 583, 838, 1000, 962, 666, 981, 978],
    "C4.5+cf": [771, 590, 968, 654, 886, 916, 609, 563, 866, 1000, 965, 614, 975.1, 946],
    "C4.5+m+cf": [798, 569, 967, 657, 898, 931, 685, 625, 875, 1000, 962, 669, 975, 970],
}


def ranked(arms):
    scored = score_arms(arms)
    fits = {label: fit_arms(scored, label, arms.nets) for label in scored.labels}
    differences = differences_table(scored, fits)
    return ranks_table(scored, differences), differences


def test_ranks_of_the_worked_example():
    table = ranked(dice_of({name: np.array(auc) / 1000 for name, auc in DEMSAR.items()}))[0]
    ranks = table.set_index("arm")["mean_rank"]
    assert ranks[list(DEMSAR)].tolist() == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=1e-3)
    assert table["critical_difference"].iloc[0] == pytest.approx(1.25, abs=5e-3)
    assert table["friedman_p"].iloc[0] == pytest.approx(
        friedmanchisquare(*(np.array(auc) for auc in DEMSAR.values())).pvalue
    )


@pytest.mark.parametrize(
    ("arms", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (10, 3.164)]
)
def test_critical_values_are_the_published_ones(arms, q):
    """Demšar 2006, table 5a."""
    scale = math.sqrt(arms * (arms + 1) / (6 * 30))
    assert critical_difference(arms, 30) == pytest.approx(q * scale, abs=1e-3 * scale)


def test_nothing_to_rank_has_no_critical_difference():
    assert math.isnan(critical_difference(1, 10))
    assert math.isnan(critical_difference(3, 0))


def test_ties_share_their_mean_rank():
    table = ranked(dice_of({"a": [0.5, 0.9], "b": [0.1 + 0.2, 0.8], "c": [0.3, 0.8]}))[0]
    assert table.set_index("arm")["mean_rank"].to_dict() == {"a": 1, "b": 2.5, "c": 2.5}


def test_two_arms_or_equal_ones_have_a_reason():
    two = ranked(dice_of({"a": [0.5, 0.9], "b": [0.3, 0.8]}))[0]
    assert two["friedman_p"].isna().all()
    assert two["reason"].str.contains("needs three arms").all()
    same = pd.DataFrame({arm: [0.1, 0.2] for arm in "abc"})
    assert friedman_p(same) == (1.0, "no case differs")
    assert friedman_p(same[:1])[1] == "fewer than two cases"


def test_cases_that_an_arm_lacks_are_not_ranked():
    table = ranked(dice_of({"a": [0.5, 0.9, np.nan], "b": [0.3, 0.8, 0.1]}))[0]
    assert (table["n_cases"] == 2).all()


def test_scans_of_a_subject_are_ranked_once():
    rows = [
        (arm, 0, 1, f"s{subject}-{scan}", "front", "dice", value + 0.1 * subject)
        for arm, values in {"a": (0.5, 0.1), "b": (0.4, 0.3)}.items()
        for subject in range(3)
        for scan, value in enumerate(values)
    ]
    table = ranked(arms_of(rows, target("front")))[0]
    assert table.set_index("arm")["mean_rank"].to_dict() == {"b": 1, "a": 2}  # 0.35 and 0.30
    assert table["reason"].str.contains("means of 3 subjects").all()


def test_ensembles_have_no_rank():
    rows = [(arm, 0, seed, f"c{k}", "front", "dice", 0.5) for k in range(3)
            for arm, seed in (("a", 1), ("b", 1), ("all", -1))]  # fmt: skip
    assert set(ranked(arms_of(rows, target("front")))[0]["arm"]) == {"a", "b"}


def pairs(*names):
    return {frozenset(name) for name in names}


@pytest.mark.parametrize(
    ("apart", "expected"),
    [
        (set(), {"a": "a", "b": "a", "c": "a", "d": "a"}),
        (pairs("ad"), {"a": "a", "b": "ab", "c": "ab", "d": "b"}),
        (pairs("ab", "ac", "ad"), {"a": "a", "b": "b", "c": "b", "d": "b"}),
        (pairs("ac", "ad", "bd"), {"a": "a", "b": "ab", "c": "bc", "d": "c"}),
        (pairs("ab", "ac", "ad", "bc", "bd", "cd"), {"a": "a", "b": "b", "c": "c", "d": "d"}),
        (pairs("bc"), {"a": "ab", "b": "a", "c": "b", "d": "ab"}),
    ],
)
def test_letters_are_counted_by_hand(apart, expected):
    assert letters("abcd", apart) == expected


def test_arms_share_a_letter_just_where_they_are_not_told_apart():
    rng = np.random.default_rng(0)
    names = [f"arm{number}" for number in range(9)]
    for _ in range(50):
        every = [frozenset((a, b)) for k, a in enumerate(names) for b in names[:k]]
        apart = {pair for pair in every if rng.uniform() < 0.4}
        found = letters(names, apart)
        shared = {pair for pair in every if set.intersection(*(set(found[arm]) for arm in pair))}
        assert shared == set(every) - apart


def test_many_arms_have_letters_beyond_z():
    names = [f"arm{number:02}" for number in range(30)]
    every = {frozenset((a, b)) for k, a in enumerate(names) for b in names[:k]}
    found = letters(names, every)
    assert (found["arm00"], found["arm26"]) == ("a", "a1")


def test_nets_that_were_trained_once_share_a_letter_and_say_why():
    table, _ = ranked(dice_of({"a": [0.5, 0.9, 0.4], "b": [0.3, 0.8, 0.2], "c": [0.1, 0.7, 0.1]}))
    assert set(table["group"]) == {"a"}
    assert table["reason"].str.contains("does not show the spread").all()


def test_groups_follow_the_tests_of_pairs():
    table, differences = ranked(simulated({"a": 0.80, "b": 0.80, "c": 0.85}, n=90))
    assert not table["reason"].str.contains("does not show the spread").any()
    assert distinguished(differences) == pairs("ac", "bc")
    groups = table[table["label"] == "mean"].set_index("arm")["group"].to_dict()
    assert groups == {"c": "a", "a": "b", "b": "b"}
