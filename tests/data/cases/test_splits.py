from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from neurotarget.data.cases.splits import assign_splits
from neurotarget.problems import DataError
from neurotarget.types import Case, Manifest


def manifest(number=20, per_subject=1, **given):
    cases = []
    for index in range(number):
        values = {name: each[index] for name, each in given.items()}
        cases.append(Case(f"c{index}", f"s{index // per_subject}", {}, **values))
    return Manifest(tuple(cases), Path("cases.csv"))


def draw(cases, fold=0, n_folds=5, val_fraction=0.25, seed=1, **unseen):
    return assign_splits(
        cases, fold=fold, n_folds=n_folds, val_fraction=val_fraction, seed=seed, **unseen
    )


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


def sites(letters, per_subject=1, **given):
    """Cases of these sites, one after the other."""
    found = manifest(len(letters), per_subject, **given)
    cases = [
        replace(case, covariates={"site": at})
        for case, at in zip(found.cases, letters, strict=True)
    ]
    return replace(found, cases=tuple(cases))


def test_cases_of_unseen_sites_are_external_and_the_others_are_dealt_as_ever():
    cases = sites("aabbccdd" * 3)
    splits = draw(cases, external={"site": ["c", "d"]})
    assert members(splits, "external") == {
        case.case_id for case in cases.cases if case.covariates["site"] in "cd"
    }
    inside = replace(cases, cases=tuple(c for c in cases.cases if c.covariates["site"] in "ab"))
    assert {name: splits[name] for name in draw(inside)} == draw(inside)


def test_external_cases_are_in_no_fold():
    cases = sites("aaabbbcccc")
    for fold in range(3):
        splits = draw(cases, fold, 3, external={"site": ["c"]})
        assert members(splits, "external") == {"c6", "c7", "c8", "c9"}
        assert len(members(splits, "test")) == 2


def test_one_value_may_stand_alone_and_several_covariates_join():
    cases = sites("aaaabbbbcd")
    joined = replace(
        cases,
        cases=tuple(
            replace(case, covariates=case.covariates | {"field": 7.0 if number < 1 else 3.0})
            for number, case in enumerate(cases.cases)
        ),
    )
    splits = draw(joined, 0, 3, external={"site": "D", "field": [7]})
    assert members(splits, "external") == {"c0", "c9"}


@pytest.mark.parametrize(
    ("external", "error"),
    [
        ("island", r"data\.external=island, wanted values by covariate; write it as"),
        ({"site": []}, r"data\.external: no value of site, wanted one or more; name one, or set"),
    ],
)
def test_what_names_no_value_of_a_covariate_is_refused(external, error):
    cases = manifest(10, covariates=[{"site": site} for site in "aaaaabbbbb"])
    with pytest.raises(DataError, match=error):
        draw(cases, external=external)


def test_a_covariate_of_null_marks_nobody():
    assert draw(manifest(10), external={"site": None}) == draw(manifest(10))


def test_the_manifest_may_mark_external_cases_and_leave_the_rest_to_be_dealt():
    splits = draw(manifest(10, split=["external"] * 2 + [None] * 8), 0, 4)
    assert members(splits, "external") == {"c0", "c1"}
    assert Counter(splits.values()) == {"external": 2, "test": 2, "train": 4, "val": 2}


def test_external_cases_may_be_all_that_is_held_out():
    splits = draw(manifest(4, split=["train", "train", "val", "external"]))
    assert Counter(splits.values()) == {"train": 2, "val": 1, "external": 1}


def test_each_site_is_a_fold_in_the_order_of_names():
    cases = sites("bbbaaaccc")
    found = [members(draw(cases, fold, fold_by="site"), "external") for fold in range(3)]
    assert found == [{"c3", "c4", "c5"}, {"c0", "c1", "c2"}, {"c6", "c7", "c8"}]
    splits = draw(cases, 1, fold_by="site")
    assert Counter(splits.values()) == {"external": 3, "val": 2, "train": 4}


def test_numbered_sites_are_folds_in_the_order_of_numbers():
    cases = sites([10.0, 10.0, 9.0, 9.0, 2.0, 2.0])
    assert [sorted(members(draw(cases, k, fold_by="site"), "external")) for k in range(3)] == [
        ["c4", "c5"],
        ["c2", "c3"],
        ["c0", "c1"],
    ]


def test_sites_that_are_folds_have_their_turn_though_experiments_name_external_ones():
    cases = sites("aabbcc")
    found = [
        sorted(members(draw(cases, k, external={"site": ["a"]}, fold_by="site"), "external"))
        for k in range(3)
    ]
    assert found == [["c0", "c1"], ["c2", "c3"], ["c4", "c5"]]


def test_cases_that_the_manifest_calls_external_are_in_no_fold_of_a_site():
    cases = sites("aabbcc")
    marked = [replace(case, split="external") for case in cases.cases[:2]]
    splits = draw(replace(cases, cases=(*marked, *cases.cases[2:])), 0, fold_by="site")
    assert members(splits, "external") == {"c0", "c1", "c2", "c3"}


@pytest.mark.parametrize(
    ("cases", "settings", "message"),
    [
        (sites("aab"), {"external": {"cite": ["b"]}}, "no covariate cite.*did you mean site"),
        (sites("aab"), {"external": {"site": ["e"]}}, "no case with site e, wanted one of a, b"),
        (sites("aab"), {"external": {"site": ["a", "b"]}}, "nothing left to train on"),
        (sites(["a", None, "b"]), {"external": {"site": ["b"]}}, "no site of c1, which may thus"),
        (
            sites("abbb", 2),
            {"external": {"site": ["b"]}},
            r"subject s0 on both sides of an unseen site \(c0 in a, c1 in b\)",
        ),
        (sites("abb"), {"external": {"site": ["b"]}, "n_folds": 2}, "1 subjects besides 2"),
        (sites("aab"), {"fold_by": "scanner"}, "data.fold_by: no covariate scanner"),
        (sites("aab"), {"fold_by": "site", "fold": 2}, "wanted one of 0: a, 1: b"),
        (sites("aaa"), {"fold_by": "site"}, "site a in all 3 cases, and nothing left to train on"),
        (sites("abbc", 2), {"fold_by": "site"}, "subject s0 on both sides of an unseen site"),
        (sites("ab"), {"fold_by": "site"}, "no val case among 2"),
        (
            sites("aab", split=["train", "train", "test"]),
            {"fold_by": "site"},
            "splits in the manifest, wanted folds by site alone",
        ),
        (manifest(2, 2, split=["train", "external"]), {}, "subject s0 in 2 splits"),
    ],
)
def test_unseen_sites_that_cannot_be_are_refused(cases, settings, message):
    with pytest.raises(DataError, match=message):
        draw(cases, **settings)


def test_without_the_new_words_the_splits_are_those_of_before():
    """Drawn once by the version that knew neither external cases nor folds by site."""
    assert "".join(split[1] for split in draw(manifest(20), 2).values()) == "arrerareerrrrerrraar"


def findings(number, positive, per_subject=1, name="finding"):
    cases = manifest(number, per_subject).cases
    values = ["yes" if index in positive else "no" for index in range(number)]
    cases = [
        replace(case, covariates={name: value}) for case, value in zip(cases, values, strict=True)
    ]
    return Manifest(tuple(cases), Path("cases.csv"))


@pytest.mark.parametrize("seed", range(5))
def test_folds_and_validation_sets_have_like_shares_of_a_finding(seed):
    positive = set(range(0, 50, 5))
    cases = findings(50, positive)
    tested = Counter()
    for fold in range(5):
        splits = draw(cases, fold, seed=seed, stratify="finding")
        number = {
            name: sum(int(case[1:]) in positive for case in members(splits, name))
            for name in ("train", "val", "test")
        }
        assert number == {"train": 6, "val": 2, "test": 2}
        assert len(members(splits, "val")) == 10
        tested.update(members(splits, "test"))
    assert set(tested.values()) == {1}
    assert len(tested) == 50


def test_a_person_with_and_without_a_finding_stays_in_one_fold():
    cases = findings(40, set(range(0, 40, 4)), per_subject=2)
    splits = draw(cases, stratify="finding")
    assert all(splits[f"c{2 * s}"] == splits[f"c{2 * s + 1}"] for s in range(20))


def test_folds_have_like_distributions_of_a_number():
    cases = manifest(20).cases
    cases = [replace(case, covariates={"age": float(n)}) for n, case in enumerate(cases)]
    aged = Manifest(tuple(cases), Path("cases.csv"))
    for fold in range(5):
        held = members(draw(aged, fold, stratify="age"), "test")
        assert sorted(int(case[1:]) // 5 for case in held) == [0, 1, 2, 3]


def test_cases_without_the_value_are_a_stratum_of_their_own():
    cases = [*findings(20, {0, 1, 2, 3, 4}).cases]
    cases[10:15] = [replace(case, covariates={}) for case in cases[10:15]]
    held = [
        members(draw(Manifest(tuple(cases), Path("c.csv")), fold, stratify="finding"), "test")
        for fold in range(5)
    ]
    assert [len(held_out & {f"c{n}" for n in range(10, 15)}) for held_out in held] == [1] * 5


def test_a_covariate_to_stratify_by_that_does_not_exist_is_named():
    with pytest.raises(DataError, match=r"data\.stratify: no covariate findin.*mean finding"):
        draw(findings(10, {1}), stratify="findin")
