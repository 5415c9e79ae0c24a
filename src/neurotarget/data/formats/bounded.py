"""Reading of image files up to the size that their own header states."""

import os
import zlib
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path

from neurotarget.data.formats.scan_report import Report
from neurotarget.files.reading import opened

GZIP = b"\x1f\x8b"
GZIP_WINDOW = 31  # zlib's code for a gzip header
MOST_RATIO = 1040  # of sizes: 1032 for deflate, plus its frame; https://zlib.net/zlib_tech.html
HEAD = 1024  # bytes; headers of NIfTI and MGH are shorter
SPARE = 1 << 20  # bytes after the voxels: padding, or tags of an MGH file
MOST_VOXELS = 1 << 31  # a head at 0.2 mm has half as many
GIB = 1 << 30
WHOLE = ("a whole image", "copy or export it again")
SIZE_WRONG = "correct the sizes in the header, or export the scan again"


def check_shape(shape: Sequence[int], voxel_bytes: int, report: Report) -> int:
    """Check the shape of a scan and return the bytes of all its voxels.

    Raises:
        DataError: a side is not positive, or the voxels are too many or too large for this machine.

    Args:
        shape: sides as the header states them.
        voxel_bytes: bytes of one voxel.
        report: report of the file, for the message.
    """
    sides = " × ".join(map(str, shape)) or "no"
    if not shape or min(shape) < 1:
        raise report.refused(f"{sides} voxels in the header", "sides of at least 1", SIZE_WRONG)
    count = prod(map(int, shape))
    if count > MOST_VOXELS:
        wanted = f"at most {MOST_VOXELS} voxels per file"
        raise report.refused(f"{sides} voxels in the header", wanted, SIZE_WRONG)
    memory = _machine_bytes()
    if memory and count * voxel_bytes > memory:
        found = f"{sides} voxels of {count * voxel_bytes / GIB:.1f} GiB in the header"
        wanted = f"less than this machine's memory of {memory / GIB:.1f} GiB"
        raise report.refused(found, wanted, f"{SIZE_WRONG}; crop it if it is really so large")
    return count * voxel_bytes


def read_bounded(path: Path, size_of: Callable[[bytes], int], report: Report) -> bytes:
    """Read a file, unzipped; `size_of` returns the total number of bytes from the header.

    Raises:
        DataError: the file is shorter than the header states, or much longer.
        OSError, zlib.error: the file cannot be read, or its gzip data are broken.
    """
    with opened(path) as stream:
        begin = stream.read(HEAD)
        stream.seek(0)
        if not begin.startswith(GZIP):
            size = size_of(begin)
            content = stream.read(size + SPARE + 1)
        else:
            zipped = stream.read()
            begin = zlib.decompressobj(GZIP_WINDOW).decompress(zipped[: 1 << 16], HEAD)
            size = size_of(begin)
            if size > MOST_RATIO * len(zipped):
                content = b""  # the file is truncated; unzipping it all gains nothing
            else:
                content = _unzipped(zipped, size + SPARE + 1, report)
    if len(content) < size:
        found = f"an unreadable file (it ends before the {size} bytes of its header's voxels)"
        raise report.refused(found, *WHOLE)
    if len(content) > size + SPARE:
        found = f"more bytes than the {size} of its header's voxels"
        raise report.refused(found, "a header that counts all voxels", SIZE_WRONG)
    return content


def _unzipped(zipped: bytes, most: int, report: Report) -> bytes:
    """Unzip at most `most` bytes of a gzip file, which may have several members."""
    parts, size = [], 0
    while zipped and size < most:
        member = zlib.decompressobj(GZIP_WINDOW)
        parts.append(member.decompress(zipped, most - size))
        size += len(parts[-1])
        if size >= most:
            break
        if not member.eof:
            raise report.refused("an unreadable file (its gzip data end early)", *WHOLE)
        zipped = member.unused_data.lstrip(b"\0")  # some writers pad to whole blocks
        if zipped and not zipped.startswith(GZIP):
            found = f"an unreadable file ({len(zipped)} bytes behind its gzip data)"
            raise report.refused(found, *WHOLE)
    return b"".join(parts) if len(parts) > 1 else parts[0]


def _machine_bytes() -> int:
    """Memory of this machine in bytes; 0 if unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return 0
