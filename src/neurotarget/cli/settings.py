"""Check the type and range of every setting before anything is read or trained.

This file defines kinds of values, and compares a configuration with a table of kinds. The tables
are in `setting_table`, and `check_config` compares with them. Checks that need the built object,
such as the patch sides that a network accepts, follow when a run is built, before it trains.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from neurotarget.problems import DataError, Problem

OURS = ("neurotarget.", "torch.optim.", "pytorch_lightning.")  # settings of other classes pass
MISSING = "???"  # a mandatory value that is not set, which is reported elsewhere
ADVICE = "correct it on the command line or in conf"


class Kind(NamedTuple):
    """Permitted values of a setting: a description, used after `wanted` in messages, and a test.

    `fits` gets a plain value of a configuration (number, text, list, mapping or None), or the
    converted value of an argument.
    """

    wanted: str
    fits: Callable[[object], bool]


def whole(low: int, high: int = 2**31 - 1) -> Kind:
    """Return the kind of whole numbers from `low` to `high`; a float such as 1e5 is accepted.

    Both ends are permitted. The default of `high` is not shown in messages.
    """
    ends = f"of at least {low}" if high == 2**31 - 1 else f"from {low} to {high}"

    def fits(value: object) -> bool:
        return _is_number(value) and value == int(value) and low <= value <= high

    return Kind(f"a whole number {ends}", fits)


def integer(low: int, high: int = 2**31 - 1) -> Kind:
    """Return the kind of int numbers, for counts and indices; 1e5 and True are refused."""
    kind = whole(low, high)
    return Kind(kind.wanted, lambda value: isinstance(value, int) and kind.fits(value))


def number(low: float, high: float, *, above: bool = False, below: bool = False) -> Kind:
    """Return the kind of finite numbers; `above` excludes `low`, and `below` excludes `high`.

    Integers fit, truth values, NaN and infinity do not.
    """
    ends = f"{'more than' if above else 'at least'} {low:g} and "
    ends += f"{'less than' if below else 'at most'} {high:g}"

    def fits(value: object) -> bool:
        if not _is_number(value):
            return False
        return (low < value if above else low <= value) and (
            value < high if below else value <= high
        )

    return Kind(f"a number of {ends}", fits)


def one_of(*known: object) -> Kind:
    """Return the kind of the given values; types must match, so that True does not match 1.

    The message lists all of them, truth values as `true` and `false`, as they are typed in YAML.
    """
    names = [str(one).lower() if isinstance(one, bool) else str(one) for one in known]
    exact = {(type(one), one) for one in known}
    return Kind(
        f"one of {', '.join(names)}" if len(names) > 2 else " or ".join(names),
        lambda value: isinstance(value, str | int | float) and (type(value), value) in exact,
    )


def either(*kinds: Kind) -> Kind:
    """Return a kind that accepts the values of several kinds; `or` joins their descriptions."""
    wanted = ", or ".join(kind.wanted for kind in kinds)
    return Kind(wanted, lambda value: any(kind.fits(value) for kind in kinds))


def listed(kind: Kind, count: int | None = None, *, rising: bool = False) -> Kind:
    """Return the kind of lists: `count` items of one kind if given, ascending if `rising`.

    Equal neighbours count as ascending. An empty list fits unless `count` forbids it; a text is no
    list, although Python could iterate over it.
    """

    def fits(value: object) -> bool:
        if not isinstance(value, Sequence) or isinstance(value, str):
            return False
        if not all(map(kind.fits, value)) or (count is not None and len(value) != count):
            return False
        return not rising or list(value) == sorted(value)

    many = "a list in which each item is" if count is None else f"a list of {count}, each"
    return Kind(f"{many} {kind.wanted}{', in rising order' if rising else ''}", fits)


def matching(pattern: str, wanted: str) -> Kind:
    """Return the kind of texts that a regular expression matches fully; `wanted` describes them."""
    form = re.compile(pattern, re.DOTALL)
    return Kind(wanted, lambda value: isinstance(value, str) and bool(form.fullmatch(value)))


FLAG = one_of(True, False)
SEED = integer(0, 2**32 - 1)
SHARE = number(0, 1)
POSITIVE = number(0, 1e9, above=True)
REAL = number(-1e9, 1e9)
NULL = Kind("null", lambda value: value is None)
TEXT = matching(r"[^\x00-\x1f\x7f]+", "a text")
BRANCH = Kind("keys with values", lambda value: isinstance(value, Mapping))


def optional(kind: Kind) -> Kind:
    """Return a kind that also accepts null."""
    return either(NULL, kind)


def check_settings(config: Mapping[str, Any], table: Mapping[str, Kind]) -> None:
    """Compare a resolved configuration with the table.

    Settings of classes outside `OURS` are not checked, and values `???` are reported elsewhere. A
    value that several keys refer to is reported once.

    Args:
        config: plain values, with references resolved.
        table: the kind of each setting by its dotted key; `*` in a key matches any name.

    Raises:
        DataError: settings differ from the table; the error lists all of them.
    """
    wrong: dict[tuple[str, str, str], Problem] = {}
    for problem in _wrong(config, table, ""):
        # report a value that other settings refer to once, under the key that was typed
        wrong.setdefault((problem.file.split(".")[-1], problem.found, problem.wanted), problem)
    if wrong:
        raise DataError(list(wrong.values()))


def kind_of(key: str, table: Mapping[str, Kind]) -> Kind | None:
    """Return the kind of a key: its entry in the table, else that of the first matching pattern.

    A pattern matches only keys with as many dots as it has. None means that the table does not
    restrict the key.
    """
    if key in table:
        return table[key]
    dots = key.count(".")
    patterns = (one for one in table if "*" in one and one.count(".") == dots)
    return next((table[one] for one in patterns if fnmatchcase(key, one)), None)


def _wrong(node: Mapping[str, Any], table: Mapping[str, Kind], above: str) -> Iterator[Problem]:
    target = str(node.get("_target_", OURS[0]))
    if not target.startswith(OURS):
        return
    for name, value in node.items():
        key = f"{above}{name}"
        kind = kind_of(key, table)
        if value == MISSING or str(name).startswith("_"):
            continue
        if kind is not None and not kind.fits(value):
            yield Problem("error", "", key, shown_value(value), kind.wanted, ADVICE)
        elif isinstance(value, Mapping):
            yield from _wrong(value, table, f"{key}.")


def _is_number(value: object) -> bool:
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        return is_real and math.isfinite(value)
    except OverflowError:  # an integer with hundreds of digits
        return False


def shown_value(value: object) -> str:
    """Write a value for a message, cut after 80 characters: None as `null`, texts in quotes."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
