"""Image files of each kind: voxels as stored, an affine to RAS+ in mm, and what a header claims.

Tolerances: a quaternion may be too long by `QUATERNION_EXCESS` (it is shortened), sform and qform
may put a corner `FORMS_APART_VOX` apart. Beyond, a warning or an error names what was found.
"""

import gzip
import re
import struct
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy import ndarray

from neurotarget.types import Problem

NIFTI = (".nii.gz", ".nii")
MGH = (".mgz", ".mgh")
ITK = (".nrrd", ".mha")
QUATERNION_EXCESS = 1e-3  # of b² + c² + d² over 1; from four decimals on it is rounding
UNNOTICED_EXCESS = 1e-7  # what float32 adds
FORMS_APART_VOX = 0.5
MIRRORED = "LEFT AND RIGHT MIRRORED"  # loud, as nothing else in a result would show it
NIFTI_UNITS = {0: ("unknown", 1.0), 1: ("metre", 1e3), 2: ("mm", 1.0), 3: ("micron", 1e-3)}
NAMED_UNITS_MM = {
    **dict.fromkeys(("", "?", "unknown", "mm", "millimeter", "millimeters"), 1.0),
    **dict.fromkeys(("um", "µm", "micron", "microns", "micrometer", "micrometers"), 1e-3),
    **dict.fromkeys(("cm", "centimeter", "centimeters"), 10.0),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1e3),
}
GUESSED = b"orientation unknown, sform of the source"  # a header's description in our own maps
GOOD_RAS_BYTE = 28  # of an MGH header: behind seven numbers of four bytes
TEXT_HEADER = 1 << 16  # bytes; headers of NRRD and MetaImage are shorter
ANATOMICAL = re.compile(r"(right|left)-(anterior|posterior)-(superior|inferior)|[rl][ap][si]t?\b")


class Report:
    """Problems of one file, gathered while it is read."""

    def __init__(self, case_id: str, file: str) -> None:
        self.case_id, self.file = case_id, file
        self.problems: list[Problem] = []

    def error(self, found: str, wanted: str, todo: str) -> None:
        """Add what nobody should go on over."""
        self.problems.append(Problem("error", self.case_id, self.file, found, wanted, todo))

    def warning(self, found: str, wanted: str, todo: str) -> None:
        """Add what a person should look at."""
        self.problems.append(Problem("warning", self.case_id, self.file, found, wanted, todo))

    def no_orientation(self, reason: str) -> None:
        """Add that nothing in the file says where left and right are."""
        self.warning(
            f"no orientation ({reason})",
            "a known left and right",
            "left and right are a guess; export it again from DICOM, or set the sform",
        )


class Stored(NamedTuple):
    """What a file holds, before it is checked."""

    array: ndarray
    affine: ndarray  # (4, 4) to RAS+ in mm
    header: nib.Nifti1Header  # as stored, in the file's own unit of length
    sides_mm: tuple[float, ...]  # of a voxel, as the header has them
    is_oriented: bool  # whether the file says where left and right are
    is_scaled: bool = False  # from another unit than mm


def read_stored(path: Path, report: Report) -> Stored:
    """Read a file of any known kind; what its header has against it goes to the report.

    Raises:
        OSError, ValueError and others: the file cannot be read (`neurotarget.data.volume` lists).
    """
    name = path.name.lower()
    if name.endswith(NIFTI):
        return _read_nifti(path, report)
    if name.endswith(MGH):
        return _read_mgh(path, report)
    return _read_itk(path, report)


def read_grid(path: Path) -> tuple[tuple[int, ...], ndarray]:
    """Shape and affine in mm of a NIfTI file, without its voxels.

    Raises:
        OSError, ValueError and others: the file cannot be read.
    """
    is_zipped = path.name.lower().endswith(".gz")
    with gzip.open(path, "rb") if is_zipped else path.open("rb") as stream:
        _, header = _nifti_header(stream.read(nib.Nifti2Header.template_dtype.itemsize))
    unit_mm = _mend(header, Report("", str(path)))
    return header.get_data_shape(), _in_mm(_affine_of(header), unit_mm)


def _read_mgh(path: Path, report: Report) -> Stored:
    content = _content(path)
    image = nib.MGHImage.from_stream(BytesIO(content))
    # from the bytes, as nibabel puts its default in and sets the flag
    is_oriented = struct.unpack_from(">h", content, GOOD_RAS_BYTE)[0] == 1
    if not is_oriented:
        report.no_orientation("goodRASFlag is 0")
    return _made(np.asanyarray(image.dataobj), image.affine, is_oriented=is_oriented)


def _read_nifti(path: Path, report: Report) -> Stored:
    content = _content(path)
    kind, stored = _nifti_header(content)
    before, size = stored.binaryblock, kind.header_class.template_dtype.itemsize
    unit_mm = _mend(stored, report)
    if stored.binaryblock != before:
        content = stored.binaryblock + content[size:]
    is_broken = any(problem.level == "error" for problem in report.problems)
    image = kind.from_stream(BytesIO(content))
    sform, qform = (int(image.header[f"{form}_code"]) for form in ("sform", "qform"))
    if not (is_broken or sform > 0 or qform > 0):
        report.no_orientation("sform and qform codes are 0")
    if not is_broken and sform > 0 and qform > 0:
        _compare_forms(image.header, unit_mm, report)
    return Stored(
        _native(np.asanyarray(image.dataobj)),
        _in_mm(_affine_of(image.header), unit_mm),
        image.header,
        tuple(float(side) * unit_mm for side in image.header.get_zooms()[:3]),
        is_oriented=sform > 0 or qform > 0,
        is_scaled=unit_mm != 1,
    )


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    # whole, as nibabel's own reading stops short of the checksum at the end
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def _nifti_header(content: bytes) -> tuple[type[nib.Nifti1Image], nib.Nifti1Header]:
    kinds = (nib.Nifti1Image, nib.Nifti2Image)
    kind = next((kind for kind in kinds if kind.header_class.may_contain_header(content)), None)
    if kind is None:
        raise ValueError("it has no NIfTI header")
    size = kind.header_class.template_dtype.itemsize
    # checked, it would be mended unsaid
    return kind, kind.header_class(content[:size], check=False)


def _mend(header: nib.Nifti1Header, report: Report) -> float:
    """Report what is wrong with sides, quaternion and unit, mend it to look at the rest.

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
        _mend_quaternion(header, report)
    code = int(header["xyzt_units"]) & 7
    if code not in NIFTI_UNITS:
        wanted = "metre, mm, micron or none (codes 1, 2, 3, 0)"
        report.error(f"an unknown unit of length (xyzt_units code {code})", wanted, "set it to mm")
    return NIFTI_UNITS.get(code, ("", 1.0))[1]


def _mend_quaternion(header: nib.Nifti1Header, report: Report) -> None:
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
    """Warn where sform and qform put the voxels at different places."""
    sform, qform = (_in_mm(form, unit_mm) for form in (header.get_sform(), header.get_qform()))
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


def _read_itk(path: Path, report: Report) -> Stored:
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        array = np.moveaxis(array, -1, 0)
    if image.GetDimension() != 3:
        return _made(array.T, np.eye(4))
    fields = _text_fields(path)
    unit_mm = _named_unit_mm(fields, report)
    axes = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes, image.GetOrigin()
    affine = _in_mm(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, unit_mm)  # ITK's LPS to RAS
    without = _unoriented(fields, is_nrrd=path.name.lower().endswith(".nrrd"))
    if without:
        report.no_orientation(without)
    return _made(array.T, affine, is_oriented=not without)._replace(is_scaled=unit_mm != 1)


def _text_fields(path: Path) -> dict[str, str]:
    """Fields of a text header, NRRD's `name: value` or MetaImage's `name = value`."""
    with path.open("rb") as stream:
        head = stream.read(TEXT_HEADER)
    text = re.split(rb"\r?\n\r?\n|ElementDataFile", head)[0].decode("latin-1")
    pairs = (re.split(r"\s*[:=]+\s*", line, maxsplit=1) for line in text.splitlines())
    return {pair[0].strip().casefold(): pair[1].strip() for pair in pairs if len(pair) == 2}


def _named_unit_mm(fields: dict[str, str], report: Report) -> float:
    keys = ("space units", "units", "distanceunits")
    text = next((fields[key] for key in keys if key in fields), "")
    names = {name.strip('"').casefold() for name in text.split()} or {""}
    lengths = {NAMED_UNITS_MM.get(name) for name in names}
    if len(lengths) == 1 and (unit_mm := lengths.pop()) is not None:
        return unit_mm
    report.error(f"lengths in {' and '.join(sorted(names))}", "mm", "convert it to mm")
    return 1.0


def _unoriented(fields: dict[str, str], *, is_nrrd: bool) -> str:
    """Why nothing says where left and right are; "" where something does."""
    if is_nrrd:
        space = fields.get("space", "")
        return "" if ANATOMICAL.match(space.casefold()) else f"space is {space or 'absent'}"
    axes = {"transformmatrix", "rotation", "orientation"}
    return "" if axes & set(fields) else "no TransformMatrix"


def _made(array: ndarray, affine: ndarray, *, is_oriented: bool = True) -> Stored:
    """Contents of a file that has no NIfTI header, with one made for it."""
    array = _native(array)
    header = nib.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_xyzt_units("mm")
    if invertible(affine):
        # maps beside the scan need its place; guessed, it is one that only we read
        code = "scanner" if is_oriented else "unknown"
        header.set_sform(affine, code=code)
        header.set_qform(affine, code=code)
        header["descrip"] = b"" if is_oriented else GUESSED
    sides_mm = tuple(float(side) for side in header.get_zooms()[:3])
    return Stored(array, affine, header, sides_mm, is_oriented)


def _affine_of(header: nib.Nifti1Header) -> ndarray:
    """Affine of a header: by its codes, but that of a map beside a scan without orientation."""
    is_guessed = header["descrip"].item() == GUESSED and not header["sform_code"]
    return header.get_sform() if is_guessed else header.get_best_affine()


def _in_mm(affine: ndarray, unit_mm: float) -> ndarray:
    scaled = np.array(affine, dtype=np.float64)
    scaled[:3] *= unit_mm
    return scaled


def _native(array: ndarray) -> ndarray:
    # torch takes neither foreign byte order nor read-only memory
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array if array.flags.writeable else array.copy(order="K")


def invertible(affine: ndarray) -> bool:
    """Whether an affine has three independent axes."""
    axes = affine[:3, :3]
    if not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(axes, axis=0)
    # the volume of a unit cell against that of its bounding brick: 0 where two axes fall together
    return bool(lengths.min() > 0 and abs(np.linalg.det(axes / lengths)) > 1e-4)


def corners_apart(shape: tuple[int, ...], a: ndarray, b: ndarray) -> tuple[float, float]:
    """How far two affines put the corners of one box apart, at most: in mm and in voxels of `a`."""
    last = np.array(shape) - 1
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * last
    apart = (a - b)[:3] @ np.column_stack([corners, np.ones(8)]).T
    steps = np.linalg.solve(a[:3, :3], apart)
    return float(np.linalg.norm(apart, axis=0).max()), float(np.abs(steps).max())
