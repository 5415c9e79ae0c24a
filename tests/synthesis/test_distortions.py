import nibabel as nib
import numpy as np
import pytest

from neurotarget.synthesis.distortions import DISTORTIONS, Scanned


def head(axes: str = "RAS") -> Scanned:
    """A bright box that is tall, with a brighter one in its upper half."""
    image, label = np.zeros((20, 24, 40)), np.zeros((20, 24, 40), dtype=np.uint8)
    image[4:16, 4:20, 5:35], label[4:16, 4:20, 5:35] = 100, 1
    image[6:14, 6:12, 22:30], label[6:14, 6:12, 22:30] = 200, 2
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(axes)
    )
    affine = np.eye(4) @ nib.orientations.inv_ornt_aff(turn, image.shape)
    return Scanned(
        *(nib.orientations.apply_orientation(part, turn) for part in (image, label)), affine
    )


def distorted(name: str, axes: str = "RAS") -> tuple[Scanned, Scanned]:
    scan = head(axes)
    return scan, DISTORTIONS[name](scan, np.random.default_rng(3))


def middle_mm(scan: Scanned, value: int) -> np.ndarray:
    return scan.affine[:3, :3] @ np.argwhere(scan.label == value).mean(0) + scan.affine[:3, 3]


@pytest.mark.parametrize("name", ["noise", "motion"])
def test_artefacts_change_grey_values_and_leave_the_anatomy(name: str):
    scan, made = distorted(name)
    assert np.array_equal(made.label, scan.label)
    assert np.array_equal(made.affine, scan.affine)
    assert np.abs(made.image - scan.image).mean() > 2
    assert np.corrcoef(made.image.ravel(), scan.image.ravel())[0, 1] > 0.7


@pytest.mark.parametrize("axes", ["RAS", "LIA", "PSR"])
def test_thick_slices_are_5_mm_along_the_head_in_any_axes(axes: str):
    scan, made = distorted("thick_slices", axes)
    axis = next(n for n, code in enumerate(axes) if code in "SI")
    assert np.linalg.norm(made.affine[:3, axis]) == pytest.approx(5)
    assert made.image.shape[axis] == 8
    assert middle_mm(made, 1) == pytest.approx(middle_mm(scan, 1), abs=0.6)


@pytest.mark.parametrize("axes", ["RAS", "LIA"])
def test_cropped_scans_lose_the_ends_of_the_head(axes: str):
    scan, made = distorted("cropped", axes)
    assert made.label.size < scan.label.size
    assert middle_mm(made, 2)[2] == pytest.approx(middle_mm(scan, 2)[2], abs=1)
    assert (made.label == 1).sum() < 0.75 * (scan.label == 1).sum()


def test_rotated_heads_have_their_label_map_turned_with_them():
    scan, made = distorted("rotated")
    assert not np.array_equal(made.label, scan.label)
    inside = made.image[made.label == 2]
    assert (inside > 120).mean() > 0.85


def test_wrong_header_keeps_left_and_right_and_voxels():
    scan, made = distorted("wrong_header")
    assert np.array_equal(made.image, scan.image)
    assert nib.aff2axcodes(made.affine) == ("R", "I", "A")
    assert np.linalg.det(made.affine[:3, :3]) > 0
