"""Tables of label names next to label maps, and the ids that they give to names.

The formats are `dseg.tsv` of BIDS, CSV and TSV tables with a column of numbers and one of names,
lookup tables of FreeSurfer (`1 Left-Amygdala 103 255 255 0`) and 3D Slicer, label descriptions of
ITK-SNAP (`1 255 0 0 1 1 1 "Left Amygdala"`), and `dataset.json` of MSD and nnU-Net.
"""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

from neurotarget.anatomy.structures import find
from neurotarget.data.reading_results import named_labels, read_json, whole_number
from neurotarget.data.tables.text_table import read_text_table
from neurotarget.files.reading import MOST_TEXT, read_bytes
from neurotarget.problems import DataError

Ids = tuple[int, ...]
Names = Mapping[str, Ids]  # name → its ids, mostly one

# searched in this order; the last two patterns also match other tables, which are skipped
PATTERNS = ("*dseg.tsv", "dataset.json", "*lut*.txt", "*.ctbl", "*.label", "label*.[ct]sv",
            "label*.txt")  # fmt: skip
FOLDERS = ("", "labels", "masks", "labelsTr", "derivatives", "derivatives/*")
ID_COLUMNS = ("index", "id", "labelnumber", "labelid", "labelvalue", "number", "no", "value")
NAME_COLUMNS = ("name", "labelname", "structure", "region", "structurename", "description", "label")
# number, name, red, green, blue, opacity
FREESURFER = re.compile(r"\s*(\d+)\s+(\S.*?)((?:\s+\d+){4})\s*")
# number, red, green, blue, opacity, visible, mesh, "name"
ITK_SNAP = re.compile(r'\s*(\d+)(?:\s+[\d.]+){6}\s+"([^"]*)"\s*')
MOST_LUT = 1 << 24  # bytes of a lookup table


def label_tables(source: Path) -> dict[Path, Names]:
    """Tables of label names in the folder of a manifest or data set and its folders of masks.

    Args:
        source: manifest or folder; a manifest itself is not searched for names.

    Returns:
        Ids of each name, by the path of the table, in the order in which tables are searched; files
        that are no tables of labels are left out.
    """
    folder = source if source.is_dir() else source.parent
    tables = {}
    for path in dict.fromkeys(_candidates(folder)):
        if path != source and (names := _names(path)):
            tables[path] = names
    return tables


def read_label_table(path: Path) -> Names:
    """Ids of each name in a table of labels.

    Raises:
        DataError: there is no such file, or it is none of the known tables.
    """
    if names := _names(path):
        return names
    found = "no names of labels" if path.is_file() else "no such file"
    raise DataError(
        f"{path}: found {found}, wanted dseg.tsv, a CSV or TSV file with the columns index and "
        "name, or a lookup table of FreeSurfer, ITK-SNAP or 3D Slicer; correct the path or the file"
    )


def ids_named(name: str, names: Names) -> Ids:
    """Ids of a name in a table, in any case, with blanks, `-` and `_` equal; () if it has none."""
    return next((ids for known, ids in names.items() if name_key(known) == name_key(name)), ())


def name_key(name: str) -> str:
    """A name in small letters, with single blanks in place of `-` and `_`, to compare names."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def is_freesurfers(names: Names) -> bool:
    """Return whether a table numbers all structures of FreeSurfer that it names as FreeSurfer does.

    False for a table that names no structure of FreeSurfer.
    """
    shared = [(ids, one.id) for name, ids in names.items() if (one := find(name))]
    return bool(shared) and all(ids == (number,) for ids, number in shared)


def _candidates(folder: Path) -> Iterator[Path]:
    places = [place for part in FOLDERS for place in (folder.glob(part) if part else [folder])]
    places = [place for place in places if place.is_dir()]
    for pattern in PATTERNS:
        for place in sorted(places, key=str):
            yield from sorted(
                path for path in place.iterdir() if fnmatch(path.name.casefold(), pattern)
            )


def _names(path: Path) -> dict[str, Ids]:
    """Names of a file; empty if it cannot be read as a table of labels."""
    if path.suffix.lower() == ".json":
        content, _ = read_json(path)
        named = named_labels(content.get("labels")) or {}
        return {name: (number,) for name, number in named.items()}
    return _of_lines(path) or _of_columns(path)


def _of_lines(path: Path) -> dict[str, Ids]:
    """Names of a lookup table of FreeSurfer, 3D Slicer or ITK-SNAP."""
    try:
        text = read_bytes(path, MOST_LUT).decode("utf-8", "replace")
    except OSError:
        return {}
    pairs = []
    for line in text.splitlines():
        match = ITK_SNAP.fullmatch(line) or FREESURFER.fullmatch(line)
        if match and (number := whole_number(match[1])) is not None:
            pairs.append((match[2].strip(' "'), number))
    return _grouped(pairs)


def _of_columns(path: Path) -> dict[str, Ids]:
    """Names of a table with a column of ids and one of names."""
    try:
        if path.stat().st_size > min(MOST_LUT, MOST_TEXT):
            return {}
    except OSError:
        return {}
    table = read_text_table(path)
    known = {_column_key(name): name for name in reversed(table.columns)}
    number = next((known[name] for name in ID_COLUMNS if name in known), None)
    name = next((known[one] for one in NAME_COLUMNS if known.get(one, number) != number), None)
    if number is None and name is not None and "label" in known:  # label, name
        number = known["label"]
    if number is None or name in (None, number):
        return {}
    pairs = [(row[name], whole_number(row[number])) for row in table.rows]
    if any(value is None for _, value in pairs):  # a table of something else
        return {}
    return _grouped(pairs)


def _column_key(name: str) -> str:
    return re.sub(r"[\s_#.-]", "", name.casefold())


def _grouped(pairs: list[tuple[str, int]]) -> dict[str, Ids]:
    names: dict[str, Ids] = {}
    for name, number in pairs:
        if name:
            names[name] = tuple(dict.fromkeys((*names.get(name, ()), number)))
    return names
