"""One scan from disk, checked: voxels as stored, affine in RAS+ mm, header."""

import gzip
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy import ndarray

from neurotarget.data.paths import has_foreign_drive
from neurotarget.data.unfetched import unfetched
from neurotarget.types import DataError, Problem

NIFTI = (".nii.gz", ".nii")
MGH = (".mgz", ".mgh")
ITK = (".nrrd", ".mha")
SUFFIXES = (*NIFTI, *MGH, *ITK)
UNREADABLE = (
    OSError,  # also gzip.BadGzipFile
    EOFError,
    MemoryError,  # a broken header asks for absurd sizes
    LookupError,
    OverflowError,
    RuntimeError,  # what SimpleITK raises
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    HeaderDataError,
    ImageFileError,
)


class Volume(NamedTuple):
    """A scan as it lies on disk: array (I, J, K) in stored order, affine to RAS+ in mm."""

    array: ndarray
    affine: ndarray  # (4, 4) float64; NaN throughout where spacing or axes are broken
    header: nib.Nifti1Header

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Side of a voxel along each stored axis, in mm."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def is_placed(self) -> bool:
        """Whether it is known where the voxels lie."""
        return bool(np.isfinite(self.affine).all())

    @property
    def is_oriented(self) -> bool:
        """Whether the header says where left and right are; an affine without a code is a guess."""
        return bool(self.header["sform_code"] > 0 or self.header["qform_code"] > 0)


def read_volume(path: Path, *, case_id: str = "") -> Volume:
    """Read a 3-D scan whose voxels and geometry can be trusted.

    Reads `.nii`, `.nii.gz`, `.mgz`, `.mgh`, `.nrrd` and `.mha`. Trailing axes of length one are
    dropped; scaled voxels come scaled, others in their stored type, in native byte order.

    Raises:
        DataError: missing, unreadable or truncated, not 3-D, NaN or Inf voxels, spacing that is
            not positive, affine that cannot be inverted.
    """
    volume, problems = inspect_volume(path, case_id=case_id)
    if errors := [problem for problem in problems if problem.level == "error"]:
        raise DataError(errors)
    assert volume is not None  # without a volume there is an error
    return volume


def inspect_volume(path: Path, *, case_id: str = "") -> tuple[Volume | None, list[Problem]]:
    """Read a scan and everything that is wrong with it; None where no 3-D array is in it."""
    path = Path(path)
    report = _Report(case_id, str(path))
    if (missing := missing_file(path, case_id=case_id)) is not None:
        return None, [missing]
    if not path.name.lower().endswith(SUFFIXES):
        report.error("an unknown kind of file", f"one of {' '.join(SUFFIXES)}", "convert it")
        return None, report.problems
    try:
        array, affine, header = _read(path, report)
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[-200:] or type(error).__name__
        report.error(f"an unreadable file ({reason})", "a whole image", "copy or export it again")
        return None, report.problems
    _check_affine(affine, header, report)
    if any(problem.level == "error" for problem in report.problems):
        affine = np.full((4, 4), np.nan)  # so that nothing is measured with it
    _check_voxels(array, report)
    array = _three_axes(array, report)
    return (None if array is None else Volume(array, affine, header)), report.problems


def missing_file(path: Path, *, case_id: str = "") -> Problem | None:
    """Problem of a path that is no file, or None."""
    absent = unfetched(path)
    if absent is None and path.is_file():
        return None
    found = "a folder" if path.is_dir() else "no such file"
    todo = "check the path in the manifest, or restore the file"
    if has_foreign_drive(path):
        todo = "write the path relative to the manifest: this machine has no drive of Windows"
    found, todo = absent or (found, todo)
    return Problem("error", case_id, str(path), found, "an image file", todo)


def same_grid(a: Volume, b: Volume, tol: float = 1e-2) -> bool:
    """Whether two volumes have one shape and their corners lie within `tol` mm of each other.

    Writing an oblique grid as float32 quaternion instead of matrix moves corners by up to 8e-3 mm.
    """
    if a.array.shape != b.array.shape:
        return False
    last = np.array(a.array.shape) - 1
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * last
    apart = (a.affine - b.affine)[:3] @ np.column_stack([corners, np.ones(8)]).T
    return bool(np.abs(apart).max() <= tol)


def file_stem(path: Path) -> str:
    """Name of an image file without its (double) suffix."""
    name = Path(path).name
    suffix = next((end for end in SUFFIXES if name.lower().endswith(end)), Path(name).suffix)
    return name[: len(name) - len(suffix)]


class _Report:
    """Problems of one file, gathered while it is read."""

    def __init__(self, case_id: str, file: str) -> None:
        self.case_id, self.file = case_id, file
        self.problems: list[Problem] = []

    def error(self, found: str, wanted: str, todo: str) -> None:
        self.problems.append(Problem("error", self.case_id, self.file, found, wanted, todo))

    def warning(self, found: str, wanted: str, todo: str) -> None:
        self.problems.append(Problem("warning", self.case_id, self.file, found, wanted, todo))


def _read(path: Path, report: _Report) -> tuple[ndarray, ndarray, nib.Nifti1Header]:
    name = path.name.lower()
    if name.endswith(NIFTI):
        return _read_nifti(path, report)
    if name.endswith(MGH):
        image = nib.MGHImage.from_stream(BytesIO(_content(path)))
        array, affine = np.asanyarray(image.dataobj), image.affine
    else:
        array, affine = _read_itk(path)
    return _native(array), affine, _header(array, affine)


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    # whole, as nibabel's own reading stops short of the checksum at the end
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def _read_nifti(path: Path, report: _Report) -> tuple[ndarray, ndarray, nib.Nifti1Header]:
    content = _content(path)
    kinds = (nib.Nifti1Image, nib.Nifti2Image)
    kind = next((kind for kind in kinds if kind.header_class.may_contain_header(content)), None)
    if kind is None:
        raise ValueError("it has no NIfTI header")
    size = kind.header_class.template_dtype.itemsize
    stored = kind.header_class(content[:size], check=False)  # checked, it would be mended unsaid
    sides = [float(side) for side in stored["pixdim"][1:4]]
    bad = [axis for axis, side in enumerate(sides) if not (side > 0 and np.isfinite(side))]
    if bad:
        report.error(
            f"spacing {' × '.join(f'{side:g}' for side in sides)} mm",
            "three positive lengths",
            "set the header's pixdim from the scanner's protocol",
        )
        stored["pixdim"][[axis + 1 for axis in bad]] = 1  # to look at the rest
        content = stored.binaryblock + content[size:]
    image = kind.from_stream(BytesIO(content))
    if not (bad or stored["sform_code"] > 0 or stored["qform_code"] > 0):
        report.warning(
            "no orientation (sform and qform codes are 0)",
            "a known left and right",
            "export it again from DICOM, or set the sform",
        )
    return _native(np.asanyarray(image.dataobj)), image.affine.astype(np.float64), image.header


def _read_itk(path: Path) -> tuple[ndarray, ndarray]:
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        array = np.moveaxis(array, -1, 0)
    if image.GetDimension() != 3:
        return array.T, np.eye(4)
    axes = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes, image.GetOrigin()
    return array.T, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # ITK's LPS to RAS


def _native(array: ndarray) -> ndarray:
    # torch takes neither foreign byte order nor read-only memory
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array if array.flags.writeable else array.copy(order="K")


def _header(array: ndarray, affine: ndarray) -> nib.Nifti1Header:
    header = nib.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_xyzt_units("mm")
    if _invertible(affine):
        header.set_sform(affine, code="scanner")
        header.set_qform(affine, code="scanner")
    return header


def _invertible(affine: ndarray) -> bool:
    axes = affine[:3, :3]
    if not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(axes, axis=0)
    # the volume of a unit cell against that of its bounding brick: 0 where two axes fall together
    return bool(lengths.min() > 0 and abs(np.linalg.det(axes / lengths)) > 1e-4)


def _check_affine(affine: ndarray, header: nib.Nifti1Header, report: _Report) -> None:
    if not _invertible(affine):
        rows = "; ".join(" ".join(f"{value:g}" for value in row) for row in affine[:3])
        report.error(
            f"an affine that cannot be inverted ({rows})",
            "three independent axes",
            "set the sform from the qform, or export the scan again",
        )
        return
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    sides = np.array(header.get_zooms()[:3], dtype=float)
    if report.problems:  # of the spacing
        return
    if sides.shape == (3,) and not np.allclose(lengths, sides, rtol=1e-2):
        report.warning(
            f"spacing {sides.round(4).tolist()} mm beside an affine of {lengths.round(4).tolist()}",
            "one spacing",
            "the affine is used; set pixdim to match it",
        )


def _three_axes(array: ndarray, report: _Report) -> ndarray | None:
    if array.dtype.kind not in "biuf":
        report.error(
            f"voxels of type {array.dtype}", "one real number a voxel", "split the components"
        )
        return None
    shape = array.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or 0 in shape:
        report.error(
            f"{len(shape)}-D voxels {' × '.join(map(str, array.shape))}",
            "one 3-D volume a file",
            "write each channel or time point to a file of its own",
        )
        return None
    return array.reshape(shape, order="A")


def _check_voxels(array: ndarray, report: _Report) -> None:
    if array.dtype.kind != "f" or (finite := np.isfinite(array)).all():
        return
    absent = array.size - int(finite.sum())
    report.error(
        f"NaN or Inf in {absent} of {array.size} voxels",
        "finite voxels",
        "fill them (outside the head with 0) or export the scan again",
    )
