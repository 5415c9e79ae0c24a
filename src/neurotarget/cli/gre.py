"""Arguments of `neurotarget qsm` and `neurotarget swi`: scans, settings and steps."""

import difflib
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from neurotarget.cli.flags import FLAGS
from neurotarget.data.reading_results import whole_number
from neurotarget.data.scans.volume import file_stem
from neurotarget.files.writing import expand_home
from neurotarget.maps.gre import Acquisition
from neurotarget.maps.gre_bids import SUFFIXES, Scans, scan_acquisitions
from neurotarget.problems import DataError
from neurotarget.reconstruction.maps_folder import Outcome
from neurotarget.types import Triple

SHOWN = 8  # names in a message
PAIRS = (("magnitude", "phase"), ("real", "imaginary"))
PLAIN = (*PAIRS[0], *PAIRS[1], "te_ms", "mask")  # arguments for files without sidecars
WORDS = (
    "source",
    *PLAIN,
    "field_t",
    "b0",
    "suffix",
    "output",
    "phase_scale",
    "handedness",
    "device",
    "overwrite",
)
HANDS = {"auto": "auto", "1": 1, "+1": 1, "-1": -1}

Words = Mapping[str, str]
Chain = TypeVar("Chain")


class Reading(NamedTuple):
    """How phase is read: settings that affect a map and are not steps of the chain."""

    phase_scale: str = "auto"
    handedness: str | int = "auto"


def scans_of(words: Words) -> Scans:
    """Scans that the arguments name, and problems of those that cannot be used.

    Raises:
        DataError: an argument is missing, invalid, or cannot be combined with another.
    """
    said = [word for word in PLAIN if word in words]
    if "source" in words:
        if said:
            raise DataError(
                f"{said[0]}=: has no meaning beside a BIDS folder; leave one of them out"
            )
        return _bids(words)
    named = [pair for pair in PAIRS if any(word in words for word in pair)] or PAIRS[:1]
    if len(named) > 1:
        raise DataError(
            "found magnitude= or phase= beside real= or imaginary=, wanted one of the two pairs; "
            "leave the other out"
        )
    if absent := [word for word in (*named[0], "te_ms", "field_t") if word not in words]:
        raise DataError(
            f"found no {', '.join(f'{word}=' for word in absent)}, wanted a BIDS folder, or "
            "magnitude=, phase=, te_ms= and field_t="
        )
    return Scans([_plain(words, named[0])], [])


def reading_of(words: Words) -> Reading:
    """Settings of how phase is read.

    Raises:
        DataError: handedness is none of auto, 1 and -1.
    """
    asked = words.get("handedness", "auto")
    if asked not in HANDS:
        raise DataError(f"handedness: got {asked!r}, wanted auto, 1 or -1")
    return Reading(words.get("phase_scale", "auto"), HANDS[asked])


def output_of(words: Words) -> Path:
    """The folder of `output=`.

    Raises:
        DataError: it is missing, or it is a file.
    """
    if "output" not in words:
        raise DataError("found no output, wanted output=<folder>; say where the maps go")
    output = expand_home(words["output"])
    if output.exists() and not output.is_dir():
        raise DataError(f"output: found the file {output}, wanted a folder; say another output")
    return output


def chain_words(kind: type, without: Sequence[str] = ()) -> tuple[str, ...]:
    """Arguments that set the fields of a chain of steps."""
    return tuple(one.name for one in fields(kind) if one.name not in (*WORDS, *without))


def chain_of(kind: type[Chain], words: Words, **more: Any) -> Chain:  # noqa: ANN401
    """A chain of steps with the fields that the arguments set.

    Raises:
        DataError: a value is invalid.
    """
    hints, said = get_type_hints(kind), {}
    for key in chain_words(kind):
        if key in words:
            said[key] = _value(key, words[key], hints[key])
    try:
        return kind(**said, **more)
    except DataError:
        raise
    except ValueError as error:
        raise DataError(str(error)) from error


def defaults(kind: type) -> dict[str, object]:
    """Default values of the fields of a chain of steps."""
    return {one.name: one.default for one in fields(kind) if one.default is not MISSING}


def _value(key: str, text: str, hint: object) -> object:
    """Convert an argument to its field's type: choice, number, flag or several numbers."""
    if get_origin(hint) in (dict, Mapping):
        return _options(key, text)
    kinds = get_args(hint) or (hint,)
    options = [option for option in kinds if isinstance(option, str)]
    if options:
        return _choice(key, text, options)
    if text in ("none", "null") and NoneType in kinds:
        return None
    if bool in kinds and text in FLAGS:
        return FLAGS[text]
    if str in kinds:
        return text
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise DataError(f"{key}: got {text!r}, wanted a number") from error
    if int in kinds and float not in kinds and numbers[0].is_integer():
        return int(numbers[0])
    is_one = len(numbers) == 1 and (float in kinds or int in kinds)
    return numbers[0] if is_one else tuple(numbers)


def _options(key: str, text: str) -> dict[str, float]:
    """Numbers by name, as in threshold:0.1,radius_mm:5."""
    found = {}
    for part in text.split(","):
        name, _, value = part.partition(":")
        try:
            found[name.strip()] = _plain_number(value)
        except ValueError as error:
            raise DataError(
                f"{key}: got {part!r}, wanted names and numbers such as a:0.1"
            ) from error
    return found


def _plain_number(text: str) -> float:
    number = whole_number(text.strip())
    return float(text) if number is None else number


def _choice(key: str, text: str, options: Sequence[str]) -> str:
    if text not in options:
        near = difflib.get_close_matches(text, options, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise DataError(f"{key}: got {text!r}; {hint}wanted one of {', '.join(options)}")
    return text


def _bids(words: Words) -> Scans:
    folder = expand_home(words["source"])
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder, wanted a BIDS data set; check the path")
    suffix = words.get("suffix")
    if suffix is not None:
        _choice("suffix", suffix, SUFFIXES)
    field_t = _number(words, "field_t") if "field_t" in words else None
    return scan_acquisitions(folder, suffix=suffix, field_t=field_t, b0=_direction(words))


def _plain(words: Words, pair: tuple[str, str]) -> Acquisition:
    if "suffix" in words:
        raise DataError("suffix=: belongs to a BIDS folder; leave it out")
    magnitudes, phases = (_paths(words, word) for word in pair)
    te_s = tuple(round(time / 1000, 9) for time in _numbers(words, "te_ms"))
    masks = _paths(words, "mask") if "mask" in words else (None,)
    if len(masks) > 1:
        raise DataError(f"mask: found {len(masks)} files, wanted one")
    stem = file_stem(magnitudes[0])
    return Acquisition(
        stem,
        magnitudes,
        phases,
        te_s,
        _number(words, "field_t"),
        b0=_direction(words),
        mask=masks[0],
        stem=stem,
        sources=tuple(path.name for path in (*magnitudes, *phases)),
        is_complex=pair == PAIRS[1],
    )


def _paths(words: Words, key: str) -> tuple[Path, ...]:
    whole = expand_home(words[key])  # a path may contain a comma
    parts = [words[key]] if whole.is_file() else words[key].split(",")
    paths = tuple(expand_home(part.strip()) for part in parts if part.strip())
    if absent := [path for path in paths if not path.is_file()]:
        raise DataError(f"{key}: no such file: {absent[0]}; check the path")
    return paths


def _numbers(words: Words, key: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in words[key].split(","))
    except ValueError as error:
        raise DataError(f"{key}: got {words[key]!r}, wanted numbers such as 4,8,12") from error
    if not all(map(math.isfinite, values)):
        raise DataError(f"{key}: got {words[key]!r}, wanted finite numbers")
    return values


def _number(words: Words, key: str) -> float:
    values = _numbers(words, key)
    if len(values) != 1:
        raise DataError(f"{key}: got {words[key]!r}, wanted one number")
    return values[0]


def _direction(words: Words) -> Triple | None:
    if "b0" not in words:
        return None
    values = _numbers(words, "b0")
    if len(values) != 3 or not any(values):
        raise DataError(f"b0: got {words['b0']!r}, wanted three numbers such as b0=0,0,1")
    return values


def print_outcomes(outcomes: Sequence[Outcome], output: Path, kind: str) -> int:
    """Print how many scans have maps, and the paths; returns 2 if some failed, else 0."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    kept = sum(outcome.status == "kept" for outcome in outcomes)
    for outcome in outcomes:
        if outcome.note and outcome.status != "failed":
            print(f"note: {outcome.case_id}: {outcome.note}")
    kept_text = f", {kept} of them kept from before" if kept else ""
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} scans have their maps{kept_text}")
    print(f"maps  {output}\npage  {output / kind}.html")
    if failed:
        names = ", ".join(outcome.case_id for outcome in failed[:SHOWN])
        more = ", …" if len(failed) > SHOWN else ""
        again = "the same command makes them when that is mended"
        print(f"failed: {names}{more}; the page says why, and {again}", file=sys.stderr)
    return 2 if failed else 0
