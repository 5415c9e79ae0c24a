"""Content of an image file of any format before checks, and the report of its problems."""

from typing import NamedTuple

import nibabel as nib
import numpy as np
from numpy import ndarray

from neurotarget.problems import DataError, Problem

GUESSED = b"orientation unknown, sform of the source"  # header description of our own maps


class Report:
    """Problems of one file, collected while it is read."""

    def __init__(self, case_id: str, file: str) -> None:
        self.case_id, self.file = case_id, file
        self.problems: list[Problem] = []

    def error(self, found: str, wanted: str, todo: str) -> None:
        """Add a problem that stops the command."""
        self.problems.append(Problem("error", self.case_id, self.file, found, wanted, todo))

    def warning(self, found: str, wanted: str, todo: str) -> None:
        """Add a problem that does not stop the command."""
        self.problems.append(Problem("warning", self.case_id, self.file, found, wanted, todo))

    def refused(self, found: str, wanted: str, todo: str) -> DataError:
        """Make the exception for a file that cannot be read any further."""
        return DataError(Problem("error", self.case_id, self.file, found, wanted, todo))

    def no_orientation(self, reason: str) -> None:
        """Add that the file does not define left and right."""
        self.warning(
            f"no orientation ({reason})",
            "a known left and right",
            "left and right are a guess; export it again from DICOM, or set the sform",
        )


class Stored(NamedTuple):
    """Content of a file before checks."""

    array: ndarray
    affine: ndarray  # (4, 4) to RAS+ in mm
    header: nib.Nifti1Header  # as stored, in the file's own unit of length
    sides_mm: tuple[float, ...]  # of a voxel, as stated in the header
    is_oriented: bool  # whether the file defines left and right


def with_header(array: ndarray, affine: ndarray, *, is_oriented: bool = True) -> Stored:
    """Wrap an array from a format without NIfTI header, with a NIfTI header made for it."""
    array = native(array)
    header = nib.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_xyzt_units("mm")
    if invertible(affine):
        # maps of this scan need a position; `GUESSED` marks a guess, which only we read
        code = "scanner" if is_oriented else "unknown"
        header.set_sform(affine, code=code)
        header.set_qform(affine, code=code)
        header["descrip"] = b"" if is_oriented else GUESSED
    sides_mm = tuple(float(side) for side in header.get_zooms()[:3])
    return Stored(array, affine, header, sides_mm, is_oriented)


def in_mm(affine: ndarray, unit_mm: float) -> ndarray:
    """Convert an affine to mm; `unit_mm` is the length of its unit."""
    scaled = np.array(affine, dtype=np.float64)
    scaled[:3] *= unit_mm
    return scaled


def native(array: ndarray) -> ndarray:
    """A writable copy or view of an array in native byte order."""
    # torch accepts neither foreign byte order nor read-only memory
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array if array.flags.writeable else array.copy(order="K")


def invertible(affine: ndarray) -> bool:
    """Whether the three axes of an affine are independent."""
    axes = affine[:3, :3]
    if not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(axes, axis=0)
    # volume of the unit cell over that of its bounding brick: 0 if two axes coincide
    return bool(lengths.min() > 0 and abs(np.linalg.det(axes / lengths)) > 1e-4)


def corners_apart(shape: tuple[int, ...], a: ndarray, b: ndarray) -> tuple[float, float]:
    """Largest distance between corners of a box under two affines, in mm and in voxels of `a`."""
    last = np.array(shape) - 1
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * last
    apart = (a - b)[:3] @ np.column_stack([corners, np.ones(8)]).T
    steps = np.linalg.solve(a[:3, :3], apart)
    return float(np.linalg.norm(apart, axis=0).max()), float(np.abs(steps).max())
