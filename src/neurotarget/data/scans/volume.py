"""Reading of one scan with checks: voxels as stored, affine in RAS+ mm, header."""

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy import ndarray

from neurotarget.data.formats.dicom_slice import MOST_ORIGIN_MM
from neurotarget.data.formats.film import FILM
from neurotarget.data.formats.formats import ITK, MGH, NIFTI, Stored, read_stored
from neurotarget.data.formats.members import file_and_number
from neurotarget.data.formats.npy import NPY
from neurotarget.data.formats.picture import PICTURE
from neurotarget.data.formats.scan_report import Report, corners_apart, invertible
from neurotarget.files.reading import why_not_regular
from neurotarget.files.unfetched import unfetched
from neurotarget.files.written_paths import has_foreign_drive
from neurotarget.problems import DataError, Problem, error, errors_of, refuse_errors, warning
from neurotarget.target_fields import SIDES_MM
from neurotarget.types import Target

SCANS = (*NIFTI, *MGH, *ITK, *NPY)
FLAT = (*PICTURE, *FILM)  # of one slice
SUFFIXES = (*SCANS, *FLAT)
NOTES = (".csv", ".tsv", ".json", ".txt", ".md")  # suffixes of files that may lie next to pictures
SAME_GRID_VOX = 0.1  # largest distance of corners that counts as the same grid
ROUNDED_MM = 1e-2  # an oblique grid stored as float32 quaternion moves corners by up to 8e-3 mm
MOST_VALUE = 1e18  # of a voxel; its square, and so mean and deviation, still fit into float32
PAIRED = (".hdr", ".img")  # Analyze pairs, whose header hardly describes the position
UNREADABLE = (
    OSError,  # also gzip.BadGzipFile
    EOFError,
    MemoryError,  # a broken header asks for absurd sizes
    LookupError,
    OverflowError,
    RuntimeError,  # raised by SimpleITK
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    HeaderDataError,
    ImageFileError,
)


class Volume(NamedTuple):
    """A scan as stored: array (I, J, K) in stored order, affine to RAS+ in mm."""

    array: ndarray
    affine: ndarray  # (4, 4) float64; all NaN if spacing or axes are broken
    header: nib.Nifti1Header  # as stored, in the file's own unit of length
    is_oriented: bool = True  # whether the file defines left and right
    is_sized: bool = True  # whether the file defines the sides of a voxel; a picture does not

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Sides of a voxel along each stored axis, in mm."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def is_placed(self) -> bool:
        """True if the position of the voxels is known; else nothing may be measured in mm."""
        return bool(np.isfinite(self.affine).all())


def read_volume(path: Path, *, case_id: str = "", warnings: list[Problem] | None = None) -> Volume:
    """Read a 3-D scan and check its voxels and geometry.

    Formats are `.nii`, `.nii.gz`, `.mgz`, `.mgh`, `.nrrd`, `.mha`, `.npy`, and `.nhdr` and `.mhd`
    with their voxel file; a `.png`, `.jpg` or `.dcm` is a scan of one slice. Trailing axes of
    length one are dropped. Voxels with a scale in the header are returned scaled,
    others in their stored type, in native byte order. Other units of length in the header are
    converted to mm. Warnings are appended to `warnings`.

    Raises:
        DataError: the file is missing, unreadable, truncated or not 3-D, or has NaN or Inf voxels,
            a spacing that is not positive, an affine that cannot be inverted, or an unknown unit of
            length.
    """
    volume, problems = inspect_volume(path, case_id=case_id)
    refuse_errors(problems)
    assert volume is not None  # without a volume there is an error
    if warnings is not None:
        warnings += problems
    return volume


def inspect_volume(path: Path, *, case_id: str = "") -> tuple[Volume | None, list[Problem]]:
    """Read a scan and list all its problems; None if it contains no 3-D array.

    A volume whose geometry is broken is returned with an affine of NaN, so that its voxels can be
    shown, but not measured. Files and suffixes are those of `read_volume`; a bad file raises
    no error.
    """
    volumes, problems = _inspect(path, case_id, most_axes=3)
    return (volumes[0] if volumes else None), problems


def inspect_stack(path: Path, *, case_id: str = "") -> tuple[list[Volume], list[Problem]]:
    """Read a file and list all its problems, as `inspect_volume` does, but allow four axes.

    Returns:
        The volumes along the last axis, or the only volume of a 3-D file; an empty list if the file
        cannot be read.
    """
    return _inspect(path, case_id, most_axes=4)


def _inspect(path: Path, case_id: str, *, most_axes: int) -> tuple[list[Volume], list[Problem]]:
    report = Report(case_id, str(path))
    path, number = file_and_number(Path(path))
    most_axes = most_axes if number is None else 4
    if (missing := missing_file(path, case_id=case_id)) is not None:
        return [], [missing]
    if not path.name.lower().endswith(SUFFIXES):
        is_paired = path.name.lower().endswith(PAIRED)
        found = "a scan in two files" if is_paired else "an unknown kind of file"
        report.error(found, f"one of {' '.join(SUFFIXES)}", "convert it to NIfTI")
        return [], report.problems
    try:
        stored = read_stored(path, report)
    except DataError as wrong:
        return [], [*report.problems, *wrong.problems]
    except UNREADABLE as wrong:
        reason = " ".join(str(wrong).split())[-200:] or type(wrong).__name__
        report.error(f"an unreadable file ({reason})", "a whole image", "copy or export it again")
        return [], report.problems
    _check_affine(stored, report)
    affine, header = stored.affine, stored.header
    if errors_of(report.problems):
        affine = np.full((4, 4), np.nan)  # so that nothing is measured with it
    _check_voxels(stored.array, report)
    arrays = _volumes(stored.array, report, most_axes)
    if number is not None and arrays:
        arrays = _numbered(arrays, number, report)
    if len(arrays) > 1 or number is not None:
        header = header.copy()
        header.set_data_shape(arrays[0].shape if arrays else (1, 1, 1))
    known = (affine, header, stored.is_oriented, stored.is_sized)
    return [Volume(array, *known) for array in arrays], report.problems


def missing_file(path: Path, *, case_id: str = "") -> Problem | None:
    """Return the problem of a path that is not a readable file; else None.

    A file whose content was not fetched (git-annex, LFS) and a path with a drive of Windows are
    problems too. A volume number at the end (`scan.nii.gz[2]`) is not checked.
    """
    path, _ = file_and_number(Path(path))
    absent, found = unfetched(path), why_not_regular(path)
    if absent is None and found is None:
        return None
    todo = "check the path in the manifest, or restore the file"
    if has_foreign_drive(path):
        todo = "write the path relative to the manifest: this machine has no drive of Windows"
    found, todo = absent or (found, todo)
    return error(found, "an image file", todo, case_id=case_id, file=path)


def same_grid(a: Volume, b: Volume) -> bool:
    """Return whether shapes are equal and corners at most `SAME_GRID_VOX` voxels apart.

    Volumes with a NaN affine are never on the same grid.
    """
    if a.array.shape != b.array.shape:
        return False
    return corners_apart(a.array.shape, a.affine, b.affine)[1] <= SAME_GRID_VOX


def counted_for(volume: Volume, target: Target | None) -> Volume:
    """Return the voxels in the units of a target: in pixels, or as a plane of 1 mm thickness.

    For pixels every side counts as 1 mm and the position is dropped, so that each product of sides
    is a number of pixels. The header stays as stored.
    """
    if target is None or not target.is_flat or not volume.is_placed:
        return volume
    affine, is_across = volume.affine.copy(), np.array(volume.array.shape) == 1
    counts_as_one = is_across if target.spacing_px is None else np.ones(3, dtype=bool)
    affine[:3, :3] /= np.where(counts_as_one, volume.spacing_mm, 1.0)
    if target.spacing_px is not None:
        affine[:3, 3] = 0
    return volume._replace(affine=affine)


def sized_as(volume: Volume, other: Volume | None) -> Volume:
    """Put a picture on the grid of a scan with as many pixels; other volumes are unchanged."""
    if other is None or volume.is_sized or not other.is_sized:
        return volume
    is_alike = volume.array.shape == other.array.shape
    return volume._replace(affine=other.affine, is_sized=True) if is_alike else volume


def shifted_grid(
    reference: Volume, volume: Volume, name: str, *, case_id: str, file: str
) -> list[Problem]:
    """Warn about a grid that counts as the grid of `name`, but differs by more than rounding.

    NaN affines, which have been reported already, give no warning.
    """
    mm, vox = corners_apart(volume.array.shape, reference.affine, volume.affine)
    if not mm > ROUNDED_MM:
        return []
    found = f"a grid {mm:.3f} mm or {vox:.3f} voxel off"
    wanted = f"the grid of {name}"
    todo = f"up to {SAME_GRID_VOX:g} voxel is ignored; nothing is resampled"
    return [warning(found, wanted, todo, case_id=case_id, file=file)]


def image_files(folder: Path) -> list[Path]:
    """List image files of a folder by name; pictures only if all other files are notes.

    A picture next to scans, DICOM slices or folders of cases is a screenshot, not a scan. Hidden
    files and folders below are left out. The list is empty without image files.

    Raises:
        OSError: the folder cannot be listed.
    """
    visible = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in visible if not path.is_dir()]
    if scans := [path for path in files if path.name.lower().endswith(SCANS)]:
        return scans
    others = [path for path in visible if path.suffix.lower() not in NOTES]
    return others if all(path.name.lower().endswith(PICTURE) for path in others) else []


def film_files(folder: Path) -> list[Path]:
    """List single DICOM files (`.dcm`, `.dicom`) of a folder by name; hidden ones are left out.

    Raises:
        OSError: the folder cannot be listed.
    """
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [path for path in files if path.name.lower().endswith(FILM) and not path.is_dir()]


def file_stem(path: Path) -> str:
    """Return the name of an image file without its suffix, which may be double (`.nii.gz`)."""
    name = Path(path).name
    suffix = next((end for end in SUFFIXES if name.lower().endswith(end)), Path(name).suffix)
    return name[: len(name) - len(suffix)]


def _check_affine(stored: Stored, report: Report) -> None:
    affine, sides = stored.affine, np.array(stored.sides_mm)
    if not invertible(affine):
        rows = "; ".join(" ".join(f"{value:g}" for value in row) for row in affine[:3])
        report.error(
            f"an affine that cannot be inverted ({rows})",
            "three independent axes",
            "set the sform from the qform, or export the scan again",
        )
        return
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if errors_of(report.problems):  # of the spacing
        return
    if sides.shape == (3,) and not np.allclose(lengths, sides, rtol=1e-2):
        report.warning(
            f"spacing {sides.round(4).tolist()} mm but an affine of {lengths.round(4).tolist()}",
            "one spacing",
            "the affine is used; set pixdim to match it",
        )
    low, high = SIDES_MM
    if lengths.min() < low or lengths.max() > high:
        report.error(
            f"voxels of {' × '.join(f'{side:g}' for side in lengths)} mm by the header's unit",
            f"sides of {low:g} to {high:g} mm",
            "write lengths in mm, and mm as their unit (xyzt_units of NIfTI)",
        )
    origin = np.abs(affine[:3, 3]).max()
    if origin > MOST_ORIGIN_MM:
        report.error(
            f"a first voxel {origin:g} mm from the scanner's centre",
            f"at most {MOST_ORIGIN_MM:g} mm",
            "set the offset of the affine from the scanner's protocol, or to 0",
        )


def _volumes(array: ndarray, report: Report, most_axes: int) -> list[ndarray]:
    """Drop trailing axes of length one, or split the array into volumes along a fourth axis."""
    if array.dtype.kind not in "biuf":
        report.error(
            f"voxels of type {array.dtype}", "one real number per voxel", "split the components"
        )
        return []
    shape = array.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if not 3 <= len(shape) <= most_axes or 0 in shape:
        report.error(
            f"{len(shape)}-D voxels {' × '.join(map(str, array.shape))}",
            "one 3-D volume per file",
            "write each channel or time point to a file of its own",
        )
        return []
    array = array.reshape(shape, order="A")
    return [array] if len(shape) == 3 else list(np.moveaxis(array, -1, 0))


def _numbered(arrays: list[ndarray], number: int, report: Report) -> list[ndarray]:
    """Return only the volume of a 4-D file with this number; report a missing volume."""
    if number < len(arrays):
        return arrays[number : number + 1]
    todo = "name volumes from [0] on, or leave the number out"
    report.error(f"{len(arrays)} volumes in the file", f"a volume [{number}]", todo)
    return []


def _check_voxels(array: ndarray, report: Report) -> None:
    if array.dtype.kind != "f" or not array.size:
        return
    if (finite := np.isfinite(array)).all():
        largest = max(float(array.max()), -float(array.min()))
        if largest > MOST_VALUE:
            todo = "look for voxels that were never written, or scale the values"
            report.error(f"values up to {largest:.3g}", f"at most {MOST_VALUE:g}", todo)
        return
    absent = array.size - int(finite.sum())
    report.error(
        f"NaN or Inf in {absent} of {array.size} voxels",
        "finite voxels",
        "fill them (outside the head with 0) or export the scan again",
    )
