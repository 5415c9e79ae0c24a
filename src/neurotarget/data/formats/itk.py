"""Reading of NRRD and MetaImage files with ITK, after a check of their headers.

A header may name other files, on this machine or on the network, as the source of its voxels.
Such a file is refused before ITK opens it, except for a voxel file next to its header
(`detached.py`). As ITK could parse a header differently from us, doubtful headers are refused.
"""

import mmap
import re
from math import prod
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy import ndarray

from neurotarget.data.formats.bounded import check_shape
from neurotarget.data.formats.detached import check_length, suffix_of, voxel_file
from neurotarget.data.formats.scan_report import Report, in_mm
from neurotarget.files.reading import check_regular, opened

NAMED_UNITS_MM = {
    **dict.fromkeys(("", "?", "unknown", "mm", "millimeter", "millimeters"), 1.0),
    **dict.fromkeys(("um", "µm", "micron", "microns", "micrometer", "micrometers"), 1e-3),
    **dict.fromkeys(("cm", "centimeter", "centimeters"), 10.0),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1e3),
}
TEXT_HEADER = 1 << 16  # bytes; headers of NRRD and MetaImage are shorter
ANATOMICAL = re.compile(r"(right|left)-(anterior|posterior)-(superior|inferior)|[rl][ap][si]t?\b")
DATA_FILES = ("datafile", "elementdatafile")  # fields of NRRD and MetaImage, without blanks
READERS = {True: "NrrdImageIO", False: "MetaImageIO"}  # by `is_nrrd`; ITK would go by content
VOXEL_BYTES = 8  # of the largest voxel type
PLACES = re.compile(rb"ElementDataFile\s*[=:]?[ \t]*([^\r\n]{0,255})")


def read_itk(path: Path, report: Report) -> tuple[ndarray, ndarray, bool]:
    """Read a `.nrrd` or `.mha` file, or a header (`.nhdr`, `.mhd`) with a voxel file next to it.

    Returns the voxels, the affine to RAS+ in mm, and whether the file defines left and right.

    Raises:
        DataError: the header names voxels elsewhere, or its sizes are impossible.
        OSError, RuntimeError: the file cannot be read.
    """
    check_regular(path)
    is_nrrd = path.name.lower().endswith((".nrrd", ".nhdr"))
    fields = _text_fields(path, report)
    places, data = _places(path, fields, is_nrrd=is_nrrd), None
    if suffix_of(path):
        encoding = fields.get("encoding", "").casefold() if is_nrrd else ""
        data = voxel_file(path, places, encoding, report)
    elif places:
        todo = "convert the scan to NIfTI, which is one file"
        raise report.refused(f"voxels in another file ({places[0]!r})", "voxels in the file", todo)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(READERS[is_nrrd])
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    components = reader.GetNumberOfComponents()
    check_shape(reader.GetSize(), VOXEL_BYTES * components, report)
    if data is not None:
        check_length(data, prod(reader.GetSize()) * components * _voxel_bytes(reader), report)
    image = reader.Execute()
    array = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        array = np.moveaxis(array, -1, 0)
    if image.GetDimension() != 3:
        return array.T, np.eye(4), True
    unit_mm = _named_unit_mm(fields, report)
    axes = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes, image.GetOrigin()
    affine = in_mm(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, unit_mm)  # ITK's LPS to RAS
    without = _unoriented(fields, is_nrrd=is_nrrd)
    if without:
        report.no_orientation(without)
    return array.T, affine, not without


def _text_fields(path: Path, report: Report) -> dict[str, str]:
    """Fields of a text header: `name: value` (NRRD) or `name = value` (MetaImage)."""
    with opened(path) as stream:
        head = stream.read(TEXT_HEADER)
    header = re.split(rb"\r?\n\r?\n|(?<=ElementDataFile)", head)[0]
    if len(header) == TEXT_HEADER:
        wanted = f"one of at most {TEXT_HEADER} bytes"
        raise report.refused("a header without an end", wanted, "convert the scan to NIfTI")
    text = header.decode("latin-1")
    pairs = (re.split(r"\s*[:=]+\s*", line, maxsplit=1) for line in text.splitlines())
    return {pair[0].strip().casefold(): pair[1].strip() for pair in pairs if len(pair) == 2}


def _places(path: Path, fields: dict[str, str], *, is_nrrd: bool) -> list[str]:
    """Return the files, other than itself, that a header names as the source of its voxels."""
    if is_nrrd:
        return [value for name, value in fields.items() if "".join(name.split()) in DATA_FILES]
    # fields at any position, since ITK decides which of several fields counts
    with opened(path) as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
        places = [match[1].decode("latin-1").strip() for match in PLACES.finditer(text)]
    return [place for place in places if place.casefold() != "local"] if places else ["nowhere"]


def _voxel_bytes(reader: sitk.ImageFileReader) -> int:
    """Parse the bytes per voxel component from a type, such as `16-bit signed integer`."""
    kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    match = re.search(r"(\d+)-bit", kind)
    return int(match[1]) // 8 if match else VOXEL_BYTES


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
    """Return the reason why the file does not define left and right; "" if it does."""
    if is_nrrd:
        space = fields.get("space", "")
        return "" if ANATOMICAL.match(space.casefold()) else f"space is {space or 'absent'}"
    axes = {"transformmatrix", "rotation", "orientation"}
    return "" if axes & set(fields) else "no TransformMatrix"
