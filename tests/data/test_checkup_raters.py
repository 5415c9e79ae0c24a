from dataclasses import replace

import numpy as np
import pytest

from neurotarget.data.cases.checkup import check_case
from neurotarget.types import Case


@pytest.fixture
def case(tmp_path, image, label):
    paths = {"t1": image(tmp_path / "t1.nii.gz")}
    return Case("c1", "s1", paths, label(tmp_path / "mask.nii.gz"))


def test_masks_of_further_raters_are_checked_as_the_label_is(case, tmp_path, label, make_target):
    fit = label(tmp_path / "fit.nii.gz")
    raters = {
        "away": label(tmp_path / "away.nii.gz", affine=np.diag([1, 1, 2, 1])),
        "odd": label(tmp_path / "odd.nii.gz", ids=(1, 7)),
        "empty": label(tmp_path / "empty.nii.gz", ids=()),
        "gone": tmp_path / "gone.nii.gz",
        "fit": fit,
    }
    drawn = replace(case, raters=raters)
    problems = check_case(drawn, make_target(), {0: 0, 1: 1, 2: 2}).problems
    result = {problem.file.rpartition("/")[2].split(".")[0]: str(problem) for problem in problems}
    assert "resample the label_away to the grid of t1" in result.pop("away")
    assert "label values 7 that the target does not define" in result.pop("odd")
    assert "found an empty label" in result.pop("empty")
    assert "no such file" in result.pop("gone")
    assert result == {}
    crossed = replace(case, raters={"fit": fit})
    sides = check_case(crossed, make_target(pairs=(("b", "a"),)), {0: 0, 1: 1, 2: 2}).problems
    assert [(problem.level, problem.file) for problem in sides] == [
        ("warning", str(case.label)),
        ("warning", str(fit)),
    ]


def test_raters_on_another_grid_are_reported_without_a_target_too(case, tmp_path, label):
    away = label(tmp_path / "away.nii.gz", affine=np.diag([1, 1, 2, 1]))
    (problem,) = check_case(replace(case, raters={"r2": away}), None, None).problems
    assert (problem.level, problem.file) == ("error", str(away))
