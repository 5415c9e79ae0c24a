"""Contrasts computed from other contrasts: sums and differences with factors, `t1ce - t1`."""

import re
from collections.abc import Mapping
from typing import NamedTuple

FORM = "sums and differences of contrasts, with factors, such as t1ce - t1 or 0.5*t1 + 0.5*t2"
MOST_TERMS = 16
NUMBER = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"
TERM = re.compile(rf"(?:({NUMBER})\s*\*\s*)?([^\W\d][\w.]*)")
SIGN = re.compile(r"\s*([+-])\s*")


class Term(NamedTuple):
    """A contrast with its factor in a sum of contrasts."""

    factor: float
    contrast: str


def terms_of(text: str) -> tuple[Term, ...]:
    """Parse the terms of a sum such as `t1ce - t1`; names have letters, digits, `_` and `.`.

    Raises:
        ValueError: the text has another form.

    Returns:
        Terms in their order, at most `MOST_TERMS`; an unwritten factor is 1, or -1 after a
        minus. A contrast may occur several times.
    """
    rest = text.strip()
    rest = rest if rest[:1] in ("+", "-") else f"+{rest}"
    terms: list[Term] = []
    while rest:
        sign, term = SIGN.match(rest), None
        if sign is not None:
            term = TERM.match(rest, sign.end())
        if term is None or len(terms) == MOST_TERMS:
            raise ValueError(f"found {text[:80]!r}, wanted {FORM}")
        factor = float(term[1] or 1) * (-1 if sign[1] == "-" else 1)
        terms.append(Term(factor, term[2]))
        rest = rest[term.end() :].rstrip()
    return tuple(terms)


def derived(value: object) -> dict[str, str]:
    """Read derived contrasts: a mapping of names to sums of contrasts; null is an empty mapping.

    Whether the contrasts of the sums exist is checked later, by `Target`.

    Raises:
        ValueError: the value is no mapping of names, or a sum has another form.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"found {value!r}, wanted a mapping of names to {FORM}")
    for name, text in value.items():
        if not (isinstance(name, str) and isinstance(text, str)):
            raise ValueError(f"{name}: found {text!r}, wanted {FORM}")
        try:
            terms_of(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return dict(value)


def sources_of(sums: Mapping[str, str]) -> set[str]:
    """Return the contrasts from which derived contrasts are computed.

    Args:
        sums: text that `terms_of` reads, such as `t1ce - t1`, by name of the derived contrast.

    Raises:
        ValueError: a text has another form.
    """
    return {term.contrast for text in sums.values() for term in terms_of(text)}
