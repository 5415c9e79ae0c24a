"""Reading of NumPy files of slices, such as MRNet's (slices, rows, columns), without pickles."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from neurotarget.data.formats.bounded import check_shape, read_bounded
from neurotarget.data.formats.scan_report import Report

NPY = (".npy",)
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # columns and rows as of a picture in radiological view
HEADS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class Head(NamedTuple):
    """Content of the header of a NumPy file."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype
    offset: int  # of the values, in bytes


def read_npy(path: Path, report: Report) -> tuple[ndarray, ndarray]:
    """Read voxels (columns, rows, slices); the affine (4, 4) to RAS+ has 1 mm per voxel.

    The file states neither the size of a voxel nor left and right.

    Raises:
        DataError: the header states more voxels than the file or this machine's memory holds.
        ValueError: the file is no array of numbers.
    """

    def size_of(begin: bytes) -> int:
        """Return the bytes of the header and of the voxels, whose number is checked."""
        head = npy_head(begin)
        return head.offset + check_shape(head.shape, head.dtype.itemsize, report)

    content = read_bounded(path, size_of, report)
    head = npy_head(content)
    order = "F" if head.is_fortran else "C"
    return np.ndarray(head.shape, head.dtype, content, head.offset, order=order).T, TO_RAS


def npy_head(begin: bytes) -> Head:
    """Read the header of a NumPy file from its first bytes.

    Raises:
        ValueError: the bytes are no such header, or the values are not numbers.

    Object arrays are refused here, before any value is read: they would run a pickle.
    """
    stream = io.BytesIO(begin)
    read = HEADS.get(np.lib.format.read_magic(stream))
    if read is None:
        raise ValueError("an unknown version of NumPy's format")
    shape, is_fortran, dtype = read(stream)
    if dtype.hasobject or dtype.kind not in "biuf":
        raise ValueError(f"values of type {dtype}, not numbers")
    return Head(shape, is_fortran, dtype, stream.tell())
