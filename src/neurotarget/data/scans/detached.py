"""Scans in two files: a header, and the voxels beside it, as ITK-SNAP, 3D Slicer and others write.

A header may name any file of the machine as its voxels. Only one is taken: a regular file in the
header's own folder, with the header's name but for its suffix, and as long as the header says.
"""

import hashlib
import re
from pathlib import Path

from neurotarget.data.scans.bounded import read_bounded
from neurotarget.data.scans.stored import Report
from neurotarget.files.reading import real_path, why_not_regular
from neurotarget.files.writing import digest

# suffixes of headers, and of the voxels beside each with the encoding that NRRD calls it
DETACHED: dict[str, dict[str, tuple[str, ...]]] = {
    ".mhd": {".raw": ("",)},
    ".nhdr": {".raw": ("raw",), ".raw.gz": ("gzip", "gz")},
}
PLAIN = re.compile(r"[^\s%/\\]+")  # ITK takes blanks and % for lists of files
TODO = "put the voxels beside the header, under its name, or convert the scan to NIfTI"


def suffix_of(path: Path) -> str:
    """Suffix of a header whose voxels lie beside it; nothing for other files."""
    name = path.name.lower()
    return next((suffix for suffix in DETACHED if name.endswith(suffix)), "")


def voxels_beside(path: Path, places: list[str], encoding: str, report: Report) -> Path:
    """File of the voxels that a header names in `places`.

    Raises:
        DataError: it names another file than the one beside it, or that is no regular file.
    """
    suffix = suffix_of(path)
    stem = path.name[: -len(suffix)]
    known = {f"{stem}{end}": encodings for end, encodings in DETACHED[suffix].items()}
    wanted = " or ".join(known)
    place = places[0].removeprefix("./") if len(places) == 1 else ""
    if place not in known or not PLAIN.fullmatch(place):
        raise report.refused(f"voxels in {' and '.join(map(repr, places))}", wanted, TODO)
    if encoding not in known[place]:
        found = f"the encoding {encoding!r} for {place}"
        raise report.refused(found, " or ".join(known[place]), "convert the scan to NIfTI")
    data = path.with_name(place)
    if (reason := why_not_regular(data)) is not None:
        raise report.refused(f"{reason} for its voxels, {place}", "a file", TODO)
    if data.is_symlink() and real_path(data).parent != real_path(data.parent):
        raise report.refused(f"{place} as a link to another folder", "the file itself", TODO)
    return data


def check_length(data: Path, size: int, report: Report) -> None:
    """Refuse voxels that are not exactly as many bytes as the header says, unzipped.

    Raises:
        DataError: they are fewer or more.
        OSError, zlib.error: they cannot be read.
    """
    is_zipped = data.name.endswith(".gz")
    found = len(read_bounded(data, lambda _: size, report)) if is_zipped else data.stat().st_size
    if found != size:
        wanted = f"the {size} of its header's voxels"
        raise report.refused(f"{found} bytes in {data.name}", wanted, "copy or export both again")


def scan_digest(path: Path) -> str:
    """SHA-256 of a scan's content: of its file, or of its header and the voxels beside that."""
    suffix = suffix_of(path)
    if not suffix:
        return digest(path)
    stem = path.name[: -len(suffix)]
    beside = [path.with_name(f"{stem}{end}") for end in DETACHED[suffix]]
    content = " ".join(digest(one) for one in (path, *beside))
    return hashlib.sha256(content.encode()).hexdigest()
