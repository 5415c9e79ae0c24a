"""Works cited in a study as BibTeX, with keys of first author and year."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from neurotarget.report.text.assets import asset_table


class Reference(NamedTuple):
    """A cited work; `source` is authors and year, such as `Bland and Altman 1986`."""

    key: str
    source: str
    doi: str


def references(cited: Iterable[tuple[str, str]]) -> list[Reference]:
    """Return a reference with a unique key for each distinct source and DOI, in order.

    Keys are first author and year, such as `bland1986`, with a letter from b on where that is
    taken.

    Args:
        cited: pairs of source and DOI; those without a source are left out.
    """
    listed: dict[tuple[str, str], Reference] = {}
    for source, doi in cited:
        first = first_source(source)
        if not first or (first, doi) in listed:
            continue
        taken = {one.key for one in listed.values()}
        key = next(one for one in _keys(first) if one not in taken)
        listed[first, doi] = Reference(key, first, doi)
    return list(listed.values())


def first_source(source: str) -> str:
    """Return the first of several sources, to which the DOI belongs.

    Sources are separated by semicolons.
    """
    return source.split(";")[0].split(", doi:")[0].strip()


def bibtex(cited: Iterable[Reference]) -> str:
    """Return BibTeX of references; without a known title the source is a note.

    Titles are known for the DOIs in `assets/references.toml`.
    """
    return "\n".join(_entry(one) for one in cited)


def _keys(source: str) -> Iterable[str]:
    author = re.split(r" and |,|\s(?=\d)", source)[0]
    name = re.sub(r"[^a-z]", "", author.casefold()) or "work"
    stem = name + _year(source)
    yield stem
    yield from (f"{stem}{letter}" for letter in "bcdefghijklmnopqrstuvwxyz")


def _year(source: str) -> str:
    match = re.search(r"\b(1[89]|20)\d\d\b", source)
    return match[0] if match else ""


def _entry(one: Reference) -> str:
    authors = re.split(r"\s(?=(?:1[89]|20)\d\d)", one.source)[0]
    known = asset_table("references").get(one.doi, {"author": authors, "note": one.source})
    fields = {**known, "year": _year(one.source), "doi": one.doi}
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@misc{{{one.key},\n" + ",\n".join(lines) + "\n}\n"
