"""Single DICOM files as pictures: grey values, axes, sides of a pixel, and what is refused."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

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
        ({"SamplesPerPixel": 3}, "found a colour image, wanted one grey value a pixel"),
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
