"""NumPy files of slices as scans: axes, and what is refused."""

import pickle

import nibabel as nib
import numpy as np
import pytest

from neurotarget.data.scans.planes import across, plane_of, slices_last
from neurotarget.data.scans.volume import inspect_volume

SLICES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)  # 2 slices of 3 rows, 4 columns


def saved(folder, array, **settings):
    np.save(folder / "0001.npy", array, **settings)
    return folder / "0001.npy"


@pytest.mark.parametrize("order", ["C", "F"])
def test_columns_come_first_and_slices_last(tmp_path, order):
    volume, problems = inspect_volume(saved(tmp_path, np.asarray(SLICES, order=order)))
    assert problems == []
    assert volume.array.shape == (4, 3, 2)
    assert (volume.array == SLICES.T).all()
    assert not volume.is_oriented
    assert not volume.is_sized


def test_a_pickle_is_refused_and_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = saved(tmp_path, np.array([Bomb()], dtype=object), allow_pickle=True)
    volume, (problem,) = inspect_volume(path)
    assert volume is None
    assert "not numbers" in problem.found
    path.write_bytes(pickle.dumps(Bomb()))
    assert inspect_volume(path)[0] is None
    assert not (tmp_path / "ran").exists()


def test_a_file_that_ends_early_is_refused(tmp_path):
    path = saved(tmp_path, SLICES)
    path.write_bytes(path.read_bytes()[:-3])
    volume, (problem,) = inspect_volume(path)
    assert volume is None
    assert "it ends before" in problem.found


def test_one_picture_is_no_series(tmp_path):
    volume, problems = inspect_volume(saved(tmp_path, SLICES[0]))
    assert volume is None
    assert "2-D voxels" in problems[0].found


DIRECTIONS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


@pytest.mark.parametrize(
    ("codes", "plane"), [("PIR", "sagittal"), ("LIA", "coronal"), ("LPS", "axial")]
)
def test_slices_come_last_in_each_plane(codes, plane):
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, (code, side) in enumerate(zip(codes, (0.5, 0.5, 4.0), strict=True)):
        row, sign = DIRECTIONS[code]
        affine[row, axis] = sign * side
    assert plane_of((20, 16, 5), affine) == plane
    turned = slices_last((20, 16, 5), affine)
    assert nib.orientations.io_orientation(turned)[:, 0].tolist() in ([0, 1, 2], [1, 0, 2])


def test_cubes_fit_any_plane_and_have_the_fewest_voxels_across():
    assert plane_of((20, 16, 5), np.eye(4)) is None
    assert across((20, 16, 5), np.eye(4)) == 2
    assert across((5, 16, 20), np.eye(4)) == 0
