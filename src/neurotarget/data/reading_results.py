"""The result of reading a data set: cases and problems; also helpers for its JSON files."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from neurotarget.files.reading import load_json
from neurotarget.files.unfetched import unfetched
from neurotarget.problems import Problem, error
from neurotarget.target_relations import IGNORE
from neurotarget.types import Case

WHOLE = re.compile(r"[+-]?[0-9]{1,18}")  # not \d, which matches digits of other scripts


class ReadResult(NamedTuple):
    """Cases that could be read, all problems, and the data set's own label names."""

    cases: list[Case]
    problems: list[Problem]
    label_ids: Mapping[str, int] | None = None


def named_labels(labels: object) -> dict[str, int] | None:
    """Label names with their ids, from a `dataset.json` of MSD or nnU-Net; None if it has none.

    MSD writes {"1": "anterior"}, nnU-Net {"anterior": 1}. nnU-Net's regions, where a name has
    several ids and an id several names, are ignored, except for `ignore`.
    """
    if not isinstance(labels, Mapping):
        return None
    named, has_regions = {}, False
    for key, value in labels.items():
        name, number = (value, key) if whole_number(key) is not None else (key, value)
        if isinstance(number, list) and len(number) == 1:
            number = number[0]
        if (label_id := whole_number(number)) is None:
            has_regions = True
        else:
            named[str(name)] = label_id
    if has_regions:
        named = {name: number for name, number in named.items() if name == IGNORE}
    return named or None


def whole_number(value: object) -> int | None:
    """Convert a number or text to a whole number; None if it is not one, or has over 18 digits."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return int(value) if WHOLE.fullmatch(str(value)) else None


def read_json(path: Path, kind: type = dict) -> tuple[dict | list, list[Problem]]:
    """Read a JSON object (or list); on failure return an empty one and the problem.

    Args:
        path: of the file; one whose content was not fetched (git-annex, LFS) is a problem too.
        kind: `dict`, or `list`.
    """
    if absent := unfetched(path):
        return kind(), [error(absent.found, "valid JSON", absent.todo, file=path)]
    try:
        content = load_json(path)
    except (OSError, ValueError) as reason:
        todo = "correct it with a text editor or export the data set again"
        return kind(), [error(f"unreadable JSON ({reason})", "valid JSON", todo, file=path)]
    if not isinstance(content, kind):
        found = f"a JSON {type(content).__name__}"
        return kind(), [error(found, f"a {kind.__name__}", "export it again", file=path)]
    return content, []
