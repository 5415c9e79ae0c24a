"""Files of a BIDS folder with the entities in their names.

pybids' index parses the whole path, so a folder above the data set such as `sub-study7/` would
become the subject of every file. Here only the path below the data set's folder is parsed, with the
patterns of pybids' configuration, which is read as a file, since pybids itself would load a
database library, also for data that are not BIDS.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from neurotarget.files.reading import load_json

SKIPPED = [
    re.compile(r"^/(code|sourcedata|stimuli|models|derivatives)(/|$)"),
    re.compile(r"/(func|dwi|eeg|ieeg|meg|beh|perf|pet|nirs|motion|micr|\.[^/]+)(/|$)"),
]
IN_NAME = ("suffix", "extension", "datatype")
CONFIGS = ("bids", "derivatives")  # of pybids


class BidsFile(NamedTuple):
    """A file with the entities of its name.

    Attributes:
        path: absolute.
        entities: by pybids' long names, such as `subject`, with `suffix`, `extension` and
            `datatype`.
    """

    path: Path
    entities: Mapping[str, str]

    @property
    def free(self) -> dict[str, str]:
        """Entities without suffix, extension and datatype."""
        return {name: value for name, value in self.entities.items() if name not in IN_NAME}


def list_bids(folder: Path, extensions: Sequence[str]) -> list[BidsFile]:
    """List files with some extensions in a BIDS folder or derivatives folder, sorted by path.

    Names are parsed with pybids' entities and no file is opened: sidecars are not read; suffixes
    that the validator does not know yet (QSM) and links to files that were not fetched are kept.
    Folders of other datatypes and hidden folders are left out.
    """
    folder = Path(folder).absolute()
    files = []
    for path in _walk(folder):
        entities = entities_of(f"/{path.as_posix()}")
        if entities.get("extension") in extensions:
            files.append(BidsFile(folder / path, entities))
    return sorted(files, key=lambda file: file.path)


def entities_of(path: str) -> dict[str, str]:
    """Parse the entities of a path, which begins with / at the data set's folder.

    Names are as in pybids: `subject` and `acquisition`, not `sub` and `acq`. Without entities the
    mapping is empty.
    """
    found = {name: pattern.search(path) for name, pattern in _patterns().items()}
    return {name: match[1] for name, match in found.items() if match is not None}


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    """Read the pattern of each entity; its first group is the value."""
    (package,) = find_spec("bids").submodule_search_locations
    records = [load_json(Path(package) / "layout" / "config" / f"{name}.json") for name in CONFIGS]
    entities = [entity for record in records for entity in record["entities"]]
    return {entity["name"]: re.compile(entity["pattern"]) for entity in entities}


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the paths of files below a folder, relative to the folder."""
    for place, folders, files in os.walk(folder, followlinks=True):
        inner = Path(place).relative_to(folder)
        folders[:] = [name for name in folders if not _is_skipped(inner / name)]
        yield from (inner / name for name in files if not _is_skipped(inner / name))


def _is_skipped(path: Path) -> bool:
    return any(pattern.search(f"/{path.as_posix()}") for pattern in SKIPPED)
