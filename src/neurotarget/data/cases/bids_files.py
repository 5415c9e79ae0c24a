"""Files of a BIDS folder with the entities in their names.

pybids' index parses the whole path, so a folder above the data set such as `sub-study7/` would
become the subject of every file. Here only the path below the data set's folder is parsed.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bids.layout import parse_file_entities
from bids.layout.models import Config

SKIPPED = [
    re.compile(r"^/(code|sourcedata|stimuli|models|derivatives)(/|$)"),
    re.compile(r"/(func|dwi|eeg|ieeg|meg|beh|perf|pet|nirs|motion|micr|\.[^/]+)(/|$)"),
]
IN_NAME = ("suffix", "extension", "datatype")
_ENTITIES = [
    entity for name in ("bids", "derivatives") for entity in Config.load(name).entities.values()
]


class BidsFile(NamedTuple):
    """A file with the entities of its name."""

    path: Path
    entities: Mapping[str, str]

    @property
    def free(self) -> dict[str, str]:
        """Entities without suffix, extension and datatype."""
        return {name: value for name, value in self.entities.items() if name not in IN_NAME}


def list_bids(folder: Path, extensions: Sequence[str]) -> list[BidsFile]:
    """Files with some extensions in a BIDS folder or a folder of derivatives, sorted by path.

    Names are parsed with pybids' entities and no file is opened: sidecars are not read; suffixes
    that the validator does not know yet (QSM) and links to files that were not fetched are kept.
    Folders of other datatypes and hidden folders are left out.
    """
    folder = Path(folder).absolute()
    files = []
    for path in _walk(folder):
        entities = parse_file_entities(f"/{path.as_posix()}", entities=_ENTITIES)
        if entities.get("extension") in extensions:
            texts = {name: str(value) for name, value in entities.items()}
            files.append(BidsFile(folder / path, texts))
    return sorted(files, key=lambda file: file.path)


def _walk(folder: Path) -> Iterator[Path]:
    """Paths of files below a folder, relative to it."""
    for place, folders, files in os.walk(folder, followlinks=True):
        inner = Path(place).relative_to(folder)
        folders[:] = [name for name in folders if not _is_skipped(inner / name)]
        yield from (inner / name for name in files if not _is_skipped(inner / name))


def _is_skipped(path: Path) -> bool:
    return any(pattern.search(f"/{path.as_posix()}") for pattern in SKIPPED)
