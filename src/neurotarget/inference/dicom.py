"""One DICOM series from a folder, as a scan with geometry that was checked slice by slice.

Terms: the standard's Image Plane Module, PS3.3 C.7.6.2.1.1 (patient coordinates are LPS, in mm).
"""

from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from jaxtyping import Float
from numpy import ndarray

from neurotarget.files import written
from neurotarget.types import DataError, Problem

UNEVEN = 0.1  # of the slice gap: more than positions rounded to 0.1 mm explain
SKEW_MM_PER_MM = 0.01  # sideways shift from slice to slice: more than rounding explains
SAME_DIRECTION = 1e-3  # between direction cosines of two slices
TAGS = {
    "position": "0020|0032",
    "orientation": "0020|0037",
    "spacing": "0028|0030",
    "rows": "0028|0010",
    "columns": "0028|0011",
}
FRAMES, SAMPLES, DESCRIPTION = "0028|0008", "0028|0002", "0008|103e"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
EXPORT = "export the whole series again, or convert it with dcm2niix and give the NIfTI file"


class Series(NamedTuple):
    """The files of one series in a folder, in no order."""

    uid: str
    description: str
    files: tuple[Path, ...]


class _Slice(NamedTuple):
    file: Path
    position: Float[ndarray, "3"]  # LPS mm of the centre of the first voxel
    row: Float[ndarray, "3"]  # direction of growing column index
    column: Float[ndarray, "3"]  # direction of growing row index
    spacing_mm: tuple[float, float]  # between rows, between columns
    shape: tuple[int, int]  # rows, columns


def list_series(folder: Path) -> list[Series]:
    """Every DICOM series that lies directly in a folder, whatever its files are called.

    Raises:
        DataError: a broken file that GDCM stops at.
    """
    reader, found = sitk.ImageSeriesReader, []
    talks = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # a folder without DICOM is no wonder
    try:
        for uid in reader.GetGDCMSeriesIDs(str(folder)):
            files = reader.GetGDCMSeriesFileNames(str(folder), uid)
            description = _read_tags(files[0]).get(DESCRIPTION, "").strip()
            found.append(Series(uid, description or "no description", tuple(map(Path, files))))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-120:]
        raise _Report(folder.name, folder).error(
            f"a broken DICOM file (GDCM says: {reason})",
            "whole files of one series",
            "move what is not of the series away, or export it again",
        ) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(talks)
    return found


def convert_series(folder: Path, series: list[Series], path: Path) -> None:
    """Write the one series of a folder as NIfTI at `path`, whole or not at all.

    Raises:
        DataError: several series, several volumes in one, slices missing, uneven, skewed or of
            different geometry, or files without a place in space.
    """
    report = _Report(path.name.removesuffix(".nii"), folder)
    if len(series) != 1:
        listed = "; ".join(f"{one.description} ({len(one.files)} files)" for one in series)
        raise report.error(
            f"{len(series)} DICOM series: {listed}",
            "one series a folder",
            "move the series to segment into a folder of its own and give that folder",
        )
    _refuse_broken(folder, series[0], report)
    slices = _sort([_read_slice(file, report) for file in series[0].files], report)
    affine = _affine(slices, report)
    try:
        image = sitk.ReadImage([str(one.file) for one in slices])
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-200:]
        raise report.error(f"unreadable voxels ({reason})", "a whole series", EXPORT) from error
    array = sitk.GetArrayViewFromImage(image).T  # (columns, rows, slices), as the affine has it
    if array.dtype.kind == "f" or array.dtype.itemsize > 4:
        array = array.astype(np.float32)
    scan = nib.Nifti1Image(array, affine)
    scan.set_sform(affine, code="scanner")
    scan.set_qform(affine, code="scanner")
    scan.header.set_xyzt_units("mm")
    with written(path) as draft:
        nib.save(scan, draft)


class _Report(NamedTuple):
    case_id: str
    folder: Path

    def error(self, found: str, wanted: str, todo: str) -> DataError:
        return DataError(Problem("error", self.case_id, str(self.folder), found, wanted, todo))


def _refuse_broken(folder: Path, series: Series, report: _Report) -> None:
    """GDCM passes over files that were cut short; at the end of a stack no gap would show it."""
    known = {file.name for file in series.files} | {"DICOMDIR"}
    others = sorted(path for path in folder.iterdir() if path.is_file() and path.name not in known)
    if broken := [path.name for path in others if _is_dicom(path)]:
        raise report.error(
            f"{len(broken)} DICOM files that cannot be read ({', '.join(broken[:3])})",
            "whole files of one series",
            "copy or export the series again, or move these files away",
        )


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _read_tags(file: str | Path) -> dict[str, str]:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    reader.ReadImageInformation()
    return {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}


def _read_slice(file: Path, report: _Report) -> _Slice:
    try:
        tags = _read_tags(file)
    except RuntimeError as error:
        raise report.error(f"an unreadable file {file.name}", "a whole series", EXPORT) from error
    if int(tags.get(FRAMES, 1)) > 1:  # GDCM's geometry of these depends on the order of frames
        raise report.error(f"a multi-frame file {file.name}", "one file a slice", EXPORT)
    if int(tags.get(SAMPLES, 1)) > 1:
        raise report.error(f"a colour image {file.name}", "one value a voxel", EXPORT)
    try:
        values = {name: _numbers(tags[tag]) for name, tag in TAGS.items()}
        row, column = values["orientation"][:3], values["orientation"][3:]
        between_rows, between_columns = values["spacing"]
        shape = int(values["rows"][0]), int(values["columns"][0])
    except (KeyError, ValueError) as error:
        raise report.error(
            f"no position, orientation or spacing in {file.name}",
            "slices with a place in space",
            "give the original images of the scanner, not screenshots or derived ones",
        ) from error
    return _Slice(file, values["position"], row, column, (between_rows, between_columns), shape)


def _numbers(text: str) -> ndarray:
    return np.array([float(part) for part in text.split("\\")])


def _sort(slices: list[_Slice], report: _Report) -> list[_Slice]:
    """Slices along their normal, after checks that they are one stack."""
    if len(slices) < 2:
        raise report.error("one DICOM slice", "a series of slices", EXPORT)
    first = slices[0]
    for one in slices[1:]:
        turned = np.abs([one.row - first.row, one.column - first.column]).max() > SAME_DIRECTION
        grid = (one.shape, one.spacing_mm) != (first.shape, first.spacing_mm)
        if turned or grid:
            what = "orientation" if turned else "size or spacing"
            raise report.error(
                f"slices of different {what} ({first.file.name}, {one.file.name})",
                "one stack of parallel slices",
                "move localisers and other planes into a folder of their own",
            )
    normal = np.cross(first.row, first.column)
    return sorted(slices, key=lambda one: float(one.position @ normal))


def _affine(slices: list[_Slice], report: _Report) -> Float[ndarray, "4 4"]:
    """Affine (columns, rows, slices) to RAS mm, from the first and last slice's position."""
    first, last = slices[0], slices[-1]
    normal = np.cross(first.row, first.column)
    gaps = np.diff([one.position @ normal for one in slices])
    _check_gaps(gaps, report)
    step = (last.position - first.position) / (len(slices) - 1)
    skew = float(np.linalg.norm(step - normal * (step @ normal))) / float(step @ normal)
    if skew > SKEW_MM_PER_MM:
        raise report.error(
            f"slices that shift sideways by {skew:.2f} mm a mm (a tilted gantry)",
            "slices stacked along their normal",
            "convert it with dcm2niix, which undoes the tilt, and give the NIfTI file",
        )
    affine = np.eye(4)
    affine[:3, 0] = first.row * first.spacing_mm[1]
    affine[:3, 1] = first.column * first.spacing_mm[0]
    affine[:3, 2], affine[:3, 3] = step, first.position
    return LPS_TO_RAS @ affine


def _check_gaps(gaps: ndarray, report: _Report) -> None:
    usual = float(np.median(gaps))
    if gaps.min() <= UNEVEN * usual or usual <= 0:
        same = int((gaps <= UNEVEN * max(usual, 0.01)).sum())
        raise report.error(
            f"{same + 1} of {len(gaps) + 1} slices where another one lies",
            "one volume a series",
            "split it by echo, time or phase (dcm2niix does) and give one NIfTI file",
        )
    if np.abs(gaps - usual).max() <= UNEVEN * usual:
        return
    worst = int(np.abs(gaps - usual).argmax())
    missing = round(float((gaps / usual).round().clip(min=1).sum())) - len(gaps)
    what = f"slices that seem to be missing: {missing}" if missing else "uneven spacing"
    raise report.error(
        f"a gap of {gaps[worst]:.2f} mm between slices {worst + 1} and {worst + 2} where "
        f"{usual:.2f} mm is usual ({what})",
        "evenly spaced slices",
        EXPORT,
    )
