import re

import pytest

from neurotarget.runs.folder.job_names import LONGEST, job_name


@pytest.mark.parametrize(
    ("swept", "name"),
    [
        (["model=unet", "data.fold=0", "seed=1"], "model=unet,data.fold=0,seed=1"),
        (["optimizer.lr=1e-4", "+model.depth=-2"], "optimizer.lr=1e-4,model.depth=-2"),
        ([], "job"),
    ],
)
def test_plain_words_are_the_name(swept, name):
    assert job_name(swept) == name


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("model.widths=[4,8]", "model.widths=4-8"),
        ("data.root=/data/a b/sub.nii", "data.root=data-a-b-sub.nii"),
        ("data.root=../../etc", "data.root=..-..-etc"),
        ("name='it''s'", "name=it-s"),
        ("x={a:1,b:2}", "x=a-1-b-2"),
        ("name=äöü", "name"),
    ],
)
def test_letters_unfit_for_files_go_and_a_hash_comes(word, stem):
    assert re.fullmatch(re.escape(stem) + "-[0-9a-f]{8}", job_name([word]))


def test_what_looks_alike_is_kept_apart():
    names = {job_name([word]) for word in ("x=[1,2]", "x=[12]", "x='1-2'", "x=1-2", "x=/1/2")}
    assert len(names) == 5


def test_long_names_are_cut_and_stay_apart():
    first, second = (
        job_name([f"x{place}={'v' * 20}" for place in range(9)] + [last]) for last in ("z=1", "z=2")
    )
    assert len(first) == LONGEST
    assert first != second
