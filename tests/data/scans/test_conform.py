import nibabel as nib
import numpy as np
import pytest
from nibabel.processing import conform as nibabels

from neurotarget.data.scans.conform import (
    conform,
    conformed_affine,
    first_frame,
    intensity_range,
    onto,
)
from neurotarget.data.scans.volume import Volume, read_volume
from neurotarget.problems import DataError


def scan_of(array, affine):
    image = nib.Nifti1Image(array, affine)
    return Volume(array, affine, image.header)


def oblique(spacing_mm=(0.9, 1.1, 2.0), tilt_deg=12.0):
    """Affine of a tilted scan whose first axis goes to the left."""
    turn = np.deg2rad(tilt_deg)
    about_x = [[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]]
    affine = np.eye(4)
    affine[:3, :3] = np.array(about_x) @ np.diag([-spacing_mm[0], *spacing_mm[1:]])
    affine[:3, 3] = [70.0, -90.0, -40.0]
    return affine


@pytest.mark.parametrize("tilt_deg", [0.0, 12.0])
def test_the_grid_is_freesurfers_about_the_middle_of_the_scan(tilt_deg):
    scan = scan_of(np.zeros((10, 12, 7), np.float32), oblique(tilt_deg=tilt_deg))
    affine = conformed_affine(scan)
    assert "".join(nib.aff2axcodes(affine)) == "LIA"
    np.testing.assert_allclose(nib.affines.voxel_sizes(affine), 1)
    middle = affine @ [128, 128, 128, 1]
    np.testing.assert_allclose(middle, scan.affine @ [5, 6, 3.5, 1])


def test_the_grid_is_nibabels_but_for_its_middle():
    """Nibabel takes voxel (n - 1) // 2 of both for the middle: 1 mm, and half a voxel of 2 mm."""
    scan = scan_of(np.zeros((10, 12, 7), np.float32), oblique(tilt_deg=0.0))
    image = nib.Nifti1Image(scan.array, scan.affine)
    wanted = nibabels(image, (256,) * 3, (1.0, 1.0, 1.0), order=0, orientation="LIA").affine
    found = conformed_affine(scan)
    np.testing.assert_allclose(found[:3, :3], wanted[:3, :3], atol=1e-6)
    assert np.abs(found - wanted).max() <= 1 + 2.0 / 2


def test_conformed_values_are_those_at_the_same_place_in_mm():
    """A ramp along an axis of the scanner: linear interpolation reproduces it."""
    affine = oblique()
    inside = np.stack(np.meshgrid(*map(np.arange, (30, 40, 20)), indexing="ij"), axis=-1)
    x_mm, y_mm, z_mm = np.moveaxis(nib.affines.apply_affine(affine, inside), -1, 0)
    ramp = (x_mm + 2 * y_mm - z_mm).astype(np.float32)
    made = onto(ramp, affine, (256,) * 3, conformed_affine(scan_of(ramp, affine)))
    wanted = conformed_affine(scan_of(ramp, affine))
    for place in ([128, 128, 128], [132, 125, 121], [124, 133, 130]):
        x, y, z = nib.affines.apply_affine(wanted, place)
        assert made[tuple(place)] == pytest.approx(x + 2 * y - z, abs=1e-3)
    assert made[0, 0, 0] == 0


def test_labels_come_back_from_the_conformed_grid():
    labels = np.zeros((24, 24, 12), np.int16)
    labels[4:20, 4:20, 2:10] = 17
    labels[10:20, 4:20, 2:10] = 2035
    affine = oblique((2.0, 2.0, 3.0))
    grid = conformed_affine(scan_of(labels, affine))
    there = onto(labels, affine, (256,) * 3, grid)
    assert set(np.unique(there)) == {0, 17, 2035}
    back = onto(there, grid, labels.shape, affine)
    assert back.dtype == labels.dtype
    assert (back == labels).mean() > 0.98


def test_the_brightest_thousandth_is_clipped():
    """As FastSurfer computes it: 9000 voxels are not 0, of which nine may be brighter."""
    array = np.zeros((10, 10, 100))
    array.flat[:9000] = np.linspace(1, 100, 9000)
    array.flat[:5] = 1e4  # spikes
    low, high = intensity_range(array)
    counts, edges = np.histogram(array, bins=1000, range=(0, 1e4))
    whole = np.concatenate([[0], np.cumsum(counts)])
    assert (low, high) == (0, edges[np.flatnonzero(whole >= 10_000 - 9)[0] - 2])


@pytest.mark.parametrize(
    ("array", "most"),
    [(np.full((4, 4, 4), 7.0, np.float32), 255), (np.full((4, 4, 4), 200, np.uint8), 200)],
)
def test_constant_scans_and_bytes_do_not_break_the_scale(array, most):
    assert conform(scan_of(array, np.eye(4))).array.max() == most


def test_a_conformed_head_stays_as_it_is(shared_data):
    path = shared_data / "bert_freesurfer" / "fs72" / "norm.mgz"
    head = read_volume(path)
    assert head.array.dtype == np.uint8
    made = conform(head)
    np.testing.assert_allclose(made.affine, head.affine, atol=1e-4)
    np.testing.assert_array_equal(made.array, head.array)


def test_a_rotated_head_is_brought_back_without_interpolation(shared_data):
    head = read_volume(shared_data / "bert_freesurfer" / "fs72" / "norm.mgz")
    turned = nib.as_closest_canonical(nib.Nifti1Image(head.array, head.affine))
    scan = scan_of(np.asarray(turned.dataobj), turned.affine)
    made = conform(scan)
    # the middle, voxel n / 2, is another one from each side
    shift = np.round(np.linalg.inv(head.affine) @ made.affine)[:3, 3].astype(int)
    assert np.abs(shift).max() <= 1
    moved = tuple(slice(max(one, 0), 256 + min(one, 0)) for one in shift)
    there = tuple(slice(max(-one, 0), 256 + min(-one, 0)) for one in shift)
    np.testing.assert_array_equal(made.array[there], head.array[moved])


def test_the_first_of_several_frames_is_read_and_reported(tmp_path):
    frames = np.stack([np.full((4, 5, 6), value, np.float32) for value in (1, 2, 3)], axis=-1)
    nib.save(nib.Nifti1Image(frames, np.eye(4)), tmp_path / "run.nii.gz")
    volume, note = first_frame(tmp_path / "run.nii.gz")
    assert (volume.array.shape, volume.array.max()) == ((4, 5, 6), 1)
    assert note == "the first of 3 frames was used"
    with pytest.raises(DataError, match="an image file"):
        first_frame(tmp_path / "none.nii.gz")
