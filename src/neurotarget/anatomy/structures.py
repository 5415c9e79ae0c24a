"""Structures of the head by FreeSurfer's numbers: names, colours, sides, groups, parts.

`assets/structures.tsv` has one row per structure. Numbers, names and colours are those of
FreeSurferColorLUT.txt (FreeSurfer 7); those from 502 to 530 are tissues outside the brain, numbered
as in the head atlas of Puonti 2020, doi:10.1016/j.neuroimage.2020.117044, and 136, 137, 163 and 164
are the choroid plexus of SynthSeg's label maps, named here by its place. Lobes are those of
FreeSurfer's `mri_annotation2label --lobesStrict`.

`within` is the number of the larger structure that this one is part of: a region of the cortex is
part of a lobe, a lobe part of the cortex. A structure across the midline lies in two (`2,41`), and
each of its voxels belongs to the nearer one.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as resources
from types import MappingProxyType

from neurotarget.problems import did_you_mean, some

Colour = tuple[int, int, int]
SCATTERED = "scattered"  # group of structures that have any number of connected pieces
LEFT, RIGHT = "left", "right"
CORTEX = "ctx-"  # in front of regions of the cortex


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure with its number in label maps, and the numbers of related structures."""

    id: int
    name: str
    colour: Colour  # red, green, blue, 0 to 255
    side: str  # left, right, or "" for one in the midline
    partner: int | None  # the same structure on the other side
    within: tuple[int, ...]
    groups: frozenset[str]  # its side among them
    aliases: tuple[str, ...]  # other names in tables of FreeSurfer and SynthSeg


@cache
def structures() -> Mapping[int, Structure]:
    """Return all structures by number, in ascending order."""
    text = (resources("neurotarget.anatomy") / "assets" / "structures.tsv").read_text("utf-8")
    many = map(_structure, csv.DictReader(text.splitlines(), delimiter="\t"))
    return MappingProxyType({one.id: one for one in many})


@cache
def groups() -> Mapping[str, tuple[int, ...]]:
    """Return the numbers of the structures of each group, in ascending order."""
    members: dict[str, list[int]] = {}
    for one in structures().values():
        for group in sorted(one.groups):
            members.setdefault(group, []).append(one.id)
    return MappingProxyType({name: tuple(ids) for name, ids in sorted(members.items())})


def find(name: str) -> Structure | None:
    """Find a structure by name or alias; case is ignored, and blanks, `-` and `_` are equal."""
    return _by_key().get(_key(name))


def other_names(name: str) -> tuple[str, ...]:
    """Return other names of a structure in tables of FreeSurfer and SynthSeg; empty if unknown."""
    one = find(name)
    return () if one is None else tuple({one.name, *one.aliases} - {name})


def is_known(word: object) -> bool:
    """Return whether a word names a structure or a group."""
    return isinstance(word, str) and (word in groups() or find(word) is not None)


def ids_of(word: int | str) -> tuple[int, ...]:
    """Return the numbers of a structure or of all structures of a group; a number is kept.

    Raises:
        ValueError: no structure and no group has this name.
    """
    if not isinstance(word, str):
        return (word,)
    if one := find(word):
        return (one.id,)
    if word in groups():
        return groups()[word]
    names = [*groups(), *(one.name for one in structures().values())]
    raise ValueError(
        f"found {word}, wanted a structure of FreeSurfer's table such as Left-Hippocampus, or one "
        f"of the groups {', '.join(groups())}; {did_you_mean(word, names)}docs/parcellation.md "
        "describes them"
    )


def select(words: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return the labels of structures and groups by name, in ascending order of their numbers.

    A word with `-` in front removes its structures: `[synthseg, -CSF]`. Each label has the number
    of its structure, then the numbers of its parts that are not selected themselves.

    Raises:
        ValueError: a word is unknown, or no structure is left.
    """
    chosen: set[int] = set()
    for word in words:
        taken = word.startswith("-")
        ids = {*ids_of(word.removeprefix("-"))}
        chosen = chosen - ids if taken else chosen | ids
    if not chosen:
        raise ValueError(f"found {some(words)}, which selects no structure, wanted at least one")
    labels: dict[str, tuple[int, ...]] = {structures()[one].name: (one,) for one in sorted(chosen)}
    for one in structures():
        owners = owners_of(one, chosen)
        if one not in chosen and len(owners) == 1:
            labels[structures()[owners[0]].name] += (one,)
    return labels


def owners_of(number: int, chosen: Iterable[int]) -> tuple[int, ...]:
    """Return the chosen structures that a structure belongs to: itself, or structures around it.

    Each of two owners gets the nearer voxels. An unknown structure has no owner.
    """
    wanted = {*chosen}
    if number in wanted:
        return (number,)
    one = structures().get(number)
    above = [owner for inner in one.within for owner in owners_of(inner, wanted)] if one else []
    return tuple(dict.fromkeys(above))


def pairs_of(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return pairs (left, right) among names of structures, without names that lack a partner."""
    known = {one.id: name for name in names if (one := find(name))}
    lefts = [structures()[one] for one in known if structures()[one].side == LEFT]
    return tuple((known[one.id], known[one.partner]) for one in lefts if one.partner in known)


def scattered(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names of structures that may have any number of connected pieces."""
    return tuple(name for name in names if (one := find(name)) and SCATTERED in one.groups)


@cache
def _by_key() -> Mapping[str, Structure]:
    return {_key(name): one for one in structures().values() for name in (one.name, *one.aliases)}


def _key(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _structure(row: Mapping[str, str]) -> Structure:
    red, green, blue = (int(row[name]) for name in ("red", "green", "blue"))
    return Structure(
        id=int(row["id"]),
        name=row["name"],
        colour=(red, green, blue),
        side=row["side"],
        partner=int(row["partner"]) if row["partner"] else None,
        within=tuple(map(int, filter(None, row["within"].split(",")))),
        groups=frozenset((*row["groups"].split(), row["side"])) - {""},
        aliases=(*filter(None, row["aliases"].split(",")), *_of_cortex(row["name"])),
    )


def _of_cortex(name: str) -> tuple[str, ...]:
    """Name of a region of the cortex in tables of aparcstats2table."""
    return (name.removeprefix(CORTEX),) if name.startswith(CORTEX) else ()
