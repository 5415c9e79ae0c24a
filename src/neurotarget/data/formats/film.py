"""Reading of single DICOM files, such as chest films, as scans of one slice.

A film is stored as (I, J, 1): columns from left to right, rows from top to bottom, as a picture. A
pixel has the size of `PixelSpacing`, else that of `ImagerPixelSpacing`, which is the size on the
detector, a little larger than in the body. Values are rescaled and limited to the first linear
window. A scan of several files is read by `dicom`.

Terms: the standard's Image Pixel, VOI LUT and DX Detector Modules, PS3.3 C.7.6.3, C.11.2, C.8.11.4.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from numpy import ndarray
from pydicom import Dataset, dcmread

from neurotarget.data.formats.bounded import check_shape
from neurotarget.data.formats.dicom_slice import MOST_PIXELS, READ_ERRORS
from neurotarget.data.formats.scan_report import Report
from neurotarget.target_fields import SIDES_MM

FILM = (".dcm", ".dicom")
TAGS = ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel")
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing")
KINDS = ("Modality", "ViewPosition", "PhotometricInterpretation")
SCALES = ("BitsStored", "PixelRepresentation", "RescaleSlope", "RescaleIntercept")
WINDOWS = ("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence")
PERSON = ("PatientID", "PatientSex", "PatientAge")
VOLUMES = ("CT", "MR", "PT", "NM", "US")  # modalities other than X-ray projections
LATERAL = ("LL", "RL", "LATERAL", "LAT", "LLD", "RLD", "LLO", "RLO")  # of ViewPosition
PIXEL_BYTES = 4
EXPORT = "export each film in grey, to a file of its own"


class Film(NamedTuple):
    """Pixels (I, J, 1), affine to RAS+ in mm, and whether the file states the size of a pixel."""

    array: ndarray
    affine: ndarray
    is_sized: bool


def read_film(path: Path, report: Report) -> Film:
    """Read a grey film; GDCM inverts `MONOCHROME1`, where white is 0.

    A lateral film and a window without values are reported as warnings; the film is read all the
    same.

    Raises:
        DataError: the film has colours, several frames, too many pixels or impossible sides of a
            pixel, or is a slice of a CT, MR, PET, nuclear medicine or ultrasound scan.
        OSError, RuntimeError, ValueError: the file cannot be read.
    """
    header = _header(path, (*TAGS, *SPACINGS, *KINDS, *SCALES, *WINDOWS))
    try:
        shape = int(header.Columns), int(header.Rows)
        frames, samples = (int(header.get(name) or 1) for name in TAGS[2:4])
    except READ_ERRORS as error:
        raise ValueError(" ".join(str(error).split())[:120] or type(error).__name__) from error
    _check_kind(header, report)
    if frames > 1:
        raise report.refused(f"a DICOM file of {frames} frames", "one picture", EXPORT)
    if samples > 1:
        raise report.refused("a colour image", "one grey value per pixel", EXPORT)
    check_shape(shape, PIXEL_BYTES, report)
    if np.prod(shape) > MOST_PIXELS:
        wanted = f"at most {MOST_PIXELS} pixels"
        raise report.refused(f"{shape[0]} × {shape[1]} pixels", wanted, "make it smaller")
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T  # a copy, as the image is freed
    array = _windowed(array, header, report)
    sides_mm = _sides_mm(header, report)
    across_mm, down_mm = sides_mm or (1.0, 1.0)
    return Film(array, np.diag([-across_mm, -down_mm, 1.0, 1.0]), sides_mm is not None)


def film_tags(path: Path) -> dict[str, str | float]:
    """Read `subject_id`, `sex`, `age` in years and `view` from the tags of a film.

    Missing tags, ages in months, weeks or days, and a sex other than F and M have no key.

    Raises:
        ValueError: the file cannot be read.
    """
    header = _header(path, (*PERSON, "ViewPosition"))
    person, sex, age, view = (
        str(header.get(name) or "").strip() for name in (*PERSON, "ViewPosition")
    )
    years = float(age[:-1]) if age.endswith("Y") and age[:-1].isdecimal() else age
    years = float(age) if age.isdecimal() else years  # as SIIM's files write it
    known = {"subject_id": person, "sex": sex if sex in ("F", "M") else "", "view": view}
    tags: dict[str, str | float] = {name: text for name, text in known.items() if text}
    return tags | ({"age": years} if isinstance(years, float) else {})


def _header(path: Path, tags: tuple[str, ...]) -> Dataset:
    try:
        return dcmread(path, stop_before_pixels=True, specific_tags=list(tags))
    except READ_ERRORS as error:
        raise ValueError(" ".join(str(error).split())[:120] or type(error).__name__) from error


def _check_kind(header: Dataset, report: Report) -> None:
    """Refuse a slice of a volume, and report a film from the side."""
    modality = str(header.get("Modality") or "").upper()
    if modality in VOLUMES:
        todo = "give the folder of the whole series if the target is a volume"
        raise report.refused(f"a picture of {modality}", "a film (CR, DX or another X-ray)", todo)
    view = str(header.get("ViewPosition") or "").upper()
    if view in LATERAL:
        wanted = "a view that the network was trained on"
        report.warning(f"a lateral film (ViewPosition {view})", wanted, "leave lateral films out")


def _windowed(array: ndarray, header: Dataset, report: Report) -> ndarray:
    """Limit values to the first window; report a window that would leave a single value."""
    function = str(header.get("VOILUTFunction") or "LINEAR").upper()
    if header.get("VOILUTSequence") or function not in ("LINEAR", "LINEAR_EXACT"):
        return array
    try:
        centre, width = (float(np.atleast_1d(header[name].value)[0]) for name in WINDOWS[:2])
    except (KeyError, TypeError, ValueError, IndexError):
        return array
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    if str(header.get("PhotometricInterpretation")) == "MONOCHROME1":
        if header.get("PixelRepresentation"):
            return array
        slope, offset = (float(header.get(SCALES[n], n == 2) or 0) for n in (2, 3))
        # GDCM turns stored values before it rescales them
        centre = slope * (2 ** int(header.BitsStored) - 1) + 2 * offset - centre
    low, high = centre - width / 2, centre + width / 2
    limited = array.clip(np.ceil(low), np.floor(high)).astype(array.dtype) if width > 0 else array
    if width <= 0 or (limited.min() == limited.max() and array.min() < array.max()):
        found = f"a window of {low:g} to {high:g} in which the film has no values"
        report.warning(found, "a window of its values", "it is not applied; export the film again")
        return array
    return limited


def _sides_mm(header: Dataset, report: Report) -> tuple[float, float] | None:
    """Return width and height of a pixel in mm; None if the file does not state them."""
    given = next((header[name].value for name in SPACINGS if header.get(name)), None)
    if given is None:
        return None
    down_mm, across_mm = (float(side) for side in given)
    low, high = SIDES_MM
    if not (low <= across_mm <= high and low <= down_mm <= high):
        found = f"pixels of {across_mm:g} × {down_mm:g} mm"
        raise report.refused(found, f"sides of {low:g} to {high:g} mm", EXPORT)
    return across_mm, down_mm
