"""Safe opening of files for reading: only regular files are accepted.

Reading a FIFO blocks until somebody writes, a device never ends, and /proc describes the process
itself.
"""

import errno
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import yaml

KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
ABSENT = (errno.ENOENT, errno.ENOTDIR)
SYSTEM = ("/proc", "/sys")  # file systems whose content the kernel generates on reading
# non-blocking, so that opening a FIFO returns; Windows has neither flag nor FIFOs with a path
FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
FLOAT = re.compile(  # floats of YAML 1.2, which needs no point before an exponent
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)$|[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)$"
    r"|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"
)
# where the content of a file is not as it was written, or the file cannot be read
BROKEN = (OSError, ValueError, LookupError, TypeError, AttributeError)
TOO_DEEP = "lists within lists, too deep to read"
MOST_TEXT = 1 << 28  # bytes of a table or description; larger files are not text


def opened(path: Path | str) -> BinaryIO:
    """Open a regular file for reading bytes; the caller closes it.

    Raises:
        OSError: the file is missing or unreadable, or it is a folder, pipe, socket, device or a
            file that the kernel generates.
    """
    with _named(path):
        descriptor = os.open(path, FLAGS)
    try:
        _refuse(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def opened_text(path: Path | str, encoding: str = "utf-8") -> TextIOWrapper:
    """Open a regular file for reading text, with line ends unchanged; the caller closes it.

    Raises:
        OSError: as in `opened`.
        UnicodeDecodeError: on reading, the file is not in this encoding.
    """
    return TextIOWrapper(opened(path), encoding=encoding, newline="")


def read_bytes(path: Path | str, most: int | None = None) -> bytes:
    """Read a regular file; with `most` (bytes) a larger file is refused before it is read.

    Raises:
        OSError: as in `opened`, or the file is larger than `most`.
    """
    with opened(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if most is not None and size > most:
            reason = f"a file of {size >> 20} MiB, wanted at most {most >> 20} MiB"
            raise OSError(errno.EFBIG, reason, os.fspath(path))
        return stream.read()


def read_text(path: Path | str, encoding: str = "utf-8") -> str:
    """Read the text of a regular file, with line ends unchanged.

    Raises:
        OSError: as in `read_bytes`; at most `MOST_TEXT` bytes, as parsers need many times that.
        UnicodeDecodeError: the file is not in this encoding.
    """
    return read_bytes(path, MOST_TEXT).decode(encoding)


def load_json(path: Path | str) -> Any:  # noqa: ANN401
    """Parse a JSON file.

    Raises:
        OSError: as in `read_bytes`.
        ValueError: not JSON, not UTF-8, or nested too deeply.
    """
    try:
        return json.loads(read_text(path, "utf-8-sig"))
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error


def read_plain(path: Path | str) -> dict[str, Any]:
    """Read a JSON file as a mapping; empty if the file is absent or broken.

    For our own state files, which a kill or a full disk may have damaged: the values are then
    computed again.
    """
    try:
        content = load_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


class PlainLoader(yaml.SafeLoader):
    """Loader that parses like Hydra: 1e-3 is a number, a date is text; refuses repeated keys."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, form) for tag, form in forms if not tag.endswith((":timestamp", ":float"))]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """Build the mapping of a node.

        Raises:
            yaml.YAMLError: a key is repeated.
        """
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        (key, number), *_ = keys.most_common(1) or [("", 0)]
        if number > 1:
            raise yaml.YAMLError(f"the key {key} stands {number} times, wanted once")
        return super().construct_mapping(node, deep)


PlainLoader.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+0123456789."))


def load_yaml(path: Path | str) -> Any:  # noqa: ANN401
    """Parse a YAML file into plain values.

    Raises:
        OSError: as in `read_bytes`.
        ValueError: not YAML, not UTF-8, or nested too deeply.
    """
    try:
        return yaml.load(read_text(path), PlainLoader)
    except RecursionError as error:
        raise ValueError(TOO_DEEP) from error
    except (yaml.YAMLError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(str(error)) from error  # tags such as `!!bool x` raise the latter three


def check_regular(path: Path | str) -> None:
    """Refuse what `opened` refuses; for libraries that open a path themselves.

    Raises:
        OSError: as in `opened`.
    """
    with _named(path):
        status = Path(path).stat()
    _refuse(status, path)


def is_there(path: Path | str) -> bool:
    """Return whether a path exists, even as a broken link; False for an impossible name."""
    try:
        return os.path.lexists(path)
    except ValueError:  # characters that no path may have, such as a null byte
        return False


def real_path(path: Path | str) -> Path:
    """Return the absolute path with links followed; circular links and invalid names are kept."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        return Path(path).absolute()


def why_not_regular(path: Path | str) -> str | None:
    """Return why a path is not a regular file, such as `no such file`; None for a regular file."""
    try:
        check_regular(path)
    except OSError as error:
        return "no such file" if error.errno in ABSENT else str(error.strerror)
    return None


@contextmanager
def _named(path: Path | str) -> Iterator[None]:
    """Raise FileNotFoundError for characters that no path may have, such as a null byte."""
    try:
        yield
    except ValueError as error:
        shown = ascii(os.fspath(path))
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), shown) from error


def _refuse(status: os.stat_result, path: Path | str) -> None:
    kind = next((name for has_kind, name in KINDS if has_kind(status.st_mode)), None)
    if kind is None and status.st_dev in _system_devices():
        kind = "a file that the kernel makes up"
    if kind is not None:
        raise OSError(errno.EINVAL, f"{kind}, no regular file", os.fspath(path))


@cache
def _system_devices() -> frozenset[int]:
    mounted = [Path(place) for place in SYSTEM if os.path.ismount(place)]
    return frozenset(place.stat().st_dev for place in mounted)
