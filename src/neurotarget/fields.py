"""Readers (validators) for the fields of records that users write in YAML.

A reader takes a value from a file, an override or code and returns it in the type of the field,
or raises ValueError with what it found and wanted. `read_fields` adds the name of the field.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real

from neurotarget.hypothesis import Hypothesis, Published
from neurotarget.printable import one_line

Reader = Callable[[object], object]
LARGEST_ID = 2**31 - 1  # int32; label files have no larger ids
LONGEST_SHOWN = 80  # characters of a value in a message


def read_fields(record: object, readers: Mapping[str, Reader]) -> list[str]:
    """Replace each field of a frozen dataclass by its parsed value; return the error messages.

    Args:
        record: frozen dataclass, changed in place; for use in `__post_init__`.
        readers: readers by name of a field; fields without a reader are unchanged.

    Returns:
        One message per invalid field, `<field>: found …, wanted …`; the field keeps its raw value.
    """
    wrong = []
    for key, read in readers.items():
        try:
            object.__setattr__(record, key, read(getattr(record, key)))
        except ValueError as error:
            wrong.append(f"{key}: {' '.join(str(error).split())}")
    return wrong


def text(value: object) -> str:
    """Read a text; a number is taken as its text.

    Raises:
        ValueError: the value is true, false, null, a list or a mapping.
    """
    if isinstance(value, bool) or not isinstance(value, str | Real):
        raise _unfit(value, "a text")
    return str(value)


def number(low: float = -math.inf, high: float = math.inf) -> Reader:
    """Reader of a finite number from `low` to `high`.

    Texts such as `1.5` or `1e-3`, as YAML may read them, are converted; true, false, NaN and
    infinity are refused.
    """

    def read(value: object) -> float:
        """Convert a value to a float.

        Raises:
            ValueError: it is no finite number of the range.
        """
        try:
            amount = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            amount = math.nan
        if not (math.isfinite(amount) and low <= amount <= high):
            raise _unfit(value, f"a finite number{_range(low, high)}")
        return amount

    return read


def whole(low: int, high: int = LARGEST_ID) -> Reader:
    """Reader of a whole number from `low` to `high`; refuses 1.5, true and texts."""

    def read(value: object) -> int:
        """Check a whole number.

        Raises:
            ValueError: it is not one, or lies outside of the range.
        """
        is_whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not (is_whole and low <= value <= high):
            raise _unfit(value, f"a whole number{_range(low, high)}")
        return int(value)

    return read


def optional(read: Reader) -> Reader:
    """Reader of a value or null.

    null becomes None; any other value goes to `read`.
    """
    return lambda value: None if value is None else read(value)


def items(read: Reader) -> Reader:
    """Reader of a list, item by item; null is an empty list.

    The reader returns a tuple, and refuses a text or a mapping.
    """

    def read_items(value: object) -> tuple:
        """Read a list as a tuple.

        Raises:
            ValueError: it is not a list, or an item is invalid.
        """
        if value is None:
            return ()
        if not is_list(value):
            raise _unfit(value, "a list")
        return tuple(map(read, value))

    return read_items


def exactly(count: int, read: Reader) -> Reader:
    """Reader of a list of exactly `count` items.

    Tuples and arrays are accepted too; the reader returns a tuple.
    """

    def read_items(value: object) -> tuple:
        """Read a list as a tuple of `count` items.

        Raises:
            ValueError: it has another length, is no list, or an item is invalid.
        """
        if isinstance(value, str | bytes | Mapping) or not _has_items(value, count):
            raise _unfit(value, f"a list of {count}")
        return tuple(map(read, value))

    return read_items


def mapping(read: Reader) -> Reader:
    """Reader of a mapping from names to values, read by `read`; null is an empty mapping.

    Names that YAML reads as numbers become texts. The message about an invalid value begins with
    its name.
    """

    def read_mapping(value: object) -> dict:
        """Read a mapping as a dict with texts as keys.

        Raises:
            ValueError: it is no mapping, or a value is invalid.
        """
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise _unfit(value, "a mapping of names")
        return {text(key): _of(key, read, one) for key, one in value.items()}

    return read_mapping


def ids(low: int) -> Reader:
    """Reader of one whole id or a list of ids, each at least `low`.

    The reader returns a tuple without repetitions, in the order given; it may be empty.
    """
    one = whole(low)

    def read(value: object) -> tuple[int, ...]:
        """Read one id or several as a tuple.

        Raises:
            ValueError: an id is not whole, or too small or large.
        """
        several = value if is_list(value) else [value]
        return tuple(dict.fromkeys(map(one, several)))

    return read


def label_ids(value: object) -> dict[str, tuple[int, ...]]:
    """Read labels with at least one id each; id 0 (background) is refused.

    Returns:
        Ids by name of the label, in the order given; the first id is written to files.

    Raises:
        ValueError: the value is no mapping, or an id is not a whole number from 1; the message
            names the label.
    """

    def read(one: object) -> tuple[int, ...]:
        """Read the ids of one label.

        Raises:
            ValueError: there is no id, or an id is invalid.
        """
        if wrong := ids(1)(one):
            return wrong
        raise _unfit(one, "at least one id")

    return mapping(read)(value)


def columns(reserved: tuple[str, ...]) -> Reader:
    """Reader of distinct column names; reserved names, also followed by `_`, are refused.

    Names that differ only in upper and lower case count as equal.

    Args:
        reserved: in lower case; with `label`, the column `label_path` is refused as well.
    """

    def read(value: object) -> tuple[str, ...]:
        """Check a list of column names.

        Raises:
            ValueError: a name is empty, invisible, reserved or repeated, or there is no name.
        """
        if not is_list(value) or not value:
            raise _unfit(value, "a list of at least one name")
        for one in value:
            if not isinstance(one, str) or not one.strip() or one_line(one) != one:
                raise _unfit(one, "a name of letters that can be seen")
            if one.casefold().removesuffix("_path") in reserved:
                raise _unfit(one, f"a name other than the columns {', '.join(reserved)}")
        if len({one.casefold() for one in value}) < len(value):
            raise _unfit(value, "distinct names")
        return tuple(value)

    return read


def interval(value: object) -> tuple[float, float]:
    """Read two numbers of at least 0, the lower one first; the higher may be infinite.

    Raises:
        ValueError: there are not two numbers, one is negative, or the first is not below the
            second.
    """
    low, high = exactly(2, lambda one: one)(value)
    low = number(0)(low)
    if high != math.inf:
        high = number(0)(high)
    if low >= high:
        raise _unfit(value, "the lower number first")
    return low, float(high)


def pair(value: object) -> tuple[str, str]:
    """Read two different texts.

    Raises:
        ValueError: there are not two texts, or they are equal.
    """
    left, right = exactly(2, text)(value)
    if left == right:
        raise _unfit(value, "two that differ")
    return left, right


def hypotheses(value: object) -> tuple[Hypothesis, ...]:
    """Read hypotheses by name with `Hypothesis.read`; parsed hypotheses are kept.

    Args:
        value: mapping from names to claims such as `volume: F > M`, or to mappings with `claim`,
            `expected`, `source` and `matters`; null gives an empty tuple.

    Raises:
        ValueError: a claim has no known form, or an effect is no number.
    """
    if isinstance(value, tuple) and all(isinstance(one, Hypothesis) for one in value):
        return value
    claims = mapping(lambda claim: claim)(value)
    try:
        return tuple(Hypothesis.read(name, claim) for name, claim in claims.items())
    except TypeError as error:  # an effect that is a list
        raise _unfit(value, "claims, with a number where an effect is expected") from error


def published(value: object) -> Published:
    """Read a published score from its fields; a parsed score is kept.

    Args:
        value: mapping with `what`, `label`, `value` and `source`, and optionally `part` and
            `spread`.

    Raises:
        ValueError: a field is missing, unknown or invalid.
    """
    if isinstance(value, Published):
        return value
    known = Published.__dataclass_fields__
    needed = ("what", "label", "value", "source")
    if not isinstance(value, Mapping) or not {*needed} <= {*value} <= {*known}:
        raise _unfit(value, f"{', '.join(needed)} and, where known, part and spread")
    numbers = {
        key: number()(value[key]) for key in ("value", "spread") if value.get(key) is not None
    }
    return Published(**{**value, **numbers, "label": text(value["label"])})


def instance(kind: type, wanted: str) -> Reader:
    """Reader of an instance of a class, or null.

    Args:
        kind: the class.
        wanted: text of the message after `wanted`.
    """

    def read(value: object) -> object:
        """Return the value itself.

        Raises:
            ValueError: it is an instance of another class.
        """
        if value is not None and not isinstance(value, kind):
            raise _unfit(value, wanted)
        return value

    return read


def _of(key: object, read: Reader, value: object) -> object:
    """Read the value of a key; an error names the key."""
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def is_list(value: object) -> bool:
    """Return whether a value is a list, a tuple or an OmegaConf list, and not text."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _has_items(value: object, count: int) -> bool:
    """Return whether a value is a list, tuple or array of `count` items."""
    return hasattr(value, "__len__") and len(value) == count


def _range(low: float, high: float) -> str:
    if math.isinf(high):
        return "" if math.isinf(low) else f" of at least {low:g}"
    return f" of {low:g} to {high:.10g}"


def _unfit(value: object, wanted: str) -> ValueError:
    shown = f"{list(value) if is_list(value) else value!r}"
    shown = shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}…"
    return ValueError(f"found {shown}, wanted {wanted}")
