"""Single DICOM files as pictures: grey values, axes, sides of a pixel, and what is refused."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from neurotarget.data.formats.film import film_tags
from neurotarget.data.scans.volume import counted_for, film_files, image_files, read_volume
from neurotarget.problems import DataError
from neurotarget.types import Target

GREY = np.arange(12, dtype=np.uint16).reshape(3, 4) * 100  # 3 rows of 4 columns
SLICES = Target("film", ("film",), {"a": (1,)}, (1, 1, 1), (8, 8, 1), dimensions=2)
PIXELS = Target("film", ("film",), {"a": (1,)}, spacing_px=(1, 1), patch_vox=(8, 8))


def film(path, array=GREY, **tags):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["film"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = meta[0x00020002].value, meta[0x00020003].value
    made.Modality, made.SamplesPerPixel = "DX", 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.Rows, made.Columns = array.shape[:2]
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, 0
    made.PixelData = array.tobytes()
    for name, value in tags.items():
        setattr(made, name, value)
    pydicom.dcmwrite(path, made, enforce_file_format=True)
    return path


def test_columns_come_first_and_a_pixel_has_its_size(tmp_path):
    path = film(tmp_path / "a.dcm", PixelSpacing=[0.2, 0.1], ImagerPixelSpacing=[0.3, 0.3])
    volume = read_volume(path)
    assert (volume.array[..., 0] == GREY.T).all()
    assert volume.spacing_mm == pytest.approx((0.1, 0.2, 1))  # rows are 0.2 mm apart
    assert (volume.is_sized, volume.is_oriented) == (True, False)
    assert counted_for(volume, SLICES).spacing_mm == pytest.approx((0.1, 0.2, 1))
    assert counted_for(volume, PIXELS).spacing_mm == pytest.approx((1, 1, 1))
    only = film(tmp_path / "b.dcm", ImagerPixelSpacing=[0.3, 0.3])
    assert read_volume(only).spacing_mm == pytest.approx((0.3, 0.3, 1))
    assert not read_volume(film(tmp_path / "c.dcm")).is_sized


def test_where_white_is_0_the_scale_is_inverted(tmp_path):
    inverted = film(tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME1")
    assert (read_volume(inverted).array[..., 0] == 65535 - GREY.T).all()


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({"NumberOfFrames": 2}, "found a DICOM file of 2 frames, wanted one picture"),
        ({"SamplesPerPixel": 3}, "found a colour image, wanted one grey value per pixel"),
        ({"PixelSpacing": [0.001, 0.1]}, "found pixels of 0.1 × 0.001 mm, wanted sides of 0.02"),
    ],
)
def test_other_dicom_is_one_sentence(tmp_path, tags, found):
    with pytest.raises(DataError, match=found):
        read_volume(film(tmp_path / "a.dcm", **tags))


def test_a_broken_film_is_one_sentence(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"no film")
    with pytest.raises(DataError, match="found an unreadable file"):
        read_volume(tmp_path / "a.dcm")


def test_slices_of_a_scan_are_no_films_unless_films_are_wanted(tmp_path):
    path = film(tmp_path / "a.dcm")
    assert image_files(tmp_path) == []
    assert film_files(tmp_path) == [path]


def test_values_are_limited_to_the_window_also_where_white_is_0(tmp_path):
    window = {"WindowCenter": ["500", "2"], "WindowWidth": ["401", "1"]}
    scaled = {"RescaleSlope": 2, "RescaleIntercept": -100, "BitsStored": 12, "HighBit": 11}
    plain = read_volume(film(tmp_path / "a.dcm", **window, **scaled)).array[..., 0]
    values = 2.0 * GREY.T - 100
    assert (plain == values.clip(300, 699)).all()
    turned = film(tmp_path / "b.dcm", **window, **scaled, PhotometricInterpretation="MONOCHROME1")
    white = 2 * 4095 - 200
    assert (read_volume(turned).array[..., 0] == white - values.clip(300, 699)).all()


def test_a_window_beside_the_values_is_left_out(tmp_path):
    problems = []
    path = film(tmp_path / "a.dcm", WindowCenter=9000, WindowWidth=10)
    assert (read_volume(path, warnings=problems).array[..., 0] == GREY.T).all()
    assert "in which the film has no values" in str(problems[0])


def test_slices_are_refused_and_lateral_films_reported(tmp_path):
    with pytest.raises(DataError, match=r"found a picture of CT, wanted a film \(CR, DX"):
        read_volume(film(tmp_path / "a.dcm", Modality="CT"))
    problems = []
    read_volume(film(tmp_path / "b.dcm", ViewPosition="LL"), warnings=problems)
    assert "found a lateral film (ViewPosition LL)" in str(problems[0])


def test_a_film_tells_who_is_on_it(tmp_path):
    tags = {"PatientID": "p7", "PatientSex": "F", "PatientAge": "061Y", "ViewPosition": "PA"}
    path = film(tmp_path / "a.dcm", **tags)
    assert film_tags(path) == {"subject_id": "p7", "sex": "F", "age": 61.0, "view": "PA"}
    assert film_tags(film(tmp_path / "b.dcm", PatientAge="61M", PatientSex="O")) == {}
