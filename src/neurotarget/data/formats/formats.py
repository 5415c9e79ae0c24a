"""Parsing of each image format: voxels as stored, an affine to RAS+ in mm, and header problems.

Tolerances: a quaternion longer than 1 by up to `QUATERNION_EXCESS` is normalised; sform and qform
may place a corner up to `FORMS_APART_VOX` apart. Beyond these a problem is reported.
"""

import gzip
import math
import struct
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from numpy import ndarray

from neurotarget.data.formats.bounded import check_shape, read_bounded
from neurotarget.data.formats.film import FILM, read_film
from neurotarget.data.formats.itk import read_itk
from neurotarget.data.formats.npy import NPY, read_npy
from neurotarget.data.formats.picture import PICTURE, read_picture
from neurotarget.data.formats.scan_report import (
    GUESSED,
    Report,
    corners_apart,
    in_mm,
    invertible,
)
from neurotarget.files.reading import opened
from neurotarget.problems import MIRRORED, errors_of

NIFTI = (".nii.gz", ".nii")
MGH = (".mgz", ".mgh")
ITK = (".nrrd", ".nhdr", ".mha", ".mhd")
QUATERNION_EXCESS = 1e-3  # of b² + c² + d² over 1; rounding to four decimals gives less
UNNOTICED_EXCESS = 1e-7  # rounding error of float32
FORMS_APART_VOX = 0.5
NIFTI_UNITS = {0: ("unknown", 1.0), 1: ("metre", 1e3), 2: ("mm", 1.0), 3: ("micron", 1e-3)}
GOOD_RAS_BYTE = 28  # offset in an MGH header: after seven numbers of four bytes
MGH_VOXELS = 284  # bytes before the voxels
MGH_VOXEL_BYTES = {0: 1, 1: 4, 3: 4, 4: 2}  # by the code of the data type
MOST_OFFSET = 1 << 26  # bytes before the voxels; NIfTI header extensions are shorter


class Stored(NamedTuple):
    """Content of a file before checks."""

    array: ndarray
    affine: ndarray  # (4, 4) to RAS+ in mm
    header: nib.Nifti1Header  # as stored, in the file's own unit of length
    sides_mm: tuple[float, ...]  # of a voxel, as stated in the header
    is_oriented: bool  # whether the file defines left and right
    is_sized: bool = True  # whether the file defines the sides of a voxel


def read_stored(path: Path, report: Report) -> Stored:
    """Read a file of any supported format; problems of its header are added to the report.

    The format follows from the suffix, in upper or lower case; ITK reads all remaining suffixes.

    Raises:
        DataError: the header states impossible sizes, or the format is not supported.
        OSError, ValueError and others: the file cannot be read (see `read_volume`).
    """
    name = path.name.lower()
    if name.endswith(NIFTI):
        return _read_nifti(path, report)
    if name.endswith(MGH):
        return _read_mgh(path, report)
    if name.endswith(PICTURE):
        array, affine = read_picture(path, report)
        return with_header(array, affine, is_oriented=False)._replace(is_sized=False)
    if name.endswith(FILM):
        array, affine, is_sized = read_film(path, report)
        return with_header(array, affine, is_oriented=False)._replace(is_sized=is_sized)
    if name.endswith(NPY):
        array, affine = read_npy(path, report)
        return with_header(array, affine, is_oriented=False)._replace(is_sized=False)
    array, affine, is_oriented = read_itk(path, report)
    return with_header(array, affine, is_oriented=is_oriented)


def read_grid(path: Path) -> tuple[tuple[int, ...], ndarray]:
    """Read shape and affine (in mm) of a NIfTI file, without its voxels.

    Problems that `read_stored` would report are repaired without a message.

    Raises:
        OSError, ValueError and others: the file cannot be read.
    """
    size = nib.Nifti2Header.template_dtype.itemsize
    with opened(path) as file:
        is_zipped = path.name.lower().endswith(".gz")
        _, header = _nifti_header((gzip.GzipFile(fileobj=file) if is_zipped else file).read(size))
    unit_mm = _repair_header(header, Report("", str(path)))
    return header.get_data_shape(), in_mm(_affine_of(header), unit_mm)


def _read_mgh(path: Path, report: Report) -> Stored:
    content = read_bounded(path, lambda begin: _mgh_size(begin, report), report)
    image = nib.MGHImage.from_stream(BytesIO(content))
    # from the bytes: nibabel replaces missing values by defaults and sets the flag
    is_oriented = struct.unpack_from(">h", content, GOOD_RAS_BYTE)[0] == 1
    if not is_oriented:
        report.no_orientation("goodRASFlag is 0")
    return with_header(np.asanyarray(image.dataobj), image.affine, is_oriented=is_oriented)


def _read_nifti(path: Path, report: Report) -> Stored:
    content = read_bounded(path, lambda begin: _nifti_size(begin, report), report)
    kind, stored = _nifti_header(content)
    before, size = stored.binaryblock, kind.header_class.template_dtype.itemsize
    unit_mm = _repair_header(stored, report)
    if stored.binaryblock != before:
        content = stored.binaryblock + content[size:]
    is_broken = bool(errors_of(report.problems))
    image = kind.from_stream(BytesIO(content))
    sform, qform = (int(image.header[f"{form}_code"]) for form in ("sform", "qform"))
    if not (is_broken or sform > 0 or qform > 0 or _is_map_of_picture(image.header)):
        report.no_orientation("sform and qform codes are 0")
    if not is_broken and sform > 0 and qform > 0:
        _compare_forms(image.header, unit_mm, report)
    return Stored(
        native(np.asanyarray(image.dataobj)),
        in_mm(_affine_of(image.header), unit_mm),
        image.header,
        tuple(float(side) * unit_mm for side in image.header.get_zooms()[:3]),
        is_oriented=sform > 0 or qform > 0,
    )


def _mgh_size(begin: bytes, report: Report) -> int:
    """Bytes of an MGH file according to its header."""
    _, *shape, kind = struct.unpack_from(">6i", begin)
    return MGH_VOXELS + check_shape(shape, MGH_VOXEL_BYTES[kind], report)


def _nifti_size(begin: bytes, report: Report) -> int:
    """Bytes of a NIfTI file according to its header.

    Raises:
        DataError: sizes, or the numbers that scale voxels, are impossible.
    """
    _, header = _nifti_header(begin)
    axes = int(header["dim"][0])
    shape = [int(side) for side in header["dim"][1 : 1 + min(max(axes, 0), 7)]]
    size = check_shape(shape, header.get_data_dtype().itemsize, report)
    offset = float(header["vox_offset"])
    if not 0 <= offset <= MOST_OFFSET:
        todo = "export the scan again"
        found = f"voxels that begin at byte {offset:g} (vox_offset)"
        raise report.refused(found, f"0 to {MOST_OFFSET}", todo)
    scale = [float(header[name]) for name in ("scl_slope", "scl_inter")]
    is_unset = all(map(math.isnan, scale))  # nibabel's marker for unscaled values
    if not is_unset and not all(map(math.isfinite, scale)):
        found = f"scl_slope {scale[0]:g} and scl_inter {scale[1]:g}"
        raise report.refused(found, "finite numbers", "write scl_slope 1 and scl_inter 0 if unsure")
    return int(offset) + size


def _nifti_header(content: bytes) -> tuple[type[nib.Nifti1Image], nib.Nifti1Header]:
    kinds = (nib.Nifti1Image, nib.Nifti2Image)
    kind = next((kind for kind in kinds if kind.header_class.may_contain_header(content)), None)
    if kind is None:
        raise ValueError("it has no NIfTI header")
    size = kind.header_class.template_dtype.itemsize
    # nibabel's check would repair the header without a message
    return kind, kind.header_class(content[:size], check=False)


def _repair_header(header: nib.Nifti1Header, report: Report) -> float:
    """Report problems of sides, quaternion and unit, and repair them so that checks can continue.

    Returns the header's unit of length in mm.
    """
    sides = [float(side) for side in header["pixdim"][1:4]]
    bad = [axis for axis, side in enumerate(sides) if not (side > 0 and np.isfinite(side))]
    if bad:
        report.error(
            f"spacing {' × '.join(f'{side:g}' for side in sides)} mm",
            "three positive lengths",
            "set the header's pixdim from the scanner's protocol",
        )
        header["pixdim"][[axis + 1 for axis in bad]] = 1
    if header["qform_code"] > 0:
        _repair_quaternion(header, report)
    code = int(header["xyzt_units"]) & 7
    if code not in NIFTI_UNITS:
        wanted = "metre, mm, micron or none (codes 1, 2, 3, 0)"
        report.error(f"an unknown unit of length (xyzt_units code {code})", wanted, "set it to mm")
    return NIFTI_UNITS.get(code, ("", 1.0))[1]


def _repair_quaternion(header: nib.Nifti1Header, report: Report) -> None:
    names = ("quatern_b", "quatern_c", "quatern_d")
    squared = sum(float(header[name]) ** 2 for name in names)
    if squared - 1 <= UNNOTICED_EXCESS:
        return
    found, wanted = f"a qform quaternion with |q|² − 1 = {squared - 1:.1g}", "0 (unit length)"
    if squared - 1 <= QUATERNION_EXCESS:
        for name in names:
            header[name] = float(header[name]) / np.sqrt(squared)
        report.warning(found, wanted, f"up to {QUATERNION_EXCESS:g} it is shortened")
        return
    header["qform_code"] = 0
    if header["sform_code"] > 0:
        report.warning(found, wanted, "the sform is used; set the qform from it")
    else:
        report.error(found, wanted, "export the scan again, or set the sform")


def _compare_forms(header: nib.Nifti1Header, unit_mm: float, report: Report) -> None:
    """Warn if sform and qform place the voxels differently."""
    sform, qform = (in_mm(form, unit_mm) for form in (header.get_sform(), header.get_qform()))
    if not (invertible(sform) and invertible(qform)):
        return
    by_sform, by_qform = ("".join(nib.aff2axcodes(form)) for form in (sform, qform))
    axes = f"axes run {by_sform} by the sform, {by_qform} by the qform"
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        report.warning(
            f"{MIRRORED} between sform and qform ({axes})",
            "one handedness",
            "the sform is used, and programs that take the qform show the other side: find out "
            "which is right and write it into both",
        )
        return
    apart_mm, apart_vox = corners_apart(header.get_data_shape()[:3], sform, qform)
    if apart_vox > FORMS_APART_VOX:
        turned = f"; {axes}" if by_sform != by_qform else ""
        report.warning(
            f"sform and qform that put corners up to {apart_mm:.3g} mm apart{turned}",
            f"one place, within {FORMS_APART_VOX:g} voxel",
            "the sform is used; write the right one into both",
        )


def _affine_of(header: nib.Nifti1Header) -> ndarray:
    """Return the affine by the header's codes; the sform for our maps without orientation."""
    is_guessed = header["descrip"].item() == GUESSED and not header["sform_code"]
    return header.get_sform() if is_guessed else header.get_best_affine()


def _is_map_of_picture(header: nib.Nifti1Header) -> bool:
    """Return whether a file is our map of a picture, which has no orientation either."""
    return header["descrip"].item() == GUESSED and header.get_data_shape()[2:3] == (1,)


def with_header(array: ndarray, affine: ndarray, *, is_oriented: bool = True) -> Stored:
    """Wrap an array from a format without NIfTI header, with a NIfTI header made for it.

    Args:
        array: voxels; copied if their byte order is not native or the memory is read-only.
        affine: (4, 4) to RAS+ in mm; left out of the header if it cannot be inverted.
        is_oriented: whether the file defines left and right; if not, the header gets the code
            "unknown", and only neurotarget uses its affine.
    """
    array = native(array)
    header = nib.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_xyzt_units("mm")
    if invertible(affine):
        # maps of this scan need a position; `GUESSED` marks a guess, which only neurotarget uses
        code = "scanner" if is_oriented else "unknown"
        header.set_sform(affine, code=code)
        header.set_qform(affine, code=code)
        header["descrip"] = b"" if is_oriented else GUESSED
    sides_mm = tuple(float(side) for side in header.get_zooms()[:3])
    return Stored(array, affine, header, sides_mm, is_oriented)


def native(array: ndarray) -> ndarray:
    """Return a writable copy or view of an array in native byte order."""
    # torch accepts neither another byte order nor read-only memory
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array if array.flags.writeable else array.copy(order="K")
