"""Pictures as scans of one slice: values as stored, axes, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from neurotarget.data.formats import picture
from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.data.scans.volume import image_files, inspect_volume, read_volume
from neurotarget.problems import DataError
from neurotarget.types import Target

LUNGS = Target("lungs", ("film",), {"lungs": (1,)}, (2, 2, 1), (64, 64, 1))

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)  # 3 rows of 4 columns


def saved(path, array, **settings):
    Image.fromarray(array).save(path, **settings)
    return path


def refused(path):
    with pytest.raises(DataError) as error:
        read_volume(path, case_id="film-1")
    return str(error.value)


@pytest.mark.parametrize("kind", ["png", "PNG"])
@pytest.mark.parametrize("array", [GREY, GREY.astype(np.uint16) * 5000, GREY > 5])
def test_columns_come_first_and_values_are_kept(tmp_path, array, kind):
    volume, problems = inspect_volume(saved(tmp_path / f"film.{kind}", array))
    assert problems == []
    assert volume.array.shape == (4, 3, 1)
    assert (volume.array[..., 0] == array.T).all()
    assert volume.spacing_mm == (1, 1, 1)
    assert not volume.is_oriented
    # the left of the picture is the patient's right, and the top of an axial slice is in front
    first, last = (volume.affine @ [*corner, 0, 1] for corner in ((0, 0), (3, 2)))
    assert first[0] > last[0]
    assert first[1] > last[1]


def test_a_jpeg_is_turned_as_its_exif_states(tmp_path):
    array = np.zeros((16, 32), dtype=np.uint8)
    array[:, 16:] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise to show it upright
    path = saved(tmp_path / "film.jpg", array, exif=exif, quality=95)
    volume = read_volume(path)
    assert volume.array.shape == (16, 32, 1)
    assert volume.array[:, 24:].mean() > 190
    assert volume.array[:, :8].mean() < 10


def test_equal_colours_are_grey_and_others_refused(tmp_path):
    three = np.repeat(GREY[..., None], 3, axis=-1)
    assert (read_volume(saved(tmp_path / "grey.png", three)).array[..., 0] == GREY.T).all()
    three[0, 0] = 9, 0, 0
    assert "found a coloured picture (RGB)" in refused(saved(tmp_path / "red.png", three))
    four = np.repeat(GREY[..., None], 4, axis=-1)
    assert "found a transparent picture" in refused(saved(tmp_path / "clear.png", four))


def test_a_cut_or_foreign_file_is_one_sentence(tmp_path):
    path = saved(tmp_path / "film.png", np.random.default_rng(0).integers(0, 255, (64, 64), "u1"))
    path.write_bytes(path.read_bytes()[:-1500])
    assert "found an unreadable file" in refused(path)
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    assert "found an unreadable file" in refused(text)
    gif = tmp_path / "gif.png"
    Image.fromarray(GREY).save(gif, format="GIF")
    assert "found an unreadable file" in refused(gif)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "MOST_PIXELS", 11)
    message = refused(saved(tmp_path / "film.png", GREY))
    assert "found 4 × 3 pixels, wanted at most 11 pixels" in message


def test_white_is_the_only_label_of_a_black_and_white_mask(tmp_path):
    mask = np.where(GREY > 5, 255, 0).astype(np.uint8)
    array = read_volume(saved(tmp_path / "mask.png", mask)).array
    ids = class_of_id(LUNGS)
    assert (to_classes(array, ids)[..., 0] == (GREY > 5).T).all()
    assert to_classes(np.full((2, 2, 1), 255), ids).tolist() == [[[1], [1]], [[1], [1]]]
    with pytest.raises(DataError, match="label values 255"):
        to_classes(array, {**ids, 2: 2})  # which of two labels is white is unknown
    with pytest.raises(DataError, match="label values 254"):
        to_classes(np.array([[[0, 254]]]), ids)


def test_a_picture_next_to_scans_folders_or_slices_is_no_scan(tmp_path):
    film, notes = saved(tmp_path / "a.png", GREY), tmp_path / "people.tsv"
    notes.write_text("case_id\n")
    assert image_files(tmp_path) == [film]
    for name in ("IM000001", "sub-01/", "b.nii.gz"):
        path = tmp_path / name
        path.mkdir() if name.endswith("/") else path.touch()
        assert image_files(tmp_path) == ([path] if name == "b.nii.gz" else [])
        path.rmdir() if name.endswith("/") else path.unlink()
