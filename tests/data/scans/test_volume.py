import gzip
import struct

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from neurotarget.data.scans.volume import Volume, file_stem, inspect_volume, read_volume, same_grid
from neurotarget.problems import DataError

OBLIQUE = np.array(
    [[0.8, -0.6, 0.0, 5.0], [0.6, 0.8, 0.0, -7.0], [0.0, 0.0, 2.0, 3.0], [0.0, 0.0, 0.0, 1.0]]
)


def numbered(shape=(3, 4, 5)):
    return np.arange(np.prod(shape), dtype=np.int16).reshape(shape)


def write(path, array=None, affine=OBLIQUE):
    nib.save(nib.Nifti1Image(numbered() if array is None else array, affine), path)
    return path


def patch_header(path, offset, form, *values):
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, offset, *values)
    path.write_bytes(content)


def problems_of(path):
    return "\n".join(str(problem) for problem in inspect_volume(path, case_id="c1")[1])


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ"])
def test_nifti_keeps_voxels_affine_and_type(tmp_path, name):
    content = write(tmp_path / "plain.nii").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if "gz" in name.lower() else content)
    volume = read_volume(tmp_path / name, case_id="c1")
    assert np.array_equal(volume.array, numbered())
    assert volume.array.dtype == np.int16
    assert np.allclose(volume.affine, OBLIQUE)
    assert volume.spacing_mm == pytest.approx((1, 1, 2))


def test_mgz_and_nifti_give_one_volume(tmp_path):
    nib.save(nib.MGHImage(numbered(), OBLIQUE), tmp_path / "a.mgz")
    a, b = read_volume(tmp_path / "a.mgz"), read_volume(write(tmp_path / "a.nii"))
    assert np.array_equal(a.array, b.array)
    assert same_grid(a, b)
    assert np.allclose(a.header.get_best_affine(), OBLIQUE, atol=1e-5)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_itk_affines_are_converted_from_lps_to_ras(tmp_path, suffix):
    write(tmp_path / "a.nii")
    sitk.WriteImage(sitk.ReadImage(tmp_path / "a.nii"), tmp_path / f"a{suffix}")
    volume = read_volume(tmp_path / f"a{suffix}")
    assert np.array_equal(volume.array, numbered())
    assert np.allclose(volume.affine, OBLIQUE, atol=1e-5)


def test_foreign_byte_order_is_converted_to_a_writable_native_array(tmp_path):
    header = nib.Nifti1Header(endianness=">")
    image = nib.Nifti1Image(numbered(), OBLIQUE, header)
    nib.save(image, tmp_path / "a.nii")
    array = read_volume(tmp_path / "a.nii").array
    assert array.dtype.isnative
    assert array.flags.writeable
    assert np.array_equal(array, numbered())


def test_slope_and_intercept_are_applied(tmp_path):
    path = write(tmp_path / "a.nii")
    patch_header(path, 112, "<ff", 0.5, 1)  # slope and intercept
    assert np.allclose(read_volume(path).array, numbered() * 0.5 + 1)


def test_trailing_axes_of_one_are_dropped(tmp_path):
    path = write(tmp_path / "a.nii", numbered((3, 4, 5, 1, 1)))
    assert read_volume(path).array.shape == (3, 4, 5)


def test_a_single_slice_is_a_volume(tmp_path):
    assert read_volume(write(tmp_path / "a.nii", numbered((3, 4, 1)))).array.shape == (3, 4, 1)


def test_missing_file_is_named_with_its_case(tmp_path):
    with pytest.raises(DataError, match=r"c1: .*a\.nii: found no such file"):
        read_volume(tmp_path / "a.nii", case_id="c1")


def test_unknown_suffix_lists_the_known(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match=r"unknown kind of file, wanted one of \.nii\.gz"):
        read_volume(tmp_path / "a.txt")


@pytest.mark.parametrize("keep", [0, 10, 400, -10])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mgz"])
def test_truncated_files_are_unreadable(tmp_path, name, keep):
    array = np.random.default_rng(0).integers(0, 999, (9, 9, 9), dtype=np.int16)
    kind = nib.MGHImage if name.endswith("mgz") else nib.Nifti1Image
    nib.save(kind(array, OBLIQUE), tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:keep])
    with pytest.raises(DataError, match="unreadable file"):
        read_volume(tmp_path / name, case_id="c1")


def test_a_flipped_bit_in_a_compressed_file_is_refused(tmp_path):
    path = write(tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # in the checksum
    path.write_bytes(content)
    with pytest.raises(DataError, match="unreadable file"):
        read_volume(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_not_finite_are_counted(tmp_path, value):
    array = numbered().astype(np.float32)
    array[0, 0, :2] = value
    with pytest.raises(DataError, match="NaN or Inf in 2 of 60 voxels"):
        read_volume(write(tmp_path / "a.nii", array))


def test_4d_asks_for_one_volume_a_file(tmp_path):
    with pytest.raises(DataError, match=r"4-D voxels 3 × 4 × 5 × 2, wanted one 3-D volume"):
        read_volume(write(tmp_path / "a.nii", numbered((3, 4, 5, 2))))


def test_complex_voxels_are_refused(tmp_path):
    with pytest.raises(DataError, match="voxels of type complex64"):
        read_volume(write(tmp_path / "a.nii", numbered().astype(np.complex64)))


@pytest.mark.parametrize("side", [0.0, -1.0, np.nan])
def test_spacing_that_is_not_positive_is_refused(tmp_path, side):
    path = write(tmp_path / "a.nii")
    patch_header(path, 80, "<f", side)  # pixdim[1]
    volume, problems = inspect_volume(path)
    assert volume is not None  # so that its voxels are looked at, too
    assert [problem.wanted for problem in problems] == ["three positive lengths"]
    with pytest.raises(DataError, match="wanted three positive lengths"):
        read_volume(path)


def test_an_affine_with_two_equal_axes_is_refused(tmp_path):
    path = write(tmp_path / "a.nii")
    patch_header(path, 280, "<12f", *[1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0])
    with pytest.raises(DataError, match="affine that cannot be inverted"):
        read_volume(path)


def test_all_problems_of_a_file_are_reported_at_once(tmp_path):
    array = np.full((3, 4, 5, 2), np.nan, dtype=np.float32)
    path = write(tmp_path / "a.nii", array)
    patch_header(path, 80, "<f", 0.0)
    assert all(text in problems_of(path) for text in ("positive lengths", "NaN or Inf", "4-D"))


def test_missing_orientation_is_a_warning(tmp_path):
    path = write(tmp_path / "a.nii")
    patch_header(path, 252, "<hh", 0, 0)  # qform and sform codes
    volume, problems = inspect_volume(path)
    assert volume is not None
    assert [problem.level for problem in problems] == ["warning"]
    assert "no orientation" in problems_of(path)


def test_spacing_that_differs_from_the_affine_is_a_warning(tmp_path):
    path = write(tmp_path / "a.nii")
    patch_header(path, 80, "<f", 3.0)
    assert [problem.level for problem in inspect_volume(path)[1]] == ["warning"]


def test_one_grid_needs_one_shape_and_near_corners():
    def grid(shape=(3, 4, 5), step=0.0):
        affine = OBLIQUE.copy()
        affine[0, 3] += step
        return Volume(numbered(shape), affine, nib.Nifti1Header())

    assert same_grid(grid(), grid(step=0.09))
    assert not same_grid(grid(), grid(step=0.13))  # mm, of voxels of 1 mm, turned by 37 degrees
    assert not same_grid(grid(), grid((3, 4, 6)))


@pytest.mark.parametrize(
    ("name", "stem"), [("a.b.nii.gz", "a.b"), ("A.NII", "A"), ("a.mha", "a"), ("a.txt", "a")]
)
def test_file_stem_drops_the_whole_suffix(name, stem):
    assert file_stem(name) == stem


def test_real_heads_read_whole(shared_data):
    volume = read_volume(shared_data / "heads" / "datalad_T1.nii.gz")
    assert volume.array.shape == (274, 384, 384)
    assert volume.spacing_mm == pytest.approx((0.7, 2 / 3, 2 / 3), abs=1e-3)


def test_real_phase_with_nan_is_refused(shared_data):
    with pytest.raises(DataError, match="NaN or Inf"):
        read_volume(shared_data / "qsm/gre_patch/small/phase_with_nan.nii", case_id="phase")
