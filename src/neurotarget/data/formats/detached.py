"""Scans in two files, a header and a voxel file, as ITK-SNAP, 3D Slicer and others write them.

A header may name any file of the machine as its voxels. Only a regular file in the same folder,
with the same name except for the suffix, and of the size that the header states, is accepted.
"""

import re
from collections.abc import Callable
from pathlib import Path

from neurotarget.data.formats.bounded import read_bounded
from neurotarget.data.formats.members import file_and_number
from neurotarget.data.formats.scan_report import Report
from neurotarget.files.hashes import digest, hash_of_text
from neurotarget.files.reading import real_path, why_not_regular

# suffix of a header: suffix of its voxel file → encoding as NRRD names it
DETACHED: dict[str, dict[str, tuple[str, ...]]] = {
    ".mhd": {".raw": ("",)},
    ".nhdr": {".raw": ("raw",), ".raw.gz": ("gzip", "gz")},
}
PLAIN = re.compile(r"[^\s%/\\]+")  # ITK treats blanks and % as lists of files
TODO = "put the voxels next to the header, under its name, or convert the scan to NIfTI"


def suffix_of(path: Path) -> str:
    """Suffix of a header with a separate voxel file, in lower case; "" for other files."""
    name = path.name.lower()
    return next((suffix for suffix in DETACHED if name.endswith(suffix)), "")


def voxel_file(path: Path, places: list[str], encoding: str, report: Report) -> Path:
    """Check and return the voxel file that a header names in `places`.

    Args:
        path: path of the header.
        places: all voxel files that the header names; only one is accepted.
        encoding: as NRRD names it; "" in a MetaImage.
        report: report of the header, for messages.

    Raises:
        DataError: the header names another file, or the file is not a regular one.
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
    """Refuse a voxel file whose uncompressed size differs from the header's.

    Args:
        data: voxel file, gzipped if its name ends in `.gz`.
        size: bytes of all voxels according to the header.
        report: the header's, for messages.

    Raises:
        DataError: the voxel file is shorter or longer.
        OSError, zlib.error: the voxel file cannot be read.
    """
    is_zipped = data.name.endswith(".gz")
    length = len(read_bounded(data, lambda _: size, report)) if is_zipped else data.stat().st_size
    if length != size:
        wanted = f"the {size} of its header's voxels"
        raise report.refused(f"{length} bytes in {data.name}", wanted, "copy or export both again")


def scan_digest(path: Path, *, digest_of: Callable[[Path], str] = digest) -> str:
    """Compute the SHA-256 of a scan's file, or of its header and voxel file, by `digest_of`.

    The hash of one volume of a 4-D file includes its number.
    """
    path, number = file_and_number(path)
    if number is not None:
        return hash_of_text(f"{digest_of(path)} {number}")
    suffix = suffix_of(path)
    if not suffix:
        return digest_of(path)
    stem = path.name[: -len(suffix)]
    voxel_files = [path.with_name(f"{stem}{end}") for end in DETACHED[suffix]]
    return hash_of_text(" ".join(digest_of(one) for one in (path, *voxel_files)))
