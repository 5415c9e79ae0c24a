"""Numberings of other atlases: mappings of their numbers to FreeSurfer's structures.

A packaged table `assets/<name>.tsv` has the columns id, name and structure, a number of
`structures.tsv` or 0 for background. A number stands for the smallest structure that holds all of
its voxels in both protocols: where an atlas divides the cortex otherwise, that is a lobe, or the
whole cortex.

`neuromorphometrics`: the regions of the BrainCOLOR protocol (Klein 2010, a precursor of the DKT
protocol, doi:10.3389/fnins.2012.00171). The parts of the cingulate, middle frontal, lateral orbital
and occipital gyri, the poles and opercula have no counterpart among the DKT regions; the basal
forebrain has none at all and is called undetermined.
"""

import csv
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files as resources
from typing import NamedTuple

from neurotarget.anatomy.structures import find, structures
from neurotarget.problems import did_you_mean

ITSELF = "freesurfer"  # the numbering of the table of structures
PACKAGED = ("neuromorphometrics",)
COLUMNS = ("id", "structure")  # of a numbering; a column `name` is optional


class Numbered(NamedTuple):
    """One number of an atlas: its name there, and the number of the structure, 0 for background."""

    name: str
    structure: int


Numbering = Mapping[int, Numbered]


@cache
def numbering(name: str) -> Numbering:
    """Read a packaged numbering by its name.

    Raises:
        ValueError: no numbering has this name.
    """
    if name == ITSELF:
        return {one.id: Numbered(one.name, one.id) for one in structures().values()}
    if name not in PACKAGED:
        known = (ITSELF, *PACKAGED)
        raise ValueError(
            f"found the numbering {name}, wanted {', '.join(known)}, or a TSV file with the "
            f"columns id and structure; {did_you_mean(name, known)}correct it"
        )
    text = (resources("neurotarget.anatomy") / "assets" / f"{name}.tsv").read_text("utf-8")
    return parse_numbering(csv.DictReader(text.splitlines(), delimiter="\t"))


def parse_numbering(rows: Iterable[Mapping[str, str]]) -> Numbering:
    """Parse a numbering from the rows of a table; a structure may be a number or a name.

    Raises:
        ValueError: a row or a column is missing, an id is not a number or not unique, or a
            structure is unknown.
    """
    known: dict[int, Numbered] = {}
    for row in rows:
        if missing := [name for name in COLUMNS if not row.get(name)]:
            raise ValueError(
                f"found no {missing[0]} in the row {dict(row)}, wanted {' and '.join(COLUMNS)} in "
                "every row; complete it"
            )
        number, structure = _number(row["id"]), _structure(row["structure"])
        if number in known:
            raise ValueError(f"found the id {number} twice, wanted one row per id; remove one")
        known[number] = Numbered(row.get("name") or str(number), structure)
    if not known:
        raise ValueError(f"found no row, wanted {' and '.join(COLUMNS)} of each number; add them")
    return known


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"found the id {text}, wanted a whole number of at least 0; correct it")
    return int(text)


def _structure(text: str) -> int:
    one = find(text)
    number = one.id if one else int(text) if text.isdecimal() else -1
    if number and number not in structures():
        raise ValueError(
            f"found the structure {text}, wanted 0 or a number or name of FreeSurfer's table; "
            f"{did_you_mean(text, [one.name for one in structures().values()])}correct it"
        )
    return number
