"""Typed arguments `key=value` of the commands that do not use Hydra.

A command declares its arguments as fields of a dataclass: name, type and default. Types are bool,
int, float, str, Path, Literal, tuples of these, and mappings of names to numbers. `Annotated` adds
the `Kind` of values that are permitted, or an `Input`, a path that must exist.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from types import NoneType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from neurotarget.cli.settings import Kind, integer, shown_value
from neurotarget.data.reading_results import whole_number
from neurotarget.files.writing import expand_home
from neurotarget.problems import DataError, did_you_mean

Extra = TypeVar("Extra")
FLAGS = {"true": True, "false": False}
Seed = Annotated[int, integer(0, 2**32 - 1)]  # every generator accepts these


class Positional(NamedTuple):
    """Marks the argument that is given without its name; a tuple takes several."""

    wanted: str


class Input(NamedTuple):
    """A path that must exist: a noun for the expected kind of path, and the test for this kind."""

    noun: str
    fits: Callable[[Path], bool]


FILE = Input("file", Path.is_file)
PLACE = Input("file or folder", Path.exists)


class Reader(NamedTuple):
    """Conversion of a text to a value, and the text after `wanted` in a message.

    The conversion raises ValueError if the text does not fit.
    """

    wanted: str
    read: Callable[[str], Any]


def read_arguments(command: str, argv: Sequence[str], *kinds: type) -> tuple[Any, ...]:
    """Read the arguments of a command into an instance of each dataclass.

    A name that several dataclasses have belongs to the first. Whether inputs exist is checked last,
    after the dataclasses have checked which arguments go together.

    Args:
        command: name after `neurotarget`, for messages.
        argv: arguments `key=value`; an argument without `=` is the value of the field with
            `Positional`, and so is the path of an existing file whose name contains `=`.
        kinds: dataclasses, whose fields are all arguments that the command accepts.

    Returns:
        One instance per dataclass, in the order of `kinds`; fields that were not given have their
        defaults.

    Raises:
        DataError: an argument is unknown, repeated, missing or invalid.
    """
    name = f"neurotarget {command}"
    declared = {one.name: one for kind in reversed(kinds) for one in fields(kind)}
    hints = {
        key: hint
        for kind in reversed(kinds)
        for key, hint in get_type_hints(kind, include_extras=True).items()
    }
    values = {
        key: tuple(map(Path, text)) if isinstance(text, list) else read_value(key, text, hints[key])
        for key, text in _texts(name, argv, hints).items()
    }
    for key, one in declared.items():
        if key not in values and one.default is one.default_factory is MISSING:
            unnamed = _extra(hints[key], Positional)
            raise DataError(
                f"{name}: found no {key}, wanted {unnamed.wanted if unnamed else f'{key}=<…>'}; "
                f"`{name} help` shows how"
            )
    made = []
    for kind in kinds:
        own = values.keys() & {one.name for one in fields(kind)}
        made.append(kind(**{key: values.pop(key) for key in own}))
    for one in made:
        for key, value in vars(one).items():
            _check_input(key, value, hints[key])
    return tuple(made)


def read_value(key: str, text: str, hint: object) -> Any:  # noqa: ANN401
    """Convert the text of an argument to its type.

    Args:
        key: name of the argument, for messages.
        text: the text after `=`. A tuple is read from `a,b` or `[a,b]`, a mapping from `a:0.1,b:2`;
            `~` in paths is expanded.
        hint: the type of the field, with the `Kind` in `Annotated` if its values are limited.

    Raises:
        DataError: the text cannot be converted, or its value is not permitted.
    """
    kind, hint = _extra(hint, Kind), _bare(hint)
    wanted, read = _reader(hint)
    kind = kind or Kind(wanted, lambda _: True)
    try:
        value = read(text)
        if kind.fits(value):
            return value
    except ValueError:
        pass
    options = list(map(str, get_args(hint))) if get_origin(hint) is Literal else []
    advice = f"; {did_you_mean(text, options)}".rstrip("; ")
    raise DataError(f"{key}: got {shown_value(text)}, wanted {kind.wanted}{advice}")


def expanded(path: str) -> str:
    """Expand `~` in a path; shells do not expand it after a dotted key."""
    return str(expand_home(path)) if path[:1] == "~" else path


def exists(path: str) -> bool:
    """Return whether a file or folder exists; False for text that cannot be a path."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # too long, or with characters that no path has
        return False


def nearest_of(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known name, then all.

    The text starts with a space, so that it follows `no such …;` directly.
    """
    return f" {did_you_mean(name, known)}known are {', '.join(sorted(known))}"


def _texts(
    command: str, argv: Sequence[str], hints: Mapping[str, object]
) -> dict[str, str | list[str]]:
    """Texts of arguments by name; a list for a positional argument that takes several values."""
    unnamed = next((key for key, hint in hints.items() if _extra(hint, Positional)), "")
    is_many = get_origin(_bare(hints.get(unnamed))) is tuple
    texts: dict[str, str | list[str]] = {}
    for argument in argv:
        key, sign, text = argument.partition("=")
        if unnamed and (not sign or (key not in hints and exists(argument))):
            key, text = unnamed, argument
            if is_many:
                texts.setdefault(key, []).append(argument)
                continue
        if key not in hints:
            raise DataError(f"{command}: {key} is not known;{nearest_of(key, hints)}")
        if not text.strip():
            raise DataError(f"{command}: {key}= has no value; set one or leave it out")
        if key in texts:
            raise DataError(f"{command}: {key} is given twice; set it once")
        texts[key] = text
    return texts


def _bare(hint: object) -> object:
    """Return a type without None and Annotated."""
    if NoneType in get_args(hint):
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _extra(hint: object, kind: type[Extra]) -> Extra | None:
    """Return the object of a given kind that `Annotated` adds to a type; None without one."""
    annotated = [hint, *get_args(hint)]  # within X | None
    extras = [extra for one in annotated for extra in getattr(one, "__metadata__", ())]
    return next((extra for extra in extras if isinstance(extra, kind)), None)


def _reader(hint: object) -> Reader:
    if get_origin(hint) is Literal:
        options = {str(option): option for option in get_args(hint)}
        *others, last = options
        wanted = f"{', '.join(others)} or {last}"
        return Reader(wanted, lambda text: _of(options, text.removeprefix("+")))
    if get_origin(hint) is tuple:
        item = get_args(hint)[0]
        if item is Path:
            return Reader("paths", _paths)
        many = "texts" if item is str else f"{_reader(item).wanted.removeprefix('a ')}s"
        example = "a,b" if item is str else "4,8,12"
        return Reader(
            f"{many} such as {example}",
            lambda text: tuple(map(_reader(item).read, _parts(_without_brackets(text)))),
        )
    return {
        bool: Reader("true or false", lambda text: _of(FLAGS, text.lower())),
        int: Reader("a whole number", _whole),
        float: Reader("a number", _number),
        str: Reader("a text", str),
        Path: Reader("a path", expand_home),
    }.get(hint, Reader("names and numbers such as a:0.1", _options))


def _of(options: Mapping[str, Any], text: str) -> Any:  # noqa: ANN401
    if text not in options:
        raise ValueError(text)
    return options[text]


def _whole(text: str) -> int:
    if (number := whole_number(text.strip())) is None:
        raise ValueError(text)
    return number


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _without_brackets(text: str) -> str:
    """Return the content of `[a,b]`; a single bracket may belong to a name."""
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _paths(text: str) -> tuple[Path, ...]:
    whole = expand_home(text)  # a path may contain a comma
    return (whole,) if whole.is_file() else tuple(map(expand_home, _parts(text)))


def _options(text: str) -> dict[str, float]:
    """Numbers by name, as in threshold:0.1,radius_mm:5."""
    pairs = [part.partition(":") for part in text.split(",")]
    numbers = [whole_number(value.strip()) for _, _, value in pairs]
    return {
        name.strip(): float(value) if whole is None else whole
        for (name, _, value), whole in zip(pairs, numbers, strict=True)
    }


def _check_input(key: str, value: object, hint: object) -> None:
    """Refuse a path that does not exist, or is a file where a folder is wanted, or the reverse."""
    wanted = _extra(hint, Input)
    if wanted is None or value is None:
        return
    for path in value if isinstance(value, tuple) else (value,):
        if not wanted.fits(path):
            if path.exists():
                what = "folder" if path.is_dir() else "file"
                raise DataError(f"{key}: {path} is a {what}, wanted a {wanted.noun}; check it")
            raise DataError(f"{key}: no such {wanted.noun}: {path}; check the path")
