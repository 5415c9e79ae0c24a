"""Scans of any size on a grid of a set number of voxels, with series on grids of their own."""

import nibabel as nib
import numpy as np
import pytest

from neurotarget.data.batches.prepare import Preparation, read_scans, to_work
from neurotarget.data.scans.geometry import image_to_work, sized_grid
from neurotarget.problems import DataError
from neurotarget.types import Case, Roi, Target

ILL = {"ill": {"kind": "binary", "classes": ["no", "yes"]}}
PLAIN = Preparation("none", None)


def target(**changes):
    given = {"size_vox": [4, 6, 8], "outcomes": ILL} | changes
    return Target("knee", ["sagittal", "coronal"], given.pop("labels", {}), **given)


def series(folder, name, array, spacing=(1, 1, 1)):
    path = folder / f"{name}.nii.gz"
    nib.save(nib.Nifti1Image(array.astype(np.float32), np.diag([*spacing, 1])), path)
    return path


def test_a_scan_of_that_size_is_unchanged():
    image = np.random.default_rng(1).normal(size=(4, 6, 8)).astype(np.float32)
    grid = sized_grid(image.shape, np.diag([2.0, 0.5, 3.0, 1.0]), (4, 6, 8))
    np.testing.assert_array_equal(image_to_work(image, grid), image)


@pytest.mark.parametrize("sides", [(8, 6, 8), (3, 12, 5), (9, 9, 9)])
def test_a_ramp_stays_a_ramp_over_the_whole_scan(sides):
    ramp = np.broadcast_to(np.linspace(0, 1, sides[0])[:, None, None], sides).astype(np.float32)
    work = image_to_work(ramp, sized_grid(sides, np.eye(4), (4, 6, 8)))
    assert work.shape == (4, 6, 8)
    steps = np.diff(work[:, 3, 4])
    assert (steps > 0).all()
    np.testing.assert_allclose(work.mean(), 0.5, atol=0.01)


def test_each_series_is_brought_to_the_size_from_a_grid_of_its_own(tmp_path):
    files = {
        "sagittal": series(tmp_path, "sagittal", np.full((5, 7, 9), 2.0)),
        "coronal": series(tmp_path, "coronal", np.full((8, 6, 4), 3.0), (0.5, 0.5, 4)),
    }
    work = to_work(read_scans(Case("c", "c", files), target(), PLAIN), target())
    assert work.image.shape == (2, 4, 6, 8)
    np.testing.assert_allclose(work.image.mean(axis=(1, 2, 3)), [2.0, 3.0], rtol=1e-5)


def test_with_a_spacing_series_on_other_grids_are_refused(tmp_path):
    files = {
        "sagittal": series(tmp_path, "sagittal", np.ones((5, 7, 9))),
        "coronal": series(tmp_path, "coronal", np.ones((8, 6, 4))),
    }
    spaced = target(size_vox=None, spacing_mm=[1, 1, 1], patch_vox=[4, 4, 4])
    with pytest.raises(DataError, match="wanted 5 × 7 × 9 voxels, as sagittal has"):
        read_scans(Case("c", "c", files), spaced, PLAIN)


def test_the_patch_is_the_whole_size_unless_it_is_set():
    assert target().patch_vox == (4, 6, 8)
    assert target(patch_vox=[4, 4, 8]).patch_vox == (4, 4, 8)
    assert target(size_vox=[16, 32], dimensions=2).size_vox == (16, 32, 1)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"labels": {"bone": 1}}, "size_vox: found it for a target with labels"),
        ({"roi": Roi((9, 9, 9))}, "size_vox: found it with a region of interest"),
        ({"patch_vox": [8, 6, 8]}, r"patch_vox: found \[8, 6, 8\], larger than size_vox"),
        ({"size_vox": [4, 6]}, "size_vox: found .*, wanted a list of 3"),
    ],
)
def test_a_size_without_meaning_is_refused(changes, why):
    with pytest.raises(DataError, match=why):
        target(**changes)
