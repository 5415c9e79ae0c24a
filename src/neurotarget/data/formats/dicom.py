"""Conversion of one DICOM series to NIfTI, with its geometry checked slice by slice.

Each slice is rescaled with its own slope and intercept; if these differ, voxels become float32.

Terms: the standard's Image Plane Module, PS3.3 C.7.6.2.1.1 (patient coordinates are LPS, in mm).
"""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from jaxtyping import Float
from numpy import ndarray

from neurotarget.data.formats.dicom_slice import (
    EXPORT,
    Slice,
    check_gaps,
    check_numbers,
    check_pixels,
)
from neurotarget.data.formats.scan_report import Report
from neurotarget.files.reading import opened
from neurotarget.files.unfetched import unfetched
from neurotarget.files.writing import written
from neurotarget.printable import encodable

SKEW_MM_PER_MM = 0.01  # sideways shift between slices; rounding gives less
SAME_DIRECTION = 1e-3  # between direction cosines of two slices
TAGS = {
    "position": "0020|0032",
    "orientation": "0020|0037",
    "spacing": "0028|0030",
    "rows": "0028|0010",
    "columns": "0028|0011",
}
# pixel format of a slice: slope and intercept, bits allocated, bits stored, highest bit,
# signedness
STORED = {
    "0028|1053": "1",
    "0028|1052": "0",
    "0028|0100": "16",
    "0028|0101": "16",
    "0028|0102": "15",
    "0028|0103": "0",
}
FRAMES, SAMPLES, DESCRIPTION, NUMBER = "0028|0008", "0028|0002", "0008|103e", "0020|0011"
UID_END = 4  # final characters of a UID that distinguish it in a list
INDEX = "DICOMDIR"  # at the root of a CD: one examination in several folders
# files that are no slices, recognised by name if their content is not fetched
NO_SLICE = re.compile(
    r"\.|(?:readme|licen[cs]e|changes|dicomdir)\b|.*\.(?:txt|md|json|[ct]sv|xml|html?|pdf|bv(?:al|ec))$",
    re.IGNORECASE,
)
ONE = ("1", "0", "")  # spellings of a count of one
DEEPEST = 6  # levels of folders that are searched for series
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


class Series(NamedTuple):
    """The files of one series in or below a folder, unordered.

    Attributes:
        uid: SeriesInstanceUID.
        number: SeriesNumber as text; "" where the files have none.
        description: SeriesDescription; "no description" where the files have none.
        files: of all slices, unordered.
    """

    uid: str
    number: str
    description: str
    files: tuple[Path, ...]

    def listing(self, root: Path) -> str:
        """Describe the series in a list: number, description, number of slices, folder."""
        number = f"series {self.number}: " if self.number else ""
        places = sorted({path.parent.relative_to(root).as_posix() for path in self.files} - {"."})
        place = f", in {', '.join(places[:3])}" if places else ""
        return f"{number}{self.description} ({len(self.files)} slices{place})"


def list_series(folder: Path) -> list[Series]:
    """Find every DICOM series directly in a folder, whatever the names of its files.

    Raises:
        DataError: GDCM fails at a broken file.

    Folders below are not searched; a folder without DICOM gives an empty list.
    """
    reader, all_series = sitk.ImageSeriesReader, []
    talks = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # a folder without DICOM is normal
    try:
        for uid in reader.GetGDCMSeriesIDs(str(folder)):
            files = reader.GetGDCMSeriesFileNames(str(folder), uid)
            tags = _read_tags(files[0])
            number, description = (tags.get(key, "").strip() for key in (NUMBER, DESCRIPTION))
            paths = tuple(map(Path, files))
            all_series.append(Series(uid, number, description or "no description", paths))
    except (RuntimeError, TypeError, UnicodeError) as error:  # the last two are caused by the path
        reason = " ".join(str(error).split())[-120:]
        raise Report(encodable(folder.name), Path(encodable(str(folder)))).error(
            f"a broken DICOM file (GDCM says: {reason})",
            "whole files of one series",
            "move what is not of the series away, or export it again",
        ) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(talks)
    return all_series


def find_series(folder: Path) -> list[Series]:
    """Find every DICOM series in a folder and up to `DEEPEST` levels below it, by number.

    Files of one series in several folders form one series. Hidden folders are skipped.

    Raises:
        DataError: GDCM fails at a broken file.
    """
    by_uid: dict[str, Series] = {}
    for place, files in _walk(folder):
        for one in list_series(place) if files else ():
            known = by_uid.get(one.uid)
            by_uid[one.uid] = known._replace(files=known.files + one.files) if known else one
    return sorted(by_uid.values(), key=lambda one: (one.number.zfill(9), one.description, one.uid))


def unfetched_slices(folder: Path, *, is_deep: bool = False) -> list[Path]:
    """Find possible slices whose content was not fetched; `is_deep` searches folders below.

    GDCM skips such files silently, so the scan would lack slices.
    """
    walked = _walk(folder) if is_deep else islice(_walk(folder), 1)
    files = [place / name for place, names in walked for name in sorted(names)]
    return [file for file in files if not NO_SLICE.match(file.name) and unfetched(file)]


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """List folders down to `DEEPEST` levels with their file names; skip hidden folders."""
    for place, folders, files in os.walk(folder):
        is_deepest = len(Path(place).relative_to(folder).parts) >= DEEPEST
        folders[:] = [] if is_deepest else sorted(name for name in folders if name[0] != ".")
        yield Path(place), files


def convert_series(
    folder: Path,
    series: Sequence[Series],
    path: Path,
    *,
    case_id: str = "",
    wanted: str | None = None,
) -> tuple[Path, ...]:
    """Convert one series of a folder to a NIfTI file `path`, written whole or not at all.

    Returns the files of its slices, in their order along the last axis.

    `wanted` selects one of several series by number, description (or a unique part of it), or UID.

    Raises:
        DataError: several series or none match, the series has several volumes, or slices are
            missing, uneven, skewed, of different geometry, or without a position.
    """
    report = Report(case_id or path.name.removesuffix(".nii"), str(folder))
    chosen = _choose(series, wanted)
    if len(chosen) != 1:
        listed = "; ".join(_listings(chosen or series, folder))
        which = "one series" if wanted is None else f"one that series={wanted} names"
        raise report.refused(
            f"{len(chosen or series)} DICOM series: {listed}",
            which,
            "set series= to the number, the description or the end of the UID of one, or give a "
            "folder with it alone",
        )
    for place in sorted({file.parent for file in chosen[0].files}):
        _refuse_broken(place, series, report)
    slices = _sort([_read_slice(file, report) for file in chosen[0].files], report)
    affine = _affine(slices, report)
    # read together, all slices would get the data type that the first slope needs
    kind = sitk.sitkFloat32 if len({one.stored for one in slices}) > 1 else sitk.sitkUnknown
    try:
        image = sitk.ReadImage([str(one.file) for one in slices], kind)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-200:]
        raise report.refused(f"unreadable voxels ({reason})", "a whole series", EXPORT) from error
    array = sitk.GetArrayViewFromImage(image).T  # (columns, rows, slices), like the affine
    if array.dtype.kind == "f" or array.dtype.itemsize > 4:
        array = array.astype(np.float32)
    scan = nib.Nifti1Image(array, affine)
    scan.set_sform(affine, code="scanner")
    scan.set_qform(affine, code="scanner")
    scan.header.set_xyzt_units("mm")
    with written(path) as draft:
        nib.save(scan, draft)
    return tuple(one.file for one in slices)


def _listings(series: Sequence[Series], folder: Path) -> list[str]:
    """Describe the series; equal descriptions get the end of the UID appended."""
    lines = [one.listing(folder) for one in series]
    longest = max(len(one.uid) for one in series)
    listings = []
    for one, line in zip(series, lines, strict=True):
        others = [other.uid for other, same in zip(series, lines, strict=True) if same == line]
        lengths = range(UID_END, longest + 1)
        end = next(
            (size for size in lengths if len({uid[-size:] for uid in others}) == len(others)),
            longest,
        )
        listings.append(f"{line}, UID …{one.uid[-end:]}" if len(others) > 1 else line)
    return listings


def _choose(series: Sequence[Series], wanted: str | None) -> list[Series]:
    if wanted is None:
        return list(series)
    exact = [one for one in series if wanted in (one.uid, one.number)]
    if not exact and len(wanted) >= UID_END:
        exact = [one for one in series if one.uid.endswith(wanted.removeprefix("…"))]
    if exact or wanted.isdigit():  # a number without a match is not searched in descriptions
        return exact
    key = wanted.casefold()
    named = [one for one in series if one.description.casefold() == key]
    return named or [one for one in series if key in one.description.casefold()]


def _refuse_broken(folder: Path, series: Sequence[Series], report: Report) -> None:
    """Refuse truncated files: GDCM skips them, and at the end of a stack this leaves no gap."""
    known = {file for one in series for file in one.files} | {folder / INDEX}
    others = sorted(path for path in folder.iterdir() if path.is_file() and path not in known)
    if broken := [path.name for path in others if _is_dicom(path)]:
        raise report.refused(
            f"{len(broken)} DICOM files that cannot be read ({', '.join(broken[:3])})",
            "whole files of one series",
            "copy or export the series again, or move these files away",
        )


def _is_dicom(path: Path) -> bool:
    with opened(path) as file:
        return file.read(132)[128:] == b"DICM"


def _read_tags(file: str | Path) -> dict[str, str]:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    reader.ReadImageInformation()
    return {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}


def _read_slice(file: Path, report: Report) -> Slice:
    try:
        tags = _read_tags(file)
    except RuntimeError as error:
        raise report.refused(f"an unreadable file {file.name}", "a whole series", EXPORT) from error
    if tags.get(FRAMES, "1").strip() not in ONE:  # GDCM has its own order of frames
        raise report.refused(f"a multi-frame file {file.name}", "one file per slice", EXPORT)
    if tags.get(SAMPLES, "1").strip() not in ONE:
        raise report.refused(f"a colour image {file.name}", "one value per voxel", EXPORT)
    try:
        values = {name: _numbers(tags[tag]) for name, tag in TAGS.items()}
        row, column = values["orientation"][:3], values["orientation"][3:]
        between_rows, between_columns = values["spacing"]
        shape = int(values["rows"][0]), int(values["columns"][0])
        stored = tuple(float(tags.get(tag, "").strip() or usual) for tag, usual in STORED.items())
    except (KeyError, ValueError) as error:
        raise report.refused(
            f"no position, orientation or spacing in {file.name}",
            "slices with a place in space",
            "give the original images of the scanner, not screenshots or derived ones",
        ) from error
    spacing_mm = (float(between_rows), float(between_columns))
    made = Slice(file, values["position"], row, column, spacing_mm, shape, stored)
    check_numbers(made, report)
    check_pixels(made, report)
    return made


def _numbers(text: str) -> ndarray:
    return np.array([float(part) for part in text.split("\\")])


def _sort(slices: list[Slice], report: Report) -> list[Slice]:
    """Sort slices along their normal, after checking that they form one stack."""
    if len(slices) < 2:
        raise report.refused("one DICOM slice", "a series of slices", EXPORT)
    first = slices[0]
    for one in slices[1:]:
        turned = np.abs([one.row - first.row, one.column - first.column]).max() > SAME_DIRECTION
        grid = (one.shape, one.spacing_mm) != (first.shape, first.spacing_mm)
        if turned or grid:
            what = "orientation" if turned else "size or spacing"
            raise report.refused(
                f"slices of different {what} ({first.file.name}, {one.file.name})",
                "one stack of parallel slices",
                "move localisers and other planes into a folder of their own",
            )
    normal = np.cross(first.row, first.column)
    return sorted(slices, key=lambda one: float(one.position @ normal))


def _affine(slices: list[Slice], report: Report) -> Float[ndarray, "4 4"]:
    """Affine (columns, rows, slices) to RAS mm, from the positions of the first and last slice."""
    first, last = slices[0], slices[-1]
    normal = np.cross(first.row, first.column)
    gaps = np.diff([one.position @ normal for one in slices])
    check_gaps(gaps, report)
    step = (last.position - first.position) / (len(slices) - 1)
    skew = float(np.linalg.norm(step - normal * (step @ normal))) / float(step @ normal)
    if skew > SKEW_MM_PER_MM:
        raise report.refused(
            f"slices that shift sideways by {skew:.2f} mm per mm (a tilted gantry)",
            "slices stacked along their normal",
            "convert it with dcm2niix, which undoes the tilt, and give the NIfTI file",
        )
    affine = np.eye(4)
    affine[:3, 0] = first.row * first.spacing_mm[1]
    affine[:3, 1] = first.column * first.spacing_mm[0]
    affine[:3, 2], affine[:3, 3] = step, first.position
    return LPS_TO_RAS @ affine
