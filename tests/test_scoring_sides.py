"""Left and right that were mixed up are found from coordinates, however the head lies."""

import math

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from neurotarget.data.cases.lint import lint
from neurotarget.scoring import evaluate, measure
from neurotarget.types import Case, Manifest, Target

SIDES = ("dentate_left", "dentate_right")
TARGET = Target(
    "dentate", ["qsm"], {SIDES[0]: 1, SIDES[1]: 2}, [1] * 3, [8] * 3, [SIDES], sides="split"
)
TILTS = [(axis, degrees) for axis in range(3) for degrees in (-30, 30)]


def nuclei(*, swapped=False):
    """Two bricks of 4 × 6 × 4 voxels, 20 mm apart, in RAS+ at 1 mm."""
    array = np.zeros((30, 12, 10), dtype=np.uint8)
    array[3:7, 3:9, 3:7], array[23:27, 3:9, 3:7] = (2, 1) if swapped else (1, 2)
    return array


def tilted(tilt=(0, 0)):
    axis, degrees = tilt
    affine = np.eye(4)
    turn = Rotation.from_rotvec(np.eye(3)[axis] * np.radians(degrees))
    affine[:3, :3], affine[:3, 3] = turn.as_matrix(), (40, -70, 15)
    return affine


def write(path, array, affine, codes="RAS", *, is_oriented=True):
    """Save a map with its voxels in another order; without codes no software knows its sides."""
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes)
    )
    image = nib.Nifti1Image(array, affine).as_reoriented(turn)
    if not is_oriented:
        image = nib.Nifti1Image(np.asarray(image.dataobj), None)
    path.parent.mkdir(exist_ok=True)
    nib.save(image, path)
    return path


def values(rows, metric):
    found = {row.label: row.value for row in rows if row.metric == metric}
    assert set(found) <= set(SIDES)
    return list(found.values())


def manifest_of(folder, label):
    return Manifest((Case("a", "a", {}, label),), folder)


def score(folder, *, truth=None, pred=None, **how):
    """Rows of one case whose maps are written as they are given."""
    label = None if truth is None else write(folder / "label.nii.gz", truth, **how)
    write(folder / "predictions" / "a.nii.gz", pred, **how)
    return evaluate(manifest_of(folder, label), folder / "predictions", TARGET, {"a": "test"})


@pytest.mark.parametrize("tilt", TILTS)
@pytest.mark.parametrize("codes", ["RAS", "LAS", "PSR"])
def test_a_swapped_prediction_is_found_with_and_without_a_reference(tmp_path, tilt, codes):
    how = {"affine": tilted(tilt), "codes": codes}
    truth, crossed = nuclei(), nuclei(swapped=True)
    assert values(score(tmp_path, pred=crossed, **how), "swapped") == [1, 1]
    assert values(score(tmp_path, pred=truth, **how), "swapped") == [0, 0]
    rows = score(tmp_path, truth=truth, pred=crossed, **how)
    assert values(rows, "swapped") == [1, 1]
    assert values(rows, "reference_swapped") == [0, 0]
    assert values(rows, "dice") == [0, 0]


@pytest.mark.parametrize("tilt", TILTS)
@pytest.mark.parametrize("codes", ["RAS", "LAS", "PSR"])
def test_a_reference_on_the_wrong_side_is_found_from_its_coordinates(tmp_path, tilt, codes):
    how = {"affine": tilted(tilt), "codes": codes}
    rows = score(tmp_path, truth=nuclei(swapped=True), pred=nuclei(), **how)
    assert values(rows, "reference_swapped") == [1, 1]
    assert values(rows, "swapped") == [1, 1]  # it lies on the other side's reference
    alone = measure(manifest_of(tmp_path, tmp_path / "label.nii.gz"), TARGET)
    assert values(alone, "reference_swapped") == [1, 1]


def test_an_error_that_reference_and_prediction_share_shows_in_the_reference(tmp_path):
    wrong = nuclei(swapped=True)
    rows = score(tmp_path, truth=wrong, pred=wrong, affine=tilted((1, 30)))
    assert (values(rows, "dice"), values(rows, "swapped")) == ([1, 1], [0, 0])
    assert values(rows, "reference_swapped") == [1, 1]


@pytest.mark.parametrize("tilt", TILTS)
def test_lint_says_that_a_reference_is_on_the_wrong_side(tmp_path, tilt):
    label = write(tmp_path / "label.nii.gz", nuclei(swapped=True), tilted(tilt), "LAS")
    problems = [str(problem) for problem in lint(manifest_of(tmp_path, label), TARGET)]
    assert (
        f"a: {label}: found dentate_left to the right of dentate_right, wanted the left on the "
        "left; swap the ids, or correct the orientation in the header"
    ) in problems


@pytest.mark.parametrize("codes", ["RAS", "LAS"])
def test_without_orientation_only_the_reference_tells_sides(tmp_path, codes):
    how = {"affine": tilted(), "codes": codes, "is_oriented": False}
    truth, crossed = nuclei(), nuclei(swapped=True)
    assert all(map(math.isnan, values(score(tmp_path, pred=crossed, **how), "swapped")))
    rows = score(tmp_path, truth=truth, pred=crossed, **how)
    assert values(rows, "swapped") == [1, 1]
    assert all(map(math.isnan, values(rows, "reference_swapped")))
    problems = [str(one) for one in lint(manifest_of(tmp_path, tmp_path / "label.nii.gz"), TARGET)]
    assert any("no orientation (sform and qform codes are 0)" in problem for problem in problems)


def test_real_nuclei_with_exchanged_labels_are_found(shared_data, tmp_path):
    model = nib.load(shared_data / "qsm" / "head_model" / "SegmentedModel.nii.gz")
    inside = np.asarray(model.dataobj) == 5
    box = tuple(slice(*np.flatnonzero(inside.any(axis=rest))[[0, -1]] + [-2, 3])
                for rest in ((1, 2), (0, 2), (0, 1)))  # fmt: skip
    array = inside[box].astype(np.uint8)
    middle = array.shape[0] // 2
    array[middle:] *= 2  # the model is stored from left to right
    crossed = np.array([0, 2, 1], dtype=np.uint8)[array]
    affine = tilted((1, -30)) @ np.diag([0.64, 0.64, 0.64, 1])
    rows = score(tmp_path, truth=crossed, pred=array, affine=affine, codes="PSR")
    assert values(rows, "reference_swapped") == values(rows, "swapped") == [1, 1]
    rows = score(tmp_path, truth=array, pred=array, affine=affine, codes="PSR")
    assert values(rows, "reference_swapped") == values(rows, "swapped") == [0, 0]
