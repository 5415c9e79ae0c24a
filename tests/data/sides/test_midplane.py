import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from neurotarget.data.sides.midplane import Plane, middle_of, middle_of_grid


def head(*, tilt=(0.0, 0.0), shift_mm=0.0):
    """A head of two like halves with eyes and a dark hollow, turned by yaw and roll (degrees)."""
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = -110
    points = np.indices((56, 60, 50)).reshape(3, -1).T @ affine[:3, :3].T + affine[:3, 3]
    turn = Rotation.from_euler("zy", tilt, degrees=True).as_matrix()
    x, y, z = ((points - [shift_mm, 0, 0]) @ turn).T
    scan = 100.0 * ((x / 70) ** 2 + (y / 95) ** 2 + (z / 80) ** 2 < 1)
    scan += 80 * ((np.abs(x) - 30) ** 2 + (y - 70) ** 2 + (z + 10) ** 2 < 14**2)
    scan -= 60 * ((np.abs(x) - 15) ** 2 + (y + 20) ** 2 + (z - 20) ** 2 < 20**2)
    noise = np.random.default_rng(0).normal(0, 5, len(points))
    return (scan + noise).reshape(56, 60, 50), affine, turn[:, 0]


@pytest.mark.parametrize("tilt", [(0, 0), (25, 0), (-12, 20), (0, -30)])
@pytest.mark.parametrize("shift_mm", [0.0, 20.0])
def test_the_plane_is_found_in_a_tilted_and_shifted_head(tilt, shift_mm):
    scan, affine, normal = head(tilt=tilt, shift_mm=shift_mm)
    plane = middle_of(scan, affine)
    assert np.degrees(np.arccos(min(plane.normal @ normal, 1))) < 2
    assert abs(float(plane.right_mm([shift_mm, 0, 0]))) < 1.5
    assert np.linalg.norm(plane.normal) == pytest.approx(1)


def test_the_order_of_voxels_does_not_matter():
    scan, affine, normal = head(tilt=(15, -10), shift_mm=10.0)
    turn = nib.orientations.axcodes2ornt("PIR")
    turn = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), turn)
    stored = nib.orientations.apply_orientation(scan, turn)
    plane = middle_of(stored, affine @ nib.orientations.inv_ornt_aff(turn, scan.shape))
    assert plane.normal @ normal > np.cos(np.radians(2))
    assert abs(float(plane.right_mm([10, 0, 0]))) < 1.5


def test_a_scan_of_one_value_has_the_middle_of_its_grid():
    plane = middle_of(np.zeros((5, 5, 5)), np.diag([2.0, 2, 2, 1]))
    assert plane.point_mm == (4, 4, 4)
    assert plane.normal == (1, 0, 0)
    assert plane.source == "the middle of the scan's grid"


def test_the_middle_of_a_grid_lies_between_its_corner_voxels():
    assert middle_of_grid((3, 5, 7), np.diag([-1.0, 1, 2, 1])).point_mm == (-1, 2, 6)


def test_right_of_a_plane_is_along_its_normal():
    plane = Plane((10.0, 0.0, 0.0), (0.6, 0.8, 0.0))
    np.testing.assert_allclose(
        plane.right_mm(np.array([[10, 0, 5], [11, 0, 0], [10, -2, 0]])), [0, 0.6, -1.6]
    )


def test_a_real_head_keeps_its_plane_when_it_is_turned(shared_data):
    scan = nib.load(shared_data / "heads" / "datalad_T1.nii.gz")
    array = np.asarray(scan.dataobj)[::4, ::4, ::4]
    affine = scan.affine @ np.diag([4.0, 4, 4, 1])
    upright = middle_of(array, affine)
    assert upright.normal[0] > np.cos(np.radians(5))
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("zy", (20, -20), degrees=True).as_matrix()
    turn[:3, 3] = 30, -10, 20
    tilted = middle_of(array, turn @ affine)
    assert tilted.normal @ (turn[:3, :3] @ upright.normal) > np.cos(np.radians(1))
    assert abs(float(tilted.right_mm((turn @ [*upright.point_mm, 1])[:3]))) < 1
