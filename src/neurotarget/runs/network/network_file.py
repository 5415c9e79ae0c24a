"""The file of exported networks: safetensors with two texts, plain JSON and a model card.

Its header maps names to tensors, and holds texts under `__metadata__`: `neurotarget`, the JSON of
`exported_networks`, `card`, the model card in Markdown, and `sha256`. The hash covers the header
without the hash itself, as JSON with sorted keys and no blanks, and then all bytes after the
header. One format without paths or compression leaves nothing to unpack, and other programs read
the weights.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from neurotarget.files.reading import BROKEN, opened
from neurotarget.files.writing import written
from neurotarget.problems import DataError, some

SUFFIX = ".safetensors"
FORMAT = 1  # to be increased when older versions cannot read new files
DOCUMENT, CARD, HASH = "neurotarget", "card", "sha256"  # the texts
LENGTH_BYTES = 8  # of the header's length, at the start
MOST_HEADER = 1 << 24  # bytes; the header of large ensembles has a few hundred thousand
MOST_BYTES = 1 << 32  # of a file
AGAIN = "get the file again from its source"


class NetworkFile(NamedTuple):
    """The content of a file.

    Attributes:
        document: plain values, see `exported_networks`.
        card: model card in Markdown.
        tensors: weights by name, on the CPU.
        sha256: hash of the whole content.
    """

    document: dict[str, Any]
    card: str
    tensors: dict[str, Tensor]
    sha256: str


def write_network_file(
    path: Path, document: Mapping[str, Any], card: str, tensors: Mapping[str, Tensor]
) -> str:
    """Write networks into one file, as a whole or not at all; returns its hash.

    Args:
        path: of the file.
        document: plain values for JSON, see `exported_networks`.
        card: model card in Markdown.
        tensors: weights by name; they are copied to the CPU.

    Raises:
        DataError: the file would be larger than those that are read, or cannot be written.
    """
    # copies, as safetensors refuse tensors that share memory
    plain = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    size = sum(tensor.nbytes for tensor in plain.values())
    if size > MOST_BYTES - MOST_HEADER:
        raise DataError(
            f"{path}: found {size >> 20} MiB of weights, wanted at most {MOST_BYTES >> 20} MiB; "
            "export fewer networks, or set half=true"
        )
    texts = {DOCUMENT: json.dumps({"format": FORMAT, **document}), CARD: card}
    raw = save(plain, texts)
    sha256 = _hash(*_split(raw))
    raw = save(plain, {**texts, HASH: sha256})
    with written(path) as draft:
        draft.write_bytes(raw)
    return sha256


def read_network_file(path: Path) -> NetworkFile:
    """Read exported networks, and check that they are what was written.

    Raises:
        DataError: this is no such file, it is cut short, changed or too large, or a newer version
            wrote it.
    """
    header, document = _read_texts(path)
    try:
        with opened(path) as stream:
            raw = stream.read()
        header, data = _split(raw)
        sha256 = _hash(header, data)
        if header["__metadata__"].get(HASH) != sha256:
            raise DataError(
                f"{path}: found other content than was written (its SHA-256 is {sha256[:12]}…, "
                f"wanted {str(header['__metadata__'].get(HASH))[:12]}…); {AGAIN}"
            )
        tensors = load(raw)
    except (SafetensorError, *BROKEN) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: cannot be read ({_short(error)}); {AGAIN}") from error
    return NetworkFile(document, header["__metadata__"].get(CARD, ""), tensors, sha256)


def is_network_file(path: Path) -> bool:
    """Return whether a file begins as one that was exported; its content may be broken."""
    try:
        with opened(path) as stream:
            _header_of(stream)
    except (*BROKEN, RecursionError):
        return False
    return True


def read_card(path: Path) -> str:
    """The model card of exported networks; weights are neither read nor checked.

    Raises:
        DataError: this is no such file, or it is cut short.
    """
    header, _ = _read_texts(path)
    return header["__metadata__"].get(CARD, "")


def _read_texts(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and plain values of a file, from its first bytes.

    Raises:
        DataError: as `read_network_file`, without a check of the hash.
    """
    try:
        with opened(path) as stream:
            header, wanted = _header_of(stream)
            size = os.fstat(stream.fileno()).st_size
        document = json.loads(header["__metadata__"][DOCUMENT])
        number = document["format"]
    except (*BROKEN, RecursionError) as error:
        raise DataError(
            f"{path}: found no exported network ({_short(error)}), wanted a run folder, or a file "
            "that `neurotarget export` has written"
        ) from error
    if not isinstance(number, int) or number > FORMAT:
        raise DataError(
            f"{path}: found format {some([number])} of a newer version, wanted {FORMAT}; update "
            "with pip install --upgrade neurotarget"
        )
    if size != wanted:
        raise DataError(
            f"{path}: found {size:,} bytes, wanted {wanted:,}: it was cut short or changed; {AGAIN}"
        )
    return header, document


def _header_of(stream: BinaryIO) -> tuple[dict[str, Any], int]:
    """Header of a file, and the size in bytes that it states for the whole.

    Raises:
        ValueError: it is no header of an exported file.
    """
    length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
    if not 0 < length <= MOST_HEADER:
        raise ValueError("it does not begin as safetensors do")
    text = stream.read(length)
    if len(text) < length:
        raise ValueError("its header is cut short")
    header = json.loads(text.decode("utf-8"))
    texts = header.get("__metadata__") or {}
    if DOCUMENT not in texts:
        raise ValueError("safetensors without the settings of neurotarget")
    if not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("its header has texts of another kind")
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    size = LENGTH_BYTES + length + max(ends, default=0)
    if size > MOST_BYTES:
        raise ValueError(f"it states {size >> 20:,} MiB, of at most {MOST_BYTES >> 20:,} MiB")
    return header, size


def _split(raw: bytes) -> tuple[dict[str, Any], memoryview]:
    """Header and data of a file in memory."""
    start = LENGTH_BYTES + int.from_bytes(raw[:LENGTH_BYTES], "little")
    return json.loads(raw[LENGTH_BYTES:start]), memoryview(raw)[start:]


def _hash(header: Mapping[str, Any], data: memoryview) -> str:
    """SHA-256 of the header without its hash, and of the data."""
    texts = {name: text for name, text in header["__metadata__"].items() if name != HASH}
    plain = json.dumps(
        {**header, "__metadata__": texts}, sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    made = hashlib.sha256(plain.encode("ascii"))
    made.update(data)
    return made.hexdigest()


def _short(error: BaseException) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(str(reason).split())[:200] or type(error).__name__
