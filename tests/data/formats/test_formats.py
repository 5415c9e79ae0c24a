"""What headers claim: units of length, left and right, quaternions; each wrong once in a field."""

import gzip
import re
import struct

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from neurotarget.data.formats.formats import read_grid, with_header
from neurotarget.data.scans.volume import inspect_volume, read_volume
from neurotarget.problems import DataError

AFFINE = np.array([[-0.8, 0, 0, 5.0], [0, 0.9, 0, -7.0], [0, 0, 2.0, 3.0], [0, 0, 0, 1.0]])
LPS = np.diag([-1.0, -1, 1, 1])


def nifti(path, *, unit=0, affine=AFFINE, qform=None, codes=(1, 1)):
    image = nib.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine if qform is None else qform, codes[1])
    image.header["xyzt_units"] = unit
    nib.save(image, path)
    return path


def itk(path, *, drop="", add=""):
    """A file of ITK with a field of its header taken out or put in."""
    image = sitk.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(5, 4, 3))
    image.SetSpacing((0.8, 0.9, 2.0))
    sitk.WriteImage(image, path)
    content = path.read_bytes()
    if drop:
        content = re.sub(rf"{drop}.*\n".encode(), f"{add}\n".encode() if add else b"", content)
    elif add:
        head = b"sizes" if path.suffix == ".nrrd" else b"DimSize"
        content = content.replace(b"\n" + head, f"\n{add}\n".encode() + head, 1)
    path.write_bytes(content)
    return path


def inspected(path):
    volume, problems = inspect_volume(path, case_id="c1")
    return volume, [(problem.level, problem.found) for problem in problems]


@pytest.mark.parametrize(
    ("code", "unit_mm"), [(0, 1), (2, 1), (1, 1e3), (3, 1e-3), (3 + 8, 1e-3), (2 + 16, 1)]
)
def test_a_nifti_comes_in_mm_whatever_unit_it_names(tmp_path, code, unit_mm):
    stored = np.diag([1 / unit_mm] * 3 + [1]) @ AFFINE
    path = nifti(tmp_path / "a.nii.gz", unit=code, affine=stored)  # 8 and 16: a unit of time
    volume, problems = inspected(path)
    assert problems == []
    assert np.allclose(volume.affine, AFFINE, rtol=1e-5)
    assert volume.spacing_mm == pytest.approx((0.8, 0.9, 2.0))
    shape, affine = read_grid(path)
    assert shape == (3, 4, 5)
    assert np.allclose(affine, AFFINE, rtol=1e-5)


@pytest.mark.parametrize("code", [4, 7])
def test_a_unit_that_nifti_does_not_know_is_refused_by_name(tmp_path, code):
    with pytest.raises(DataError, match=f"unknown unit of length .xyzt_units code {code}"):
        read_volume(nifti(tmp_path / "a.nii", unit=code))


@pytest.mark.parametrize(("code", "sides"), [(1, "800 × 900 × 2000"), (3, "0.0008 × 0.0009 ×")])
def test_mm_under_the_name_of_another_unit_are_refused(tmp_path, code, sides):
    with pytest.raises(DataError, match=f"voxels of {sides}.*write lengths in mm"):
        read_volume(nifti(tmp_path / "a.nii", unit=code))


@pytest.mark.parametrize("side_mm", [1000.0, 51.0, 0.019])
def test_voxels_of_another_unit_than_the_header_names_are_refused(tmp_path, side_mm):
    path = nifti(tmp_path / "a.nii", affine=np.diag([*[side_mm] * 3, 1]))
    (problem,) = inspected(path)[1]
    sides = " × ".join([f"{side_mm:g}"] * 3)
    assert problem == ("error", f"voxels of {sides} mm by the header's unit")


@pytest.mark.parametrize(
    ("name", "add", "factor"),
    [
        ("a.nrrd", 'space units: "mm" "mm" "mm"', 1),
        ("a.nrrd", 'space units: "cm" "cm" "cm"', 10),
        ("a.nrrd", 'space units: "um" "um" "um"', None),
        ("a.nrrd", 'space units: "inch" "inch" "inch"', None),
        ("a.mha", "DistanceUnits = cm", 10),
        ("a.mha", "DistanceUnits = mm", 1),
    ],
)
def test_units_of_itk_files_are_honoured_or_refused(tmp_path, name, add, factor):
    path = itk(tmp_path / name, add=add)
    if factor is None:
        with pytest.raises(DataError, match=r"lengths in inch|voxels of 0\.0008"):
            read_volume(path)
        return
    assert read_volume(path).spacing_mm == pytest.approx(np.array([0.8, 0.9, 2.0]) * factor)


def test_microns_and_mm_of_the_same_scans_have_one_volume(cases_folder):
    for name in ("scan01", "mask01"):
        there, here = (
            read_volume(cases_folder / f"units/{u}/{name}.nii.gz") for u in ("micron", "mm")
        )
        assert np.array_equal(there.array, here.array)
        assert np.allclose(there.affine, here.affine)


@pytest.mark.parametrize(
    ("name", "drop", "reason"),
    [
        ("a.nrrd", "space: ", "space is absent"),
        ("b.nrrd", "space: ", "space is scanner-xyz"),
        ("a.mha", "TransformMatrix", "no TransformMatrix"),
    ],
)
def test_itk_files_that_do_not_say_left_and_right_have_no_orientation(tmp_path, name, drop, reason):
    add = {"a.nrrd": "space dimension: 3", "b.nrrd": "space: scanner-xyz"}.get(name, "")
    volume, problems = inspected(itk(tmp_path / name, drop=drop, add=add))
    assert problems == [("warning", f"no orientation ({reason})")]
    assert not volume.is_oriented
    assert volume.header.get_sform() == pytest.approx(volume.affine)  # for maps next to it
    assert inspected(itk(tmp_path / f"whole.{name}"))[0].is_oriented


def test_an_mgh_without_a_good_ras_has_no_orientation(tmp_path):
    nib.save(nib.MGHImage(np.ones((3, 4, 5), np.float32), AFFINE), tmp_path / "a.mgh")
    assert read_volume(tmp_path / "a.mgh").is_oriented
    content = bytearray((tmp_path / "a.mgh").read_bytes())
    struct.pack_into(">h", content, 28, 0)
    (tmp_path / "a.mgz").write_bytes(gzip.compress(content))
    volume, problems = inspected(tmp_path / "a.mgz")
    assert not volume.is_oriented
    assert problems == [("warning", "no orientation (goodRASFlag is 0)")]


def test_real_mgz_without_a_good_ras_have_no_orientation(cases_folder):
    assert not read_volume(cases_folder / "no_orientation" / "mgz_s1.mgz").is_oriented


MIRRORED = np.diag([-1.0, 1, 1, 1]) @ AFFINE
TURNED = AFFINE @ np.array([[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_qform_is_reported_in_capitals(tmp_path, axis):
    flip = np.eye(4)
    flip[axis, axis] = -1
    volume, problems = inspected(nifti(tmp_path / "a.nii", qform=flip @ AFFINE))
    (level, found), *others = problems
    assert not others
    assert level == "warning"
    assert found.startswith("LEFT AND RIGHT MIRRORED between sform and qform (axes run LAS by the")
    assert np.allclose(volume.affine, AFFINE, atol=1e-6)  # of the sform


def test_a_qform_elsewhere_is_reported_with_the_distance(tmp_path):
    moved = AFFINE.copy()
    moved[1, 3] += 4
    (problem,) = inspected(nifti(tmp_path / "a.nii", qform=moved))[1]
    assert problem == ("warning", "sform and qform that put corners up to 4 mm apart")
    moved[1, 3] -= 3.8
    assert inspected(nifti(tmp_path / "a.nii", qform=moved))[1] == []  # 0.22 of a voxel
    assert inspected(nifti(tmp_path / "a.nii", qform=MIRRORED, codes=(0, 1)))[1] == []  # one alone
    turned = inspected(nifti(tmp_path / "a.nii", qform=TURNED))[1]
    assert any("; axes run LAS by the sform, PLS by the qform" in found for _, found in turned)


@pytest.mark.parametrize(("name", "count"), [("agree", 0), ("slight", 0), ("xflip", 1)])
def test_forms_of_real_headers_are_compared(cases_folder, name, count):
    problems = inspected(cases_folder / "qform_sform" / f"{name}.nii.gz")[1]
    assert [found[:14] for _, found in problems] == ["LEFT AND RIGHT"] * count


def lengthen(path, excess, *, sform):
    header = nib.load(path).header
    for name in ("quatern_b", "quatern_c", "quatern_d"):
        header[name] = 0
    header["quatern_d"] = np.sqrt(1 + excess)  # half a turn about z
    header["sform_code"] = int(sform)
    content = path.read_bytes()
    path.write_bytes(header.binaryblock + content[348:])
    return path


@pytest.mark.parametrize("sform", [True, False])
def test_a_quaternion_too_long_by_rounding_is_shortened(tmp_path, sform):
    turned = np.diag([-0.8, -0.9, 2.0, 1.0])
    path = nifti(tmp_path / "a.nii", affine=turned)
    volume, problems = inspected(lengthen(path, 9e-4, sform=sform))
    assert problems == [("warning", "a qform quaternion with |q|² − 1 = 0.0009")]
    assert np.allclose(volume.affine, turned, atol=1e-5)
    assert np.allclose(volume.header.get_qform(), turned, atol=1e-5)


@pytest.mark.parametrize("sform", [True, False])
def test_a_quaternion_longer_than_rounding_needs_the_sform(tmp_path, sform):
    path = lengthen(
        nifti(tmp_path / "a.nii", affine=np.diag([-0.8, -0.9, 2.0, 1.0])), 0.01, sform=sform
    )
    ((level, found),) = inspected(path)[1]
    assert found == "a qform quaternion with |q|² − 1 = 0.01"
    assert level == ("warning" if sform else "error")


@pytest.mark.parametrize("name", ["tiny", "with_sform"])
def test_real_quaternions_too_long_by_rounding_are_read(cases_folder, name):
    path = cases_folder / "quaternion" / f"{name}.nii.gz"
    volume, problems = inspected(path)
    assert volume.is_placed
    assert {level for level, _ in problems} == {"warning"}
    assert np.allclose(read_grid(path)[1], volume.affine)


@pytest.mark.parametrize(("slices", "level"), [(1, []), (2, ["warning"])])
def test_a_map_of_a_picture_is_not_asked_for_an_orientation(tmp_path, slices, level):
    """Pictures have none; a volume without one was read by a guess, which stays a warning."""
    stored = with_header(np.ones((4, 3, slices), np.uint8), np.eye(4), is_oriented=False)
    nib.save(nib.Nifti1Image(stored.array, None, stored.header), tmp_path / "map.nii.gz")
    volume, problems = inspected(tmp_path / "map.nii.gz")
    assert not volume.is_oriented
    assert [one for one, _ in problems] == level
