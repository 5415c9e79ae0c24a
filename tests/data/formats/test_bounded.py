"""Files that claim more than they hold, or hold more than they claim; none is read to its end."""

import gzip
import os
import struct
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from neurotarget.data.scans.volume import inspect_volume

DIM, OFFSET, SCALE, BODY = 40, 108, 112, 352  # bytes of a NIfTI header
ARRAY = np.arange(512, dtype=np.int16).reshape(8, 8, 8)


@pytest.fixture
def content(tmp_path):
    nib.save(nib.Nifti1Image(ARRAY, np.eye(4)), tmp_path / "plain.nii")
    return bytearray((tmp_path / "plain.nii").read_bytes())


def refusal(path, content=None):
    if content is not None:
        zipped = path.name.endswith("gz")
        path.write_bytes(gzip.compress(bytes(content), 1) if zipped else bytes(content))
    volume, problems = inspect_volume(path, case_id="c")
    assert volume is None or any(problem.level == "error" for problem in problems) or not problems
    return "\n".join(map(str, problems))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    ("sides", "found"),
    [
        ((-8, 8, 8), "-8 × 8 × 8 voxels in the header, wanted sides of at least 1"),
        ((0, 8, 8), "0 × 8 × 8 voxels in the header, wanted sides of at least 1"),
        ((32767, 32767, 3), "32767 × 32767 × 3 voxels in the header, wanted at most 2147483648"),
        ((8, 8, 9), "an unreadable file (it ends before|its gzip data end early)"),
        ((900, 900, 900), "an unreadable file (it ends before the 1458000352 bytes"),
    ],
)
def test_a_size_that_cannot_be_is_refused_by_name(tmp_path, content, name, sides, found):
    struct.pack_into("<4h", content, DIM, 3, *sides)
    sentence = refusal(tmp_path / name, content)
    assert any(one in sentence for one in found.split("|")), sentence
    assert sentence.startswith(f"c: {tmp_path / name}: found ")
    assert "\n" not in sentence


def test_a_gzip_file_is_not_unzipped_past_what_its_header_claims(tmp_path, content):
    path = tmp_path / "bomb.nii.gz"
    with gzip.open(path, "wb", 1) as stream:
        stream.write(content)
        for _ in range(64):
            stream.write(bytes(1 << 20))
    tracemalloc.start()
    assert "found more bytes than the 1376 of its header's voxels" in refusal(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8 << 20


def test_padding_and_several_gzip_members_are_read(tmp_path, content):
    whole = bytes(content)
    (tmp_path / "a.nii.gz").write_bytes(
        gzip.compress(whole[:700]) + gzip.compress(whole[700:]) + bytes(512)
    )
    assert refusal(tmp_path / "a.nii.gz") == ""
    assert refusal(tmp_path / "a.nii", whole + bytes(512)) == ""


def test_bytes_behind_gzip_data_are_refused(tmp_path, content):
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(bytes(content)) + b"more")
    assert "found an unreadable file (4 bytes behind its gzip data)" in refusal(
        tmp_path / "a.nii.gz"
    )


INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("scale", "is_read"),
    [((INF, 0), False), ((1, -INF), False), ((2, NAN), False), ((NAN, NAN), True), ((0, 0), True)],
)
def test_a_scale_that_is_no_number_is_refused(tmp_path, content, scale, is_read):
    struct.pack_into("<2f", content, SCALE, *scale)
    sentence = refusal(tmp_path / "a.nii", content)
    assert (sentence == "") is is_read
    assert is_read or "wanted finite numbers" in sentence


@pytest.mark.parametrize("offset", [INF, NAN, -1.0, 1e12])
def test_voxels_that_begin_nowhere_are_refused(tmp_path, content, offset):
    struct.pack_into("<f", content, OFFSET, offset)
    assert "found voxels that begin at byte" in refusal(tmp_path / "a.nii", content)


@pytest.mark.parametrize(("value", "is_read"), [(1e300, False), (-1e25, False), (1e17, True)])
def test_values_whose_squares_float32_cannot_hold_are_refused(tmp_path, value, is_read):
    image = nib.Nifti1Image(np.full((4, 4, 4), value), np.eye(4))
    nib.save(image, tmp_path / "a.nii")
    assert ("wanted at most 1e+18" in refusal(tmp_path / "a.nii")) is not is_read


def test_a_place_that_float32_cannot_tell_is_refused(tmp_path):
    affine = np.eye(4)
    affine[0, 3] = 1e30
    nib.save(nib.Nifti1Image(ARRAY, affine), tmp_path / "a.nii")
    assert "found a first voxel 1e+30 mm from the scanner" in refusal(tmp_path / "a.nii")


@pytest.mark.parametrize("side", [0, -4, 1 << 30])
def test_the_sizes_of_an_mgh_file_are_looked_at_too(tmp_path, side):
    nib.save(nib.MGHImage(ARRAY, np.eye(4)), tmp_path / "a.mgh")
    content = bytearray((tmp_path / "a.mgh").read_bytes())
    struct.pack_into(">i", content, 4, side)
    assert f"found {side} × 8 × 8 × 1 voxels in the header" in refusal(tmp_path / "a.mgh", content)


@pytest.fixture
def itk_header(tmp_path):
    def made(suffix):
        sitk.WriteImage(sitk.GetImageFromArray(ARRAY), tmp_path / f"whole{suffix}")
        content = (tmp_path / f"whole{suffix}").read_bytes()
        end = b"\n\n" if suffix == ".nrrd" else b"ElementDataFile"
        return content.partition(end)[0] + b"\n", content

    return made


@pytest.mark.parametrize(
    ("suffix", "line"),
    [
        (".nrrd", "data file: /etc/passwd"),
        (".nrrd", "datafile: ../scan.raw"),
        (".nrrd", "Data File: LIST\n/etc/passwd"),
        (".nrrd", "data file: slice%03d.raw 1 8 1"),
        (".mha", "ElementDataFile = /etc/passwd"),
        (".mha", "ElementDataFile=../scan.raw"),
        (".mha", "ElementDataFile = LIST\nscan.raw"),
        (".mha", "Comment = ElementDataFile = LOCAL\nElementDataFile = /etc/passwd"),
        (".mha", ""),
    ],
)
def test_headers_that_read_another_file_are_refused(tmp_path, itk_header, suffix, line):
    header, _ = itk_header(suffix)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(header + line.encode() + b"\n\n")
    assert "found voxels in another file" in refusal(path)
    assert "convert the scan to NIfTI" in refusal(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_what_is_one_file_is_read_by_the_reader_of_its_name_alone(tmp_path, itk_header, suffix):
    _, content = itk_header(suffix)
    assert refusal(tmp_path / f"a{suffix}", content) == ""
    other = {".nrrd": ".mha", ".mha": ".nrrd"}[suffix]
    assert refusal(tmp_path / f"b{other}", content) != ""
    long = content.replace(b"\n", b"\n" + b"# long\n" * 20_000, 1)
    assert "found a header without an end" in refusal(tmp_path / f"c{suffix}", long)


@pytest.mark.parametrize("name", ["a.hdr", "a.img"])
def test_a_scan_in_two_files_is_to_be_converted(tmp_path, name):
    assert "found a scan in two files" in refusal(tmp_path / name, b"any")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mgz", "a.nrrd", "a.mha"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "kernel", "long"])
def test_only_regular_files_are_opened(tmp_path, name, kind):
    path, found = tmp_path / name, kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "long":
        path, found = tmp_path / f"{'x' * 300}.nii", "File name too long"
    elif not os.path.ismount("/proc"):
        pytest.skip("no /proc")
    else:
        path.symlink_to("/proc/self/environ")
    assert found in refusal(path)
