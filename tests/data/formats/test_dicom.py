import re
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # "highly experimental", but a second opinion
    from nibabel.nicom.dicomwrappers import wrapper_from_data

from neurotarget.data.formats.dicom import convert_series, find_series, list_series
from neurotarget.problems import DataError


def convert(folder, tmp_path):
    path = tmp_path / "scratch" / "scan.nii"
    convert_series(folder, list_series(folder), path)
    return nib.load(path)


def test_an_oblique_series_lies_where_its_slices_say(tmp_path, mr):
    slices = [mr.slice_of(number) for number in (3, 0, 4, 1, 2)]
    scan = convert(mr.write(tmp_path / "dicom", slices), tmp_path)
    assert scan.shape == (mr.columns, mr.rows, 5)
    row, column = np.array(mr.oblique)
    for i, j, k in [(0, 0, 0), (5, 0, 0), (0, 3, 0), (5, 3, 4)]:
        lps = mr.origin + row * mr.between_columns * i + column * mr.between_rows * j
        lps = lps + np.cross(row, column) * mr.gap * k
        assert scan.affine @ [i, j, k, 1] == pytest.approx([-lps[0], -lps[1], lps[2], 1], abs=1e-4)
        assert scan.dataobj[i, j, k] == i + mr.columns * j + mr.columns * mr.rows * k


def test_the_affine_agrees_with_nibabels_own_reading_of_each_slice(tmp_path, mr):
    slices = [mr.slice_of(number) for number in range(4)]
    scan = convert(mr.write(tmp_path / "dicom", slices), tmp_path)
    for k, one in enumerate(slices):
        theirs = wrapper_from_data(one).affine  # (row, column, slice) to LPS
        lps = theirs @ [2, 5, 0, 1]
        assert scan.affine @ [5, 2, k, 1] == pytest.approx(np.diag([-1, -1, 1, 1]) @ lps, abs=1e-4)


@pytest.mark.parametrize(
    "directions",
    [([1, 0, 0], [0, 1, 0]), ([0, 1, 0], [0, 0, -1]), ([1, 0, 0], [0, 0, -1])],
    ids=["axial", "sagittal", "coronal"],
)
def test_every_plane_keeps_left_and_right(tmp_path, mr, directions):
    slices = [mr.slice_of(number, directions=directions) for number in range(3)]
    scan = convert(mr.write(tmp_path / "dicom", slices), tmp_path)
    axes = np.array([*directions, np.cross(*directions)]).T * [
        mr.between_columns,
        mr.between_rows,
        mr.gap,
    ]
    assert scan.affine[:3, :3] == pytest.approx(np.diag([-1, -1, 1]) @ axes, abs=1e-5)
    assert int(scan.header["sform_code"]) == int(scan.header["qform_code"]) == 1


def test_rescaled_voxels_come_in_their_unit(tmp_path, mr):
    slices = [mr.slice_of(number) for number in range(2)]
    for one in slices:
        one.RescaleSlope, one.RescaleIntercept = 0.5, -10
    scan = convert(mr.write(tmp_path / "dicom", slices), tmp_path)
    assert scan.dataobj[4, 0, 0] == pytest.approx(4 * 0.5 - 10)
    assert scan.get_data_dtype() == np.float32


def test_slices_with_their_own_slope_and_sign_come_in_one_unit(tmp_path, mr):
    slices = [mr.slice_of(number) for number in range(4)]
    slices[1].RescaleSlope, slices[1].RescaleIntercept = 0.01, 0
    slices[2].RescaleSlope, slices[2].RescaleIntercept = 1, -7.5
    slices[3].PixelRepresentation = 1
    slices[3].PixelData = np.arange(-12, 12, dtype=np.int16).tobytes()
    scan = convert(mr.write(tmp_path / "dicom", slices), tmp_path)
    assert scan.get_data_dtype() == np.float32
    voxels = np.arange(24) + 24 * np.arange(3)[:, None]
    found = np.asarray(scan.dataobj).T.reshape(4, 24)
    np.testing.assert_allclose(found[0], voxels[0])
    np.testing.assert_allclose(found[1], voxels[1] * 0.01, rtol=1e-6)
    np.testing.assert_allclose(found[2], voxels[2] - 7.5)
    np.testing.assert_allclose(found[3], np.arange(-12, 12))


def test_slices_that_store_other_bits_do_not_wrap(tmp_path, mr):
    slices = [mr.slice_of(number) for number in range(3)]
    for one in slices:
        one.RescaleSlope, one.RescaleIntercept = 1, -10
        one.PixelData = np.full(24, 4000, np.uint16).tobytes()
    slices[0].BitsStored, slices[0].HighBit = 12, 11
    slices[2].PixelData = np.full(24, 60000, np.uint16).tobytes()
    scan = convert(mr.write(tmp_path / "dicom", slices), tmp_path)
    assert np.asarray(scan.dataobj)[0, 0].tolist() == [3990, 3990, 59990]


def test_an_empty_slope_or_intercept_is_the_usual_one(tmp_path, mr):
    slices = [mr.slice_of(number) for number in range(2)]
    slices[0].RescaleSlope, slices[1].RescaleIntercept = "", None
    scan = convert(mr.write(tmp_path / "dicom", slices), tmp_path)
    assert np.asarray(scan.dataobj)[1, 0].tolist() == [1, 25]


@pytest.mark.parametrize("name", ["map", "same"])
def test_a_real_map_with_a_slope_a_slice_equals_its_truth(cases_folder, tmp_path, name):
    folder = cases_folder / "dicom_slope_per_slice"
    found = np.asarray(convert(folder / name, tmp_path).dataobj).T
    truth = np.load(folder / "truth.npy")
    # the map's first slice has slope 1: whole numbers are all that its file holds of the truth
    first = 1 if name == "map" else 0
    np.testing.assert_allclose(found[first:], truth[first:], atol=1e-3)
    np.testing.assert_allclose(found[:first], truth[:first].round(), atol=1e-3)


def test_other_files_beside_the_series_are_no_matter(tmp_path, mr):
    folder = mr.write(tmp_path / "dicom", [mr.slice_of(number) for number in range(3)])
    (folder / "notes.txt").write_text("motion in the second run")
    assert convert(folder, tmp_path).shape == (mr.columns, mr.rows, 3)


def refused(mr, tmp_path, slices, match):
    folder = mr.write(tmp_path / "dicom", slices)
    with pytest.raises(DataError, match=match):
        convert(folder, tmp_path)
    assert not list(tmp_path.rglob("*.nii"))


def test_several_series_are_listed_with_their_sizes(tmp_path, mr):
    slices = [mr.slice_of(number) for number in range(3)]
    slices += [mr.slice_of(number, series="2", name="localizer") for number in range(2)]
    text = r"2 DICOM series: .*T1 MPRAGE \(3 slices\).*; set series="
    refused(mr, tmp_path, slices, text)


def test_missing_slices_are_counted(tmp_path, mr):
    slices = [mr.slice_of(number) for number in (0, 1, 2, 5, 6, 7)]
    text = r"7\.50 mm between slices 3 and 4 where 2\.50 mm is usual .*missing: 2"
    refused(mr, tmp_path, slices, text)


def test_uneven_spacing_is_refused(tmp_path, mr):
    slices = [mr.slice_of(number) for number in (0, 1, 2, 3.3, 4.3)]
    refused(mr, tmp_path, slices, "uneven spacing")


def test_two_volumes_in_one_series_are_refused(tmp_path, mr):
    slices = [mr.slice_of(number) for number in (0, 1, 2, 0, 1, 2)]
    refused(mr, tmp_path, slices, "4 of 6 slices where another one lies.*split it by echo")


def test_a_tilted_gantry_is_refused(tmp_path, mr):
    slices = [mr.slice_of(number) for number in range(4)]
    for number, one in enumerate(slices):
        x, y, z = one.ImagePositionPatient
        one.ImagePositionPatient = [x + 0.3 * number, y, z]
    refused(mr, tmp_path, slices, "shift sideways.*dcm2niix")


def test_slices_of_two_planes_are_refused(tmp_path, mr):
    slices = [mr.slice_of(0), mr.slice_of(1), mr.slice_of(2, directions=([0, 1, 0], [0, 0, -1]))]
    refused(mr, tmp_path, slices, "slices of different orientation")


def test_slices_of_two_sizes_are_refused(tmp_path, mr):
    slices = [mr.slice_of(number) for number in range(3)]
    slices[1].PixelSpacing = [1.0, 1.0]
    refused(mr, tmp_path, slices, "slices of different size or spacing")


def test_a_single_slice_is_no_scan(tmp_path, mr):
    refused(mr, tmp_path, [mr.slice_of(0)], "one DICOM slice, wanted a series")


def test_a_multi_frame_file_is_refused_with_a_way_out(tmp_path, mr):
    one = mr.slice_of(0)
    one.NumberOfFrames = 2
    one.PixelData = one.PixelData * 2
    refused(mr, tmp_path, [one], "a multi-frame file.*dcm2niix")


def test_a_screenshot_without_a_place_is_refused(tmp_path, mr):
    slices = [mr.slice_of(number) for number in range(2)]
    for one in slices:
        del one.ImagePositionPatient
    refused(mr, tmp_path, slices, "no position, orientation or spacing")


@pytest.mark.parametrize("number", [0, 1])
def test_a_cut_file_is_named(tmp_path, mr, number):
    folder = mr.write(tmp_path / "dicom", [mr.slice_of(number) for number in range(3)])
    path = folder / f"IM{number * 7:03d}{number}"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"1 DICOM files that cannot be read .{path.name}"):
        convert(folder, tmp_path)


def test_a_folder_without_dicom_has_no_series(tmp_path, capfd):
    (tmp_path / "notes.txt").write_text("nothing here")
    assert list_series(tmp_path) == []
    assert capfd.readouterr().err == ""


def test_a_real_ct_lies_where_itk_puts_it(tmp_path):
    files = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests"
    folder = files / "98892001" / "CT5N"
    (series,) = list_series(folder)
    scan = convert(folder, tmp_path)
    theirs = sitk.ReadImage([str(file) for file in series.files])
    corner = [side - 1 for side in scan.shape]
    x, y, z = theirs.TransformIndexToPhysicalPoint(corner)
    assert scan.affine @ [*corner, 1] == pytest.approx([-x, -y, z, 1], abs=1e-3)
    assert np.array_equal(scan.dataobj, sitk.GetArrayFromImage(theirs).T)


@pytest.fixture
def disc(tmp_path, mr):
    """An examination of two series, as a CD holds it."""
    root = tmp_path / "disc"
    for series, name, count in (("3", "localizer", 2), ("12", "T1 MPRAGE", 4)):
        slices = [mr.slice_of(number, series=series, name=name) for number in range(count)]
        for one in slices:
            one.SeriesNumber = int(series)
        mr.write(root / "DICOM" / "ST0" / f"SE{series}", slices)
    (root / "README.TXT").write_text("viewer")
    return root


def test_series_are_found_deeper_by_number(disc):
    assert [one.listing(disc) for one in find_series(disc)] == [
        "series 3: localizer (2 slices, in DICOM/ST0/SE3)",
        "series 12: T1 MPRAGE (4 slices, in DICOM/ST0/SE12)",
    ]
    assert list_series(disc) == []


@pytest.mark.parametrize("wanted", ["12", "t1 mprage", "mprage", "1.2.3.12"])
def test_a_series_is_chosen_by_number_description_or_uid(disc, tmp_path, wanted):
    convert_series(disc, find_series(disc), tmp_path / "scan.nii", wanted=wanted)
    assert nib.load(tmp_path / "scan.nii").shape[2] == 4


@pytest.mark.parametrize(("wanted", "named"), [(None, "one series"), ("1", "series=1 names")])
def test_series_to_choose_from_are_listed(disc, tmp_path, wanted, named):
    listed = r"2 DICOM series: series 3: localizer \(2 slices.*; series 12: T1 MPRAGE \(4 slices"
    with pytest.raises(DataError, match=rf"{listed}.*{named}; set series="):
        convert_series(disc, find_series(disc), tmp_path / "scan.nii", wanted=wanted)


def test_series_that_are_alike_are_told_apart_by_their_uid(tmp_path, mr):
    for series in ("4.1.0", "5.1.0", "6"):
        name = "scout" if series == "6" else "T1"
        slices = [mr.slice_of(number, series=series, name=name) for number in range(2)]
        for one in slices:
            one.StudyInstanceUID = f"9.{series}"
            one.save_as(tmp_path / f"{series}-{one.SOPInstanceUID}", enforce_file_format=True)
    found = list_series(tmp_path)
    listed = (
        r"T1 \(2 slices\), UID …4\.1\.0; T1 \(2 slices\), UID …5\.1\.0; scout \(2 slices\), wan"
    )
    with pytest.raises(DataError, match=listed):
        convert_series(tmp_path, sorted(found), tmp_path / "scan.nii")
    convert_series(tmp_path, found, tmp_path / "scan.nii", wanted="5.1.0")
    assert nib.load(tmp_path / "scan.nii").shape[2] == 2


def test_files_of_one_series_in_several_folders_are_one_series(tmp_path, mr):
    for number in range(3):
        mr.write(tmp_path / "disc" / f"IMG{number}", [mr.slice_of(number)])
    (series,) = find_series(tmp_path / "disc")
    convert_series(tmp_path / "disc", [series], tmp_path / "scan.nii")
    assert nib.load(tmp_path / "scan.nii").shape[2] == 3


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("PixelSpacing", [0, 1], "pixels of 0 × 1 mm"),
        ("PixelSpacing", [-1, 1], "pixels of -1 × 1 mm"),
        ("PixelSpacing", [1, -1], "pixels of 1 × -1 mm"),
        ("PixelSpacing", [0.01, 1], "pixels of 0.01 × 1 mm"),
        ("PixelSpacing", [60, 60], "pixels of 60 × 60 mm"),
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0], "direction cosines"),
        ("ImageOrientationPatient", [2, 0, 0, 0, 1, 0], "direction cosines"),
        ("ImagePositionPatient", [1e30, 0, 0], "a position"),
        ("RescaleSlope", 0, "a slope 0"),
    ],
)
def test_numbers_that_no_scanner_writes_are_refused(tmp_path, mr, name, value, found):
    slices = [mr.slice_of(number) for number in range(3)]
    for one in slices:
        one.RescaleSlope, one.RescaleIntercept = 1, 0
        setattr(one, name, value)
    error = rf"{re.escape(found)}.* in IM\d+, wanted numbers of a scan"
    with pytest.raises(DataError, match=error):
        convert(mr.write(tmp_path / "dicom", slices), tmp_path)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"Rows": 5}, r"48 bytes of pixels in IM\d+, wanted the 60 bytes of 5 × 6 pixels"),
        ({"Columns": 3000}, "wanted the 24000 bytes of 4 × 3000 pixels"),
        ({"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}, "wanted the 24 bytes"),
        ({"BitsAllocated": 8, "BitsStored": 12}, "12 bits up to bit 15 in 8 in"),
        ({"BitsStored": 12, "HighBit": 7}, "12 bits up to bit 7 in 16 in"),
    ],
)
def test_pixels_that_do_not_fit_the_header_are_refused(tmp_path, mr, changes, error):
    slices = [mr.slice_of(number) for number in range(3)]
    for one in slices:
        for name, value in changes.items():
            setattr(one, name, value)
    refused(mr, tmp_path, slices, error)


def test_padding_behind_pixels_is_no_matter(tmp_path, mr):
    slices = [mr.slice_of(number) for number in range(3)]
    for one in slices:
        one.PixelData += bytes(4)
    scan = convert(mr.write(tmp_path / "dicom", slices), tmp_path)
    assert np.asarray(scan.dataobj).T.ravel().tolist() == list(range(3 * mr.rows * mr.columns))


def test_compressed_pixels_are_read(tmp_path):
    source = Path(pydicom.__file__).parent / "data" / "test_files" / "MR_small_RLE.dcm"
    for number in range(3):
        one = pydicom.dcmread(source)
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        one.ImagePositionPatient = [0, 0, number]
        one.save_as(tmp_path / f"{number}.dcm")
    wanted = pydicom.dcmread(source.with_name("MR_small.dcm")).pixel_array
    scan = convert(tmp_path, tmp_path)
    for number in range(3):
        np.testing.assert_array_equal(np.asarray(scan.dataobj)[..., number].T, wanted)
