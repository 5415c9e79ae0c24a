from collections import Counter
from pathlib import Path

import pytest

from neurotarget.data.splits import assign_splits
from neurotarget.types import Case, DataError, Manifest


def manifest(number=20, per_subject=1, **given):
    cases = []
    for index in range(number):
        values = {name: each[index] for name, each in given.items()}
        cases.append(Case(f"c{index}", f"s{index // per_subject}", {}, **values))
    return Manifest(tuple(cases), Path("cases.csv"))


def draw(cases, fold=0, n_folds=5, val_fraction=0.25, seed=1):
    return assign_splits(cases, fold=fold, n_folds=n_folds, val_fraction=val_fraction, seed=seed)


def members(splits, name):
    return {case_id for case_id, split in splits.items() if split == name}


def test_a_fold_is_held_out_and_a_share_of_the_rest_validates():
    assert Counter(draw(manifest(20)).values()) == {"train": 12, "val": 4, "test": 4}


def test_each_case_is_tested_in_exactly_one_fold():
    tested = Counter(
        case for fold in range(5) for case in members(draw(manifest(23), fold), "test")
    )
    assert set(tested.values()) == {1}
    assert len(tested) == 23


def test_cases_of_a_subject_stay_together():
    splits = draw(manifest(30, per_subject=3))
    assert all(len({splits[f"c{3 * s + k}"] for k in range(3)}) == 1 for s in range(10))


def test_one_seed_draws_one_split_and_another_draws_another():
    assert draw(manifest()) == draw(manifest())
    assert draw(manifest()) != draw(manifest(), seed=2)


def test_given_splits_are_kept():
    given = ["train"] * 3 + ["val"] + ["test"] * 2
    assert list(draw(manifest(6, split=given)).values()) == given


def test_validation_is_drawn_where_it_is_not_given():
    splits = draw(manifest(10, split=["test"] * 2 + ["train"] * 4 + [None] * 4))
    assert members(splits, "test") == {"c0", "c1"}
    assert len(members(splits, "val")) == 2


def test_a_split_in_one_row_holds_for_the_subject():
    given = ["test", None, None, None, None, None, None, None]
    splits = draw(manifest(8, per_subject=2, split=given))
    assert members(splits, "test") == {"c0", "c1"}


def test_given_folds_are_the_test_sets():
    splits = draw(manifest(6, fold=[0, 0, 1, 1, 2, 2]), fold=1)
    assert members(splits, "test") == {"c2", "c3"}
    assert len(members(splits, "val")) == 1


def test_folds_beside_a_test_split_choose_the_validation_set():
    cases = manifest(5, split=["test", *["train"] * 4], fold=[None, 0, 0, 1, 1])
    assert members(draw(cases, fold=1), "val") == {"c3", "c4"}


@pytest.mark.parametrize(
    ("cases", "settings", "message"),
    [
        (manifest(2, 2, split=["train", "test"]), {}, r"subject s0 in 2 splits \(c0 in train"),
        (manifest(2, 2, fold=[0, 1]), {}, "subject s0 in 2 folds"),
        (manifest(4, fold=[0, 0, 1, 1]), {"fold": 7}, "the folds 0, 1, wanted fold 7"),
        (manifest(), {"fold": 5}, "data.fold=5 of data.n_folds=5"),
        (manifest(4), {}, "4 subjects, wanted at least 5 for 5 folds"),
        (manifest(), {"val_fraction": 1.5}, "data.val_fraction is 1.5"),
        (manifest(4, split=["train"] * 4), {}, "no test case among 4"),
        (manifest(2, split=["test", "train"]), {}, "no val case among 2"),
    ],
)
def test_splits_that_cannot_be_are_refused(cases, settings, message):
    with pytest.raises(DataError, match=message):
        draw(cases, **settings)
