"""Jobs of a multirun: their words, and what stands in their folders."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from neurotarget.files.reading import load_json, load_yaml
from neurotarget.files.writing import write_text

RESULT = "result.json"
LOG = "job.log"
ACCEPT = "accept_changed_data"
SITTING = ("resume", "overwrite", "trust", ACCEPT)  # of one sitting, which no other takes over
OF_SITTING = (*(f"{key}=" for key in SITTING), "hydra.", "hydra/")  # they change no result

Status = Literal["done", "failed", "pruned", "missing"]
STATUSES: dict[str, Status] = {"done": "done", "failed": "failed", "pruned": "pruned"}  # noted ones


class Job(NamedTuple):
    """What is to be run: name of its folder, and overrides without those of Hydra itself."""

    name: str
    words: tuple[str, ...]


class JobResult(NamedTuple):
    """What a job came to; `values` are the best ones of its training, by metric."""

    folder: Path
    status: Status  # "missing" where it has no result and has not failed either
    words: tuple[str, ...]
    values: dict[str, float]
    reason: str  # one sentence where it failed or was pruned, else ""
    log: Path


def read_job(folder: Path) -> JobResult:
    """Read what a job came to; without a result.json it is `missing`, with the words it had."""
    folder = Path(folder)
    missing = JobResult(folder, "missing", _started_with(folder), {}, "", folder / LOG)
    try:
        found = load_json(folder / RESULT)
        values = {
            key: math.nan if value is None else float(value)
            for key, value in found["values"].items()
        }
        words = tuple(map(str, found["words"]))
        status, reason = STATUSES[found["status"]], str(found["reason"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return missing
    return JobResult(folder, status, words, values, reason, folder / LOG)


def write_result(
    folder: Path,
    status: Status,
    words: Sequence[str],
    *,
    values: Mapping[str, float] | None = None,
    reason: str = "",
) -> None:
    """Write result.json; what is not finite becomes null.

    Raises:
        DataError: the disk refuses it.
    """
    found = {key: float(value) for key, value in (values or {}).items()}
    record = {
        "status": status,
        "words": list(words),
        "values": {key: value if math.isfinite(value) else None for key, value in found.items()},
        "reason": reason,
        "log": LOG,
    }
    text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)
    write_text(Path(folder) / RESULT, text + "\n")


def is_done(folder: Path, words: Sequence[str]) -> bool:
    """Whether the job in `folder` was finished, or pruned, with these words in any order."""
    found = read_job(folder)
    return found.status in ("done", "pruned") and same_words(found.words, words)


def same_words(some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two jobs were told the same; words that say where and how they run do not count."""
    return told(some) == told(others)


def told(words: Sequence[str]) -> list[str]:
    """Words that say what is computed, in one order."""
    return sorted(word for word in words if not word.startswith(OF_SITTING))


def _started_with(folder: Path) -> tuple[str, ...]:
    """Words that Hydra noted when the job began."""
    try:
        words = load_yaml(folder / ".hydra" / "overrides.yaml")
    except (OSError, ValueError):
        return ()
    return tuple(map(str, words)) if isinstance(words, list) else ()


def quoted(path: object) -> str:
    """A value that Hydra reads as it is, whatever letters it has."""
    text = re.sub(r'(\\*)"', r'\1\1\\"', str(path))  # backslashes count only before a quote
    ends = len(text) - len(text.rstrip("\\"))
    return f'"{text}{ends * chr(92)}"'
