"""Checks on one slice of a DICOM series: header values and pixel data that no scanner writes.

ITK and GDCM accept such values silently; the scan would be rotated, mirrored or filled with zeros.
"""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from neurotarget.data.formats.scan_report import Report
from neurotarget.target_fields import SIDES_MM

UNEVEN = 0.1  # of the slice gap; positions rounded to 0.1 mm differ less
NOT_SQUARE = 1e-2  # dot product of the direction cosines; rounding to two decimals gives less
MOST_PIXELS = 1 << 26  # per slice
MOST_ORIGIN_MM = 1e5  # beyond it float32 cannot resolve hundredths of a mm
# raised by pydicom on a broken file
READ_ERRORS = (InvalidDicomError, OSError, EOFError, ValueError, LookupError, AttributeError)
READ_ERRORS += (NotImplementedError, TypeError, struct.error)
EXPORT = "export the whole series again, or convert it with dcm2niix and give the NIfTI file"


class Slice(NamedTuple):
    """One file of a series: position, and storage format of its pixels."""

    file: Path
    position: Float[ndarray, "3"]  # LPS mm of the centre of the first voxel
    row: Float[ndarray, "3"]  # direction of growing column index
    column: Float[ndarray, "3"]  # direction of growing row index
    spacing_mm: tuple[float, float]  # between rows, between columns
    shape: tuple[int, int]  # rows, columns
    stored: tuple[float, ...]  # slope, intercept, bits allocated, stored, highest; signed


def check_numbers(one: Slice, report: Report) -> None:
    """Refuse header values that no scanner writes; some would rotate or mirror the scan.

    Raises:
        DataError: a value is bad; the message names the first bad value.
    """
    low, high = SIDES_MM
    axes = np.array([one.row, one.column]) if len(one.column) == 3 else np.zeros((2, 3))
    deviation = np.abs(axes @ axes.T - np.eye(2)).max()
    count = int(np.prod(one.shape))
    wrong = {
        f"pixels of {one.spacing_mm[0]:g} × {one.spacing_mm[1]:g} mm": not all(
            low <= side <= high for side in one.spacing_mm
        ),
        f"direction cosines {[*one.row.tolist(), *one.column.tolist()]}": not deviation
        <= NOT_SQUARE,
        f"a position {one.position.tolist()} mm": not (
            len(one.position) == 3 and np.abs(one.position).max() <= MOST_ORIGIN_MM
        ),
        f"{one.shape[0]} × {one.shape[1]} pixels": min(one.shape) < 1 or count > MOST_PIXELS,
        f"a slope {one.stored[0]:g} with intercept {one.stored[1]:g}": not (
            np.isfinite(one.stored).all() and one.stored[0] != 0
        ),
    }
    if first_wrong := next((what for what, holds in wrong.items() if holds), None):
        wanted = f"numbers of a scan (pixels of {low:g} to {high:g} mm, finite, unit directions)"
        raise report.refused(f"{first_wrong} in {one.file.name}", wanted, EXPORT)


def check_pixels(one: Slice, report: Report) -> None:
    """Refuse pixel data whose number or size differs from the header, which GDCM would accept.

    Padding is common, so up to twice the bytes are accepted; GDCM checks compressed pixels itself.

    Raises:
        DataError: values disagree; the message names them.
    """
    _, _, allocated, stored, highest, _ = one.stored
    if not 1 <= stored <= highest + 1 <= allocated:
        found = f"{stored:g} bits up to bit {highest:g} in {allocated:g} in {one.file.name}"
        wanted = "BitsStored and HighBit within BitsAllocated"
        raise report.refused(found, wanted, EXPORT)
    expected, size = int(np.prod(one.shape) * allocated) // 8, _pixel_bytes(one.file, report)
    if size is not None and not expected <= size < 2 * expected:
        found = f"{size} bytes of pixels in {one.file.name}"
        wanted = f"the {expected} bytes of {one.shape[0]} × {one.shape[1]} pixels"
        raise report.refused(found, wanted, EXPORT)


def _pixel_bytes(file: Path, report: Report) -> int | None:
    """Return the bytes of the pixel data in the file; None if they are compressed."""
    try:
        dataset = dcmread(file, force=True, specific_tags=["PixelData"])
        syntax, pixels = dataset.file_meta.get("TransferSyntaxUID"), dataset.get_item("PixelData")
        is_compressed = pixels is None or (syntax is not None and syntax.is_compressed)
        return None if is_compressed else len(pixels.value or b"")
    except READ_ERRORS as error:
        reason = " ".join(str(error).split())[:120]
        what = f"an unreadable file {file.name} ({reason})"
        raise report.refused(what, "a whole series", EXPORT) from error


def check_gaps(gaps: ndarray, report: Report) -> None:
    """Refuse missing slices, uneven gaps and duplicate positions.

    `gaps` are the distances between neighbours along the slice normal, in mm.

    Raises:
        DataError: the slices are irregular; the message names the irregularity.
    """
    usual = float(np.median(gaps))
    if usual > SIDES_MM[1]:
        found, wanted = f"slices {usual:g} mm apart", f"at most {SIDES_MM[1]:g} mm"
        raise report.refused(found, wanted, EXPORT)
    if gaps.min() <= UNEVEN * usual or usual <= 0:
        same = int((gaps <= UNEVEN * max(usual, 0.01)).sum())
        raise report.refused(
            f"{same + 1} of {len(gaps) + 1} slices where another one lies",
            "one volume per series",
            "split it by echo, time or phase (dcm2niix does) and give one NIfTI file",
        )
    if np.abs(gaps - usual).max() <= UNEVEN * usual:
        return
    worst = int(np.abs(gaps - usual).argmax())
    missing = round(float((gaps / usual).round().clip(min=1).sum())) - len(gaps)
    what = f"slices that seem to be missing: {missing}" if missing else "uneven spacing"
    raise report.refused(
        f"a gap of {gaps[worst]:.2f} mm between slices {worst + 1} and {worst + 2} where "
        f"{usual:.2f} mm is usual ({what})",
        "evenly spaced slices",
        EXPORT,
    )
