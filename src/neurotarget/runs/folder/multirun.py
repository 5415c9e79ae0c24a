"""The folder of a multirun: the overrides it was started with, and the state of its jobs."""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from neurotarget.files.drafts import draft_path, sweep_once
from neurotarget.files.reading import load_yaml, real_path
from neurotarget.files.writing import write_text
from neurotarget.problems import DataError
from neurotarget.process.programs import command_for
from neurotarget.runs.folder.foreign import is_elsewhere, is_known_cache, sends
from neurotarget.runs.folder.job_names import LONGEST, job_name, marked
from neurotarget.runs.folder.jobs import Job, JobResult, read_job, result_of, result_overrides
from neurotarget.runs.folder.moved_names import present_overrides

MULTIRUN = "multirun.yaml"
LATEST = "latest_multirun"
JOB_NAME = re.compile(r"(?!\.)[^/\\\x00-\x1f]+")  # one folder, and not a hidden one


def write_multirun(
    folder: Path, overrides: Sequence[str], jobs: Sequence[Job], results: Sequence[JobResult] = ()
) -> None:
    """Write multirun.yaml: the overrides, and the result of each job.

    Jobs of an earlier command in the same folder stay listed.

    Args:
        folder: of the multirun.
        overrides: of the command, with the sweeps.
        jobs: of this command.
        results: known ones; those of other jobs are read from their folders.

    Raises:
        DataError: the file cannot be written.
    """
    results_by_name = {result.folder.name: result for result in results}
    names = {job.name for job in jobs}
    listed = [
        line for line in read_record(folder).get("jobs") or [] if line.get("name") not in names
    ]
    lines = [
        _line(job, results_by_name.get(job.name) or result_of(folder / job.name, job.overrides))
        for job in jobs
    ]
    record = {"words": list(overrides), "jobs": [*listed, *lines]}
    write_text(folder / MULTIRUN, yaml.safe_dump(record, sort_keys=False, allow_unicode=True))


def with_earlier_names(folder: Path, jobs: Sequence[Job]) -> list[Job]:
    """The jobs with the names that an earlier command in this folder gave them.

    A job keeps its folder if other keys are swept over now. If a folder's job was done with other
    overrides, it is kept: the new job's name also contains the overrides that are new.
    """
    lines = read_record(folder).get("jobs") or []
    names = {tuple(result_overrides(line["words"])): line["name"] for line in lines}
    taken = {
        line["name"]: line["words"]
        for line in lines
        if read_job(folder / line["name"]).status in ("done", "pruned")
    }
    renamed = []
    for job in jobs:
        name = names.get(tuple(result_overrides(job.overrides)))
        if name is None and job.name in taken:
            added = [
                override
                for override in result_overrides(job.overrides)
                if override not in taken[job.name]
            ]
            name = f"{job.name},{job_name(added)}"
            if not added or len(name) > LONGEST:
                name = marked(job.name, job.overrides)
        renamed.append(job._replace(name=name or job.name))
    return renamed


def read_multirun(folder: Path) -> list[str]:
    """Overrides that a multirun was started with.

    Raises:
        DataError: multirun.yaml cannot be read.
    """
    if not isinstance(read_record(folder).get("words"), list):
        raise DataError(
            f"resume={folder}: found no overrides in its {MULTIRUN}, wanted those of its "
            f"command; run the command again with {shlex.quote(f'hydra.sweep.dir={folder}')}"
        )
    return _overrides(folder)


def resume_command_of(folder: Path, own: Sequence[str] = ()) -> str:
    """Shell command that resumes a run, quoted for a shell.

    Args:
        folder: of a run or a multirun.
        own: overrides that must be repeated; for a multirun, by default, those of its record for
            which `must_be_repeated` holds.
    """
    own = own or [override for override in _overrides(folder) if must_be_repeated(override, folder)]
    return shlex.join([*command_for("train"), *own, f"resume={folder}"])


def must_be_repeated(override: str, folder: Path) -> bool:
    """Return whether an override must be typed again when an untrusted run is resumed.

    This holds for an override that names a config folder, may send results away, or writes outside
    of the working folder.
    """
    is_far = is_elsewhere(override) and not is_known_cache(override, folder)
    return override.startswith("--config-dir=") or is_far or sends(override)


def link(place: Path, folder: Path) -> None:
    """Make the link `place` point to a folder, in place of what it pointed to before.

    The link is relative and replaced atomically; on file systems without links nothing happens.
    """
    draft = draft_path(place)
    try:
        draft.unlink(missing_ok=True)
        sweep_once(place.parent, now_s=folder.stat().st_mtime)
        draft.symlink_to(os.path.relpath(folder, place.parent), target_is_directory=True)
        draft.replace(place)
    except OSError:
        draft.unlink(missing_ok=True)


def _line(job: Job, result: JobResult) -> dict[str, Any]:
    line = {"name": job.name, "status": result.status, "words": list(job.overrides)}
    if result.reason:
        line |= {"reason": result.reason, "log": f"{job.name}/{result.log.name}"}
    return line


def read_record(folder: Path) -> Mapping[str, Any]:
    """Content of multirun.yaml, with the present names of settings; empty if it cannot be read.

    Raises:
        DataError: a job has no name or no overrides, or its folder would not be inside this one.
    """
    try:
        record = load_yaml(folder / MULTIRUN)
    except (OSError, ValueError):
        return {}
    if not isinstance(record, dict):
        return {}
    lines = record.get("jobs") or []
    if not isinstance(lines, list) or not all(_is_line(line) for line in lines):
        raise DataError(
            f"{folder / MULTIRUN}: found jobs without a name and overrides, wanted those that a "
            "multirun has written; restore the file"
        )
    for line in lines:
        stay_inside(folder, line["name"])
        line["words"] = list(present_overrides(line["words"]))
    return record


def _overrides(folder: Path) -> list[str]:
    overrides = read_record(folder).get("words")
    return list(present_overrides(overrides)) if isinstance(overrides, list) else []


def _is_line(line: object) -> bool:
    is_named = isinstance(line, dict) and isinstance(line.get("name"), str)
    return (
        is_named
        and isinstance(overrides := line.get("words"), list)
        and all(isinstance(override, str) for override in overrides)
    )


def stay_inside(folder: Path, name: str) -> None:
    """Refuse a job whose folder would not be inside that of its multirun.

    Raises:
        DataError: its name is a path, or a link leads elsewhere.
    """
    place = folder / name
    is_name = JOB_NAME.fullmatch(name) is not None
    if not is_name or (place.is_symlink() and real_path(place).parent != real_path(folder)):
        raise DataError(
            f"{folder / MULTIRUN}: found the job {name!r}, wanted a folder in that of the multirun;"
            " restore the file, or start the multirun again"
        )
