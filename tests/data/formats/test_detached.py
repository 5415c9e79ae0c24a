"""Scans in two files are read where the header can mean no other file than the one next to it."""

import gzip
import os

import numpy as np
import pytest
import SimpleITK as sitk

from neurotarget.data.formats.detached import scan_digest
from neurotarget.data.scans.volume import inspect_volume, read_volume
from neurotarget.problems import DataError

ARRAY = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
AFFINE = np.array([[-0.5, 0, 0, -1], [0, -1, 0, -2], [0, 0, 2, 3], [0, 0, 0, 1]])


def image():
    made = sitk.GetImageFromArray(ARRAY)
    made.SetSpacing((0.5, 1, 2))
    made.SetOrigin((1, 2, 3))
    return made


@pytest.fixture(params=[".mhd", ".nhdr"])
def pair(request, tmp_path):
    """Header and voxels as ITK writes them."""
    path = tmp_path / f"a{request.param}"
    sitk.WriteImage(image(), path)
    return path, tmp_path / "a.raw"


def refusal(path):
    _, problems = inspect_volume(path)
    return " ".join(map(str, problems))


def renamed(path, old, new):
    path.write_bytes(path.read_bytes().replace(old, new))
    return path


def test_a_header_with_its_voxels_beside_it_is_read_where_it_lies(pair):
    path, _ = pair
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, ARRAY.T)
    np.testing.assert_allclose(volume.affine, AFFINE)


def test_zipped_voxels_of_nrrd_are_read(tmp_path):
    sitk.WriteImage(image(), tmp_path / "a.nhdr")
    header = renamed(tmp_path / "a.nhdr", b"a.raw", b"a.raw.gz")
    renamed(header, b"encoding: raw", b"encoding: gzip")
    voxels = ARRAY.tobytes()
    (tmp_path / "a.raw.gz").write_bytes(gzip.compress(voxels))
    np.testing.assert_array_equal(read_volume(header).array, ARRAY.T)
    for wrong in (voxels[:-1], voxels + b"1"):
        (tmp_path / "a.raw.gz").write_bytes(gzip.compress(wrong))
        assert "48 of its header's voxels" in refusal(header) or "48 bytes" in refusal(header)
    renamed(header, b"encoding: gzip", b"encoding: raw")
    assert "found the encoding 'raw' for a.raw.gz" in refusal(header)


@pytest.mark.parametrize(
    "place",
    ["b.raw", "../a.raw", "/etc/passwd", "x/a.raw", "LIST", "a%d.raw 1 2 1", "A.raw", "", "a.mhd"],
)
def test_no_other_file_is_named(pair, place):
    path, voxels = pair
    (path.parent / "b.raw").write_bytes(voxels.read_bytes())
    renamed(path, b"a.raw", place.encode())
    assert "wanted a.raw" in refusal(path)


def test_a_header_that_names_two_files_is_refused(pair):
    path, _ = pair
    line = b"ElementDataFile = a.raw\n" if path.suffix == ".mhd" else b"datafile: a.raw\n"
    begin, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(begin + b"\n" + line + rest)
    assert "wanted a.raw" in refusal(path)


@pytest.mark.parametrize("name", ["a%d", "a b"])
def test_names_that_mean_several_files_to_itk_are_refused(pair, name):
    path, voxels = pair
    other = path.rename(path.with_name(f"{name}{path.suffix}"))
    voxels.rename(voxels.with_name(f"{name}.raw"))
    renamed(other, b"a.raw", f"{name}.raw".encode())
    assert "convert the scan to NIfTI" in refusal(other)


@pytest.mark.parametrize("change", [-1, 1])
def test_voxels_are_exactly_as_long_as_the_header_says(pair, change):
    path, voxels = pair
    content = voxels.read_bytes()
    voxels.write_bytes(content[:-1] if change < 0 else content + b"x")
    wanted = f"found {48 + change} bytes in a.raw, wanted the 48 of its header's voxels"
    assert wanted in refusal(path)


def test_what_is_no_regular_file_of_the_folder_is_refused(pair, tmp_path):
    path, voxels = pair
    content = voxels.read_bytes()
    voxels.unlink()
    assert "found no such file for its voxels, a.raw" in refusal(path)
    os.mkfifo(voxels)
    assert "found a pipe (FIFO)" in refusal(path)
    voxels.unlink()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.raw").write_bytes(content)
    voxels.symlink_to("other/a.raw")
    assert "found a.raw as a link to another folder" in refusal(path)
    voxels.unlink()
    (tmp_path / "c.raw").write_bytes(content)
    voxels.symlink_to("c.raw")
    assert refusal(path) == ""


def test_voxels_in_the_header_itself_are_for_the_other_suffix(tmp_path):
    sitk.WriteImage(image(), tmp_path / "a.mha")
    (tmp_path / "a.mha").rename(tmp_path / "a.mhd")
    with pytest.raises(DataError, match=r"wanted a\.raw"):
        read_volume(tmp_path / "a.mhd")


def test_other_voxels_under_the_same_header_are_another_scan(pair):
    path, voxels = pair
    before = scan_digest(path)
    assert scan_digest(path) == before
    voxels.write_bytes(voxels.read_bytes()[::-1])
    assert scan_digest(path) != before
