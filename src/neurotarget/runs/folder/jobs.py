"""Jobs of a multirun: their overrides, and the results in their folders."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from neurotarget.files.reading import load_json, load_yaml
from neurotarget.files.writing import write_text
from neurotarget.runs.folder.moved_names import present_overrides

RESULT = "result.json"
LOG = "job.log"
ACCEPT = "accept_changed_data"
# of one invocation, never recorded
INVOCATION_KEYS = ("resume", "replay", "overwrite", "trust", "dry_run", ACCEPT)
# prefixes of overrides that do not affect the result
WITHOUT_EFFECT = (*(f"{key}=" for key in INVOCATION_KEYS), "hydra.", "hydra/")

Status = Literal["done", "failed", "pruned", "missing"]
STATUSES: dict[str, Status] = {"done": "done", "failed": "failed", "pruned": "pruned"}  # recorded


class Job(NamedTuple):
    """A job to run: name of its folder, and overrides without those of Hydra itself."""

    name: str
    overrides: tuple[str, ...]


class JobResult(NamedTuple):
    """Result of a job; `values` are the best values of its training, by metric.

    Attributes:
        folder: of the job.
        status: "missing" if there is no result.
        overrides: of the command line, without those of Hydra itself.
        values: best values of the training, by metric; NaN where a value was not finite.
        reason: one sentence if the job failed or was pruned, else "".
        log: path of job.log, which may be absent.
    """

    folder: Path
    status: Status
    overrides: tuple[str, ...]
    values: dict[str, float]
    reason: str
    log: Path


def read_job(folder: Path) -> JobResult:
    """Read the result of a job.

    A folder without a result.json that can be read is `missing`, with the overrides that Hydra
    recorded, if any.
    """
    folder = Path(folder)
    missing = JobResult(folder, "missing", _started_with(folder), {}, "", folder / LOG)
    try:
        record = load_json(folder / RESULT)
        values = {
            key: math.nan if value is None else float(value)
            for key, value in record["values"].items()
        }
        overrides = present_overrides(record["words"])
        status, reason = STATUSES[record["status"]], str(record["reason"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return missing
    return JobResult(folder, status, overrides, values, reason, folder / LOG)


def write_result(
    folder: Path,
    status: Status,
    overrides: Sequence[str],
    *,
    values: Mapping[str, float] | None = None,
    reason: str = "",
) -> None:
    """Write result.json; values that are not finite become null.

    Args:
        folder: of the job.
        status: done, failed or pruned.
        overrides: those that started the job.
        values: best values of its training, by metric.
        reason: one sentence if it failed or was pruned.

    Raises:
        DataError: the file cannot be written.
    """
    numbers = {key: float(value) for key, value in (values or {}).items()}
    record = {
        "status": status,
        "words": list(overrides),
        "values": {key: value if math.isfinite(value) else None for key, value in numbers.items()},
        "reason": reason,
        "log": LOG,
    }
    text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)
    write_text(Path(folder) / RESULT, text + "\n")


def is_done(folder: Path, overrides: Sequence[str]) -> bool:
    """Return whether a job was finished or pruned with these overrides, in any order."""
    return result_of(folder, overrides).status in ("done", "pruned")


def result_of(folder: Path, overrides: Sequence[str]) -> JobResult:
    """Result of a job with these overrides in any order.

    A result of other overrides counts as `missing`, with its own overrides and values.
    """
    result = read_job(folder)
    is_same = same_overrides(result.overrides, overrides)
    return result if is_same else result._replace(status="missing")


def same_overrides(some: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether two lists of overrides give the same result.

    Their order, and where and how the jobs run (settings of Hydra, of one invocation), are ignored.
    """
    return result_overrides(some) == result_overrides(others)


def result_overrides(overrides: Sequence[str]) -> list[str]:
    """Sorted overrides that affect the result."""
    return sorted(override for override in overrides if not override.startswith(WITHOUT_EFFECT))


def key_of(override: str) -> str:
    """Key that an override sets, adds or removes: `+a.b=1` and `~a.b` have the key `a.b`."""
    return override.partition("=")[0].lstrip("+~")


def _started_with(folder: Path) -> tuple[str, ...]:
    """Overrides that Hydra recorded when the job started."""
    try:
        overrides = load_yaml(folder / ".hydra" / "overrides.yaml")
    except (OSError, ValueError):
        return ()
    return present_overrides(overrides) if isinstance(overrides, list) else ()


def quoted(path: object) -> str:
    """Quote a value so that Hydra's parser keeps it unchanged."""
    text = re.sub(r'(\\*)"', r'\1\1\\"', str(path))  # backslashes count only before a quote
    ends = len(text) - len(text.rstrip("\\"))
    return f'"{text}{ends * chr(92)}"'
