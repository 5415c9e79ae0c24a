import nibabel as nib
import numpy as np
import pytest
from neurotarget.problems import DataError

from neurotarget.data.batches.roi import box_of
from neurotarget.data.scans.geometry import whole_grid
from neurotarget.types import Roi

SELLA_MM = np.array([-1.0, 36.0, -25.0])  # of the real head, read off the scan by eye


def head(spacing, shift=(0, 0, 0), noise=0.0):
    """An ellipsoid head of 150 × 200 × 180 mm, its vertex 20 mm below the top, in a noisy box."""
    sides = np.array([200, 240, 220])
    shape = np.round(sides / spacing).astype(int)
    places = [np.arange(n) * step for n, step in zip(shape, spacing, strict=True)]
    x, y, z = np.meshgrid(*places, indexing="ij")
    centre = np.array([100, 120, 110]) + shift
    inside = (
        ((x - centre[0]) / 75) ** 2 + ((y - centre[1]) / 100) ** 2 + ((z - centre[2]) / 90) ** 2
    )
    scan = 100.0 * (inside < 1) + 60.0 * (inside < 0.8)
    rng = np.random.default_rng(0)
    return np.abs(scan + rng.normal(0, noise, shape)).astype(np.float32), centre


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.94, 0.94, 1.2), (2, 2, 2)])
@pytest.mark.parametrize("shift", [(0, 0, 0), (12, -10, -8)])
@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_head_anchor_is_the_vertex_on_the_centre_line(spacing, shift, noise):
    scan, centre = head(spacing, shift, noise)
    grid = whole_grid(scan.shape, np.diag([*spacing, 1.0]), (1, 1, 1))
    roi = Roi(size_mm=(40, 40, 40), anchor="head", offset_mm=(0, 19, -100))
    box = box_of(scan, grid, roi, case_id="a", file="a.nii")
    middle = box.work_affine @ [*((np.array(box.shape) - 1) / 2), 1]
    np.testing.assert_allclose(middle[:3], centre + np.array([0, 19, 90 - 100]), atol=7)


def test_head_anchor_does_not_depend_on_how_the_scan_is_stored():
    scan, _ = head((2, 2, 2))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    roi = Roi(size_mm=(40, 40, 40), anchor="head", offset_mm=(0, 19, -100))
    places = []
    for codes in ("RAS", "LPS", "PSR"):
        turn = nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes)
        )
        stored = nib.Nifti1Image(scan, affine).as_reoriented(turn)
        array = np.asarray(stored.dataobj)
        grid = whole_grid(array.shape, stored.affine, (2, 2, 2))
        places.append(box_of(array, grid, roi, case_id="a", file="a.nii").work_affine)
    np.testing.assert_allclose(places[1], places[0])
    np.testing.assert_allclose(places[2], places[0])


def test_empty_scan_has_no_head():
    grid = whole_grid((40, 40, 40), np.eye(4), (1, 1, 1))
    with pytest.raises(DataError, match=r"a: a.nii: found no outline of a head"):
        box_of(np.zeros((40, 40, 40)), grid, Roi((9, 9, 9)), case_id="a", file="a.nii")


def test_real_head_has_its_sella_near_the_middle_of_the_pituitary_box(shared_data):
    scan = nib.load(shared_data / "heads" / "datalad_T1.nii.gz")
    array = np.asarray(scan.dataobj)
    grid = whole_grid(array.shape, scan.affine, (1, 1, 1))
    roi = Roi(size_mm=(64, 64, 64), anchor="head", offset_mm=(0, 19, -115))
    box = box_of(array, grid, roi, case_id="datalad", file="datalad_T1.nii.gz")
    middle = box.work_affine @ [*((np.array(box.shape) - 1) / 2), 1]
    assert np.linalg.norm(middle[:3] - SELLA_MM) < 12
