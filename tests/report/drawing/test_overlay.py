import warnings
from io import BytesIO

import matplotlib.image
import nibabel as nib
import numpy as np
import pytest

from neurotarget.anatomy.structures import select
from neurotarget.report.drawing.figure import COLOURS, colour
from neurotarget.report.drawing.overlay import PAGE_BYTES, PAGE_DPIS, STRAY, overlay_bytes
from neurotarget.report.drawing.painted import palette_of
from neurotarget.report.drawing.scene import error_scenes, scene_of


def head(grid=(60, 70, 64)):
    """A dark block whose right half (high i) is bright, and a mask in its middle."""
    image = np.full(grid, 10.0)
    image[grid[0] // 2 :] = 100.0
    mask = np.zeros(grid, dtype=np.uint8)
    mask[24:36, 30:40, 28:36] = 1
    return image, mask


def drawn(path, *arrays, affine=None, title="case", **options):
    affine = np.eye(4) if affine is None else affine
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = overlay_bytes(*arrays, affine, title=title, dpis=(150,), **options)
    path.write_bytes(picture)
    return matplotlib.image.imread(path)[..., :3]


def count(picture, name):
    wanted = np.array([int(name[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return int((np.abs(picture - wanted).max(axis=-1) < 0.06).sum())


def test_the_patients_right_is_on_the_left(tmp_path):
    image, mask = head()
    picture = drawn(tmp_path / "a.png", image, mask, None)
    high, wide = picture.shape[:2]
    coronal = picture[high // 3 : high // 2, wide // 3 : 2 * wide // 3].mean(axis=(0, 2))
    assert coronal[20 : len(coronal) // 3].mean() > 2 * coronal[2 * len(coronal) // 3 : -20].mean()


@pytest.mark.parametrize("codes", ["LAS", "PIR", "ASL"])
def test_the_order_on_disk_changes_nothing(tmp_path, codes):
    image, mask = head()
    affine = np.diag([0.8, 1.0, 1.3, 1.0])
    turn = nib.orientations.axcodes2ornt(codes)
    back = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), turn)
    stored = [nib.orientations.apply_orientation(array, back) for array in (image, mask, mask)]
    there = affine @ nib.orientations.inv_ornt_aff(back, image.shape)
    assert "".join(nib.aff2axcodes(there)) == codes
    plain = drawn(tmp_path / "a.png", image, mask, mask, affine=affine)
    assert np.array_equal(plain, drawn(tmp_path / "b.png", *stored, affine=there))


def test_reference_is_in_colour_and_prediction_white(tmp_path):
    image, mask = head()
    image[:] = 10.0
    neither = drawn(tmp_path / "n.png", image, mask * 0, None)
    truth = drawn(tmp_path / "t.png", image, mask, None)
    pred = drawn(tmp_path / "p.png", image, None, mask)
    assert count(neither, COLOURS[0]) < count(truth, COLOURS[0]) - 500
    assert count(pred, COLOURS[0]) == 0
    assert count(pred, "#FFFFFF") > count(truth, "#FFFFFF") + 300


def test_every_label_has_its_colour(tmp_path):
    image, mask = head()
    mask[24:30][mask[24:30] == 1] = 2
    picture = drawn(tmp_path / "a.png", image, mask, mask, label_names=("left", "right"))
    assert min(count(picture, COLOURS[0]), count(picture, COLOURS[1])) > 300


@pytest.mark.parametrize("slice_mm", [1.0, 2.0, 4.0])
def test_slices_are_true_to_scale(tmp_path, slice_mm):
    image, mask = head()  # the mask is 12 × 10 × 8 voxels
    picture = drawn(tmp_path / "a.png", image, mask, None, affine=np.diag([1, 1, slice_mm, 1]))
    left = picture.shape[1] // 3
    coronal = picture[: int(picture.shape[0] * 0.9), left : 2 * left]
    orange = np.abs(coronal - [0xE6 / 255, 0x9F / 255, 0]).max(axis=-1) < 0.06
    high, wide = (np.ptp(np.flatnonzero(orange.any(axis=axis))) for axis in (1, 0))
    assert high / wide == pytest.approx(8 * slice_mm / 12, rel=0.05)


@pytest.mark.parametrize("which", ["none", "empty", "constant", "border", "whole"])
def test_odd_cases_are_drawn_without_a_warning(tmp_path, which):
    image, mask = head()
    arrays = {
        "none": (image, None, None),
        "empty": (image, mask * 0, mask * 0),
        "constant": (image * 0, mask, mask),
        "border": (image, np.roll(mask, -24, axis=0), mask),
        "whole": (image, mask * 0 + 1, mask),
    }[which]
    assert drawn(tmp_path / "a.png", *arrays).size


def test_a_case_may_be_called_anything(tmp_path):
    image, mask = head()
    names = ("$a_b^", "x$")
    drawn(tmp_path / "a.png", image, mask, mask, title=r"$\frac{ _sub-01 $", label_names=names)


def test_two_halves_are_cut_where_the_target_is(tmp_path):
    image, _ = head()
    image[:] = 10.0
    halves = np.zeros(image.shape, dtype=np.uint8)
    halves[10:18, 30:40, 28:36] = 1  # the centre between them is empty
    halves[42:50, 30:40, 28:36] = 1
    picture = drawn(tmp_path / "a.png", image, halves, None)
    sagittal = picture[: int(picture.shape[0] * 0.9), : picture.shape[1] // 3]
    assert count(sagittal, COLOURS[0]) > 300


def far_piece():
    """A mask and a prediction that adds one voxel far outside what the slices show."""
    image, mask = head((120, 120, 120))
    pred = mask.copy()
    pred[110, 112, 108] = 1
    return image * 0 + 10, mask, pred


def test_a_distant_voxel_is_seen_in_every_projection(tmp_path):
    image, mask, pred = far_piece()
    plain = drawn(tmp_path / "a.png", image, mask, pred)
    assert count(plain, STRAY) == 0
    picture = drawn(tmp_path / "b.png", image, mask, pred, errors=True)
    row = picture[picture.shape[0] // 2 : -60]  # above the legend
    for third in np.array_split(row, 3, axis=1):
        assert count(third, STRAY) > 20
        assert count(third, COLOURS[0]) > 50, "the reference is not in the same picture"


def test_slices_go_through_the_largest_error(tmp_path):
    image, mask, pred = far_piece()
    pred[60:70, 80:86, 80:90] = 1  # 600 voxels that are not the target's
    pred[30, 35, 30] = 0
    error, projection = error_scenes(scene_of(image, mask, pred, np.eye(4)))
    inside = [range(60, 70), range(80, 86), range(80, 90)]
    assert all(one in span for one, span in zip(error.centre, inside, strict=True))
    assert (error.view, projection.view) == ("error", "projection")
    shown = [(side.start, side.stop) for side in projection.box]
    assert all(
        low <= place < high for place, (low, high) in zip((110, 112, 108), shown, strict=True)
    )
    assert projection.stray.sum() == 601
    assert drawn(tmp_path / "a.png", image, mask, pred, errors=True).size


def test_what_a_prediction_lacks_is_the_error_where_it_is_empty(tmp_path):
    image, mask = head()
    error, projection = error_scenes(scene_of(image, mask, mask * 0, np.eye(4)))
    assert mask[tuple(error.centre)] == 1
    assert not projection.stray.any()
    assert drawn(tmp_path / "a.png", image, mask, mask * 0, errors=True).size


@pytest.mark.parametrize("which", ["same", "no prediction", "no reference"])
def test_without_an_error_the_picture_is_the_usual_one(tmp_path, which):
    image, mask = head()
    truth, pred = {
        "same": (mask, mask), "no prediction": (mask, None), "no reference": (None, mask)
    }[which]  # fmt: skip
    usual = drawn(tmp_path / "a.png", image, truth, pred)
    np.testing.assert_array_equal(usual, drawn(tmp_path / "b.png", image, truth, pred, errors=True))


@pytest.mark.parametrize("most", [36_000, 60_000, 100_000])
def test_the_highest_resolution_that_fits_is_taken(monkeypatch, most):
    monkeypatch.setattr("neurotarget.report.drawing.overlay.PAGE_BYTES", most)
    image = np.random.default_rng(0).normal(50, 20, (24, 24, 24))
    mask = np.zeros(image.shape, np.int16)
    mask[8:16, 8:16, 8:16] = 1
    case = image, mask, np.roll(mask, 1, 0), np.eye(4)
    alone = (overlay_bytes(*case, dpis=(dpi,)) for dpi in PAGE_DPIS)
    fitting = next(content for content in alone if len(content) <= most)
    assert overlay_bytes(*case) == fitting


def test_pictures_of_errors_stay_small_enough_for_a_page():
    image, mask, pred = far_piece()
    image += np.random.default_rng(0).normal(0, 20, image.shape)
    content = overlay_bytes(image, mask, pred, np.eye(4), title="case", errors=True)
    assert len(content) <= PAGE_BYTES


def test_colours_come_round_again():
    assert colour(1) == colour(1 + len(COLOURS)) == COLOURS[0]


def test_a_real_hippocampus_is_drawn(shared_data, tmp_path):
    name = "hippocampus_003.nii.gz"
    image = nib.load(shared_data / "hippocampus" / "imagesTr" / name)
    truth = np.asarray(nib.load(shared_data / "hippocampus" / "labelsTr" / name).dataobj, np.uint8)
    picture = drawn(
        tmp_path / "a.png", image.get_fdata(), truth, np.roll(truth, 1, 1), affine=image.affine
    )
    assert min(count(picture, COLOURS[0]), count(picture, COLOURS[1])) > 300


def test_masks_without_a_scan_are_filled_on_grey(tmp_path):
    _, mask = head()
    picture = drawn(tmp_path / "a.png", None, mask, None)
    outlined = drawn(tmp_path / "b.png", np.zeros(mask.shape), mask, None)
    assert count(picture, "#3D3D3D") > 0.3 * picture.shape[0] * picture.shape[1]
    filled = (0.5 * np.array([0xE6, 0x9F, 0]) + 0.5 * 0.24 * 255).astype(int)
    name = "#" + "".join(f"{part:02x}" for part in filled)
    assert count(picture, name) > count(outlined, name) + 2000


def test_two_masks_without_a_scan_are_told_apart(tmp_path):
    _, mask = head()
    one = drawn(tmp_path / "a.png", None, mask, None)
    two = drawn(tmp_path / "b.png", None, mask, np.roll(mask, 3, 0))
    assert count(two, "#FFFFFF") > count(one, "#FFFFFF") + 300


def test_nothing_to_draw_is_refused(tmp_path):
    with pytest.raises(ValueError, match="got neither image nor mask"):
        drawn(tmp_path / "a.png", None, None, None)


def picture_of(content):
    return matplotlib.image.imread(BytesIO(content), format="png")[..., :3]


def test_pictures_for_a_page_show_what_the_file_shows(tmp_path):
    image, mask = head()
    content = overlay_bytes(image, mask, np.roll(mask, 2, 0), np.eye(4), title="case")
    assert content == overlay_bytes(image, mask, np.roll(mask, 2, 0), np.eye(4), title="case")
    small, large = picture_of(content), drawn(tmp_path / "a.png", image, mask, np.roll(mask, 2, 0))
    assert small.shape[0] / small.shape[1] == pytest.approx(
        large.shape[0] / large.shape[1], rel=0.01
    )
    assert min(count(small, COLOURS[0]), count(small, "#FFFFFF")) > 100


def test_a_page_without_a_title_wastes_no_room_on_it():
    image, mask = head()
    titled, bare = (picture_of(overlay_bytes(image, mask, None, np.eye(4), title=title))
                    for title in ("case", ""))  # fmt: skip
    assert bare.shape[0] < titled.shape[0]


def test_pictures_for_a_page_stay_small_whatever_the_noise():
    _, mask = head()
    noise = np.random.default_rng(0).normal(100, 30, mask.shape)
    assert len(overlay_bytes(noise, mask, mask, np.eye(4))) <= PAGE_BYTES
    assert len(overlay_bytes(noise, mask * 0, None, np.eye(4))) <= PAGE_BYTES


def test_a_real_pituitary_mask_is_drawn_alone(shared_data):
    path = sorted((shared_data / "pituitary_masks" / "masks").glob("*.nii.gz"))[0]
    mask = nib.load(path)
    classes = (np.asarray(mask.dataobj) > 0).astype(np.uint8)
    picture = picture_of(overlay_bytes(None, classes, None, mask.affine, label_names=("gland",)))
    assert count(picture, COLOURS[0]) > 200


@pytest.mark.parametrize(("has_sides", "ends"), [(True, ("R", "L")), (False, ("", ""))])
def test_sides_of_a_picture_are_named_only_where_they_are_known(has_sides, ends):
    mask = np.ones((6, 5, 1), np.uint8)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    scene = scene_of(mask * 1.0, None, mask, affine, "px", has_sides=has_sides)
    assert [plane.ends for plane in scene.planes] == [ends] * 2


def test_many_structures_are_painted_in_their_own_colours_with_the_prediction_below(tmp_path):
    names = tuple(select(["synthseg"]))
    image, mask = head()
    both = np.where(mask > 0, 1 + names.index("Left-Hippocampus"), 0).astype(np.uint8)
    one = drawn(tmp_path / "a.png", None, both, None, label_names=names)
    two = drawn(tmp_path / "b.png", image, both, np.roll(both, 2), label_names=names, errors=True)
    assert two.shape[0] > 1.8 * one.shape[0]
    yellow, grey = np.array([220, 216, 20]) / 255, 0.24
    wanted = 0.55 * yellow + 0.45 * grey
    assert (np.abs(one - wanted).max(axis=-1) < 0.03).sum() > 1000
    assert palette_of(names)[names.index("CSF")] == "#3c3c3c"
    assert palette_of(names[:4]) == palette_of([*names, "lesion"]) == COLOURS
