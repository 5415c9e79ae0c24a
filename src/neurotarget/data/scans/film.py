"""Reading of single DICOM files, such as chest films, as scans of one slice.

A film is stored as (I, J, 1): columns from left to right, rows from top to bottom, as a picture. A
pixel has the size of `PixelSpacing`, else that of `ImagerPixelSpacing`, which is the size on the
detector, a little larger than in the body. A scan of several files is read by `dicom`.

Terms: the standard's Image Pixel and DX Detector Modules, PS3.3 C.7.6.3 and C.8.11.4.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from numpy import ndarray
from pydicom import Dataset, dcmread

from neurotarget.data.scans.bounded import check_shape
from neurotarget.data.scans.dicom_slice import MOST_PIXELS, READ_ERRORS
from neurotarget.data.scans.scan_report import Report
from neurotarget.target_fields import SIDES_MM

FILM = (".dcm", ".dicom")
TAGS = ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel")
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing")
PIXEL_BYTES = 4
EXPORT = "export one grey film a file"


class Film(NamedTuple):
    """Pixels (I, J, 1), affine to RAS+ in mm, and whether the file states the size of a pixel."""

    array: ndarray
    affine: ndarray
    is_sized: bool


def read_film(path: Path, report: Report) -> Film:
    """Read a grey film; GDCM inverts `MONOCHROME1`, where white is 0.

    Raises:
        DataError: it has colours or several frames, too many pixels or impossible sides of a pixel.
        OSError, RuntimeError, ValueError: the file cannot be read.
    """
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=[*TAGS, *SPACINGS])
        shape = int(header.Columns), int(header.Rows)
        frames, samples = (int(header.get(name) or 1) for name in TAGS[2:4])
    except READ_ERRORS as error:
        raise ValueError(" ".join(str(error).split())[:120] or type(error).__name__) from error
    if frames > 1:
        raise report.refused(f"a DICOM file of {frames} frames", "one picture", EXPORT)
    if samples > 1:
        raise report.refused("a colour image", "one grey value a pixel", EXPORT)
    check_shape(shape, PIXEL_BYTES, report)
    if np.prod(shape) > MOST_PIXELS:
        wanted = f"at most {MOST_PIXELS} pixels"
        raise report.refused(f"{shape[0]} × {shape[1]} pixels", wanted, "make it smaller")
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T  # a copy, as the image is freed
    sides_mm = _sides_mm(header, report)
    across_mm, down_mm = sides_mm or (1.0, 1.0)
    return Film(array, np.diag([-across_mm, -down_mm, 1.0, 1.0]), sides_mm is not None)


def _sides_mm(header: Dataset, report: Report) -> tuple[float, float] | None:
    """Width and height of a pixel; None where the file has neither."""
    given = next((header[name].value for name in SPACINGS if header.get(name)), None)
    if given is None:
        return None
    down_mm, across_mm = (float(side) for side in given)
    low, high = SIDES_MM
    if not (low <= across_mm <= high and low <= down_mm <= high):
        found = f"pixels of {across_mm:g} × {down_mm:g} mm"
        raise report.refused(found, f"sides of {low:g} to {high:g} mm", EXPORT)
    return across_mm, down_mm
