"""Calls to Hydra's launchers, arranged so that a job that dies stops no other job.

Launchers raise an exception at the first job that was killed. With submitit, the other jobs
continue and are awaited. A pool of processes (joblib, Ray) breaks down as a whole and does not
report which job broke it: the jobs that were running are then run one by one, so that only the job
at fault can fail, and the rest as before.
"""

import io
import os
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from omegaconf.errors import OmegaConfBaseException

from neurotarget.files.reading import real_path
from neurotarget.problems import DataError
from neurotarget.process.error_sentences import ENDED, reason_of
from neurotarget.runs.folder.jobs import (
    LOG,
    RESULT,
    Job,
    JobResult,
    is_done,
    quoted,
    read_job,
    same_overrides,
)
from neurotarget.runs.folder.run_lock import is_running
from neurotarget.training.devices import PROGRAM

POLL_S = 0.5
EARLIER = ".earlier"


class Launch(NamedTuple):
    """Result of a launcher call: its returns, or its error and submitit's handles."""

    returns: Sequence[JobReturn]
    error: Exception | None
    handles: list[Any]


def launch_jobs(
    launcher: Launcher, jobs: Sequence[Job], folder: Path, *, first_number: int = 0
) -> list[JobResult]:
    """Run jobs in `folder`, that of the multirun, and return the result of each, in their order.

    All jobs run, even if some fail: those with an exception have written the reason; those that
    were killed are recognised by their missing result.

    Args:
        launcher: from Hydra's `Plugins.instance().instantiate_launcher`.
        jobs: those that are done with the same overrides are read, not run.
        folder: `hydra.sweep.dir` of the launcher's config.
        first_number: `hydra.job.num` of the first job.

    Raises:
        DataError: the launcher cannot start any job.
        KeyboardInterrupt: the user stopped it; finished results are in the folders.
    """
    folder = real_path(folder)
    lost: dict[str, str] = {}  # reasons of jobs without a result
    todo: list[Job] = []
    for job in jobs:
        if is_done(folder / job.name, job.overrides):
            continue
        if reason := _unfit(launcher, job, folder / job.name):
            lost[job.name] = reason
            continue
        _make_room(folder, job)
        todo.append(job)
    os.environ[PROGRAM] = str(Path(sys.argv[0]).resolve())
    if todo:
        lost |= launch(launcher, todo, folder, first_number)
    return [_outcome(folder / job.name, job, lost.get(job.name, "")) for job in jobs]


def _outcome(folder: Path, job: Job, reason: str) -> JobResult:
    found = read_job(folder)
    if not reason and found.status != "missing" and same_overrides(found.overrides, job.overrides):
        return found
    status = "missing" if is_running(folder) else "failed"
    return JobResult(folder, status, job.overrides, {}, reason or ENDED, folder / LOG)


def _unfit(launcher: Launcher, job: Job, folder: Path) -> str:
    """Why a job cannot be launched, or ""."""
    if is_running(folder):
        return "another process works on it now"
    try:
        launcher.hydra_context.config_loader.load_sweep_config(launcher.config, list(job.overrides))
    except (HydraException, OmegaConfBaseException) as error:
        return f"its overrides make no configuration ({reason_of(error)})"
    return ""


def _make_room(folder: Path, job: Job) -> None:
    """Move the files of an earlier job of this name away, unless this job resumes it."""
    place = folder / job.name
    if not place.is_dir():
        return
    found = read_job(place)
    if found.status == "missing" and same_overrides(found.overrides, job.overrides):
        return
    number = 1
    while (kept := folder / EARLIER / f"{job.name}-{number}").exists():
        number += 1
    kept.parent.mkdir(exist_ok=True)
    place.rename(kept)
    print(f"{job.name}: begins anew; its earlier files are kept in {kept}", flush=True)


def launch(launcher: Launcher, jobs: Sequence[Job], folder: Path, number: int) -> dict[str, str]:
    """Run all jobs; return the reasons of those without a result, by name.

    Raises:
        DataError: the launcher starts none of them.
    """
    before = {job.name: _written(folder, job) for job in jobs}
    done = _call(launcher, jobs, number)
    _wait(done.handles, folder, jobs)
    lost = {job.name: ENDED for job in jobs if not (folder / job.name / RESULT).is_file()}
    if done.handles:
        reasons = {job.name: _scheduler(one) for job, one in zip(jobs, done.handles, strict=False)}
        return {name: reasons.get(name, reason) for name, reason in lost.items()}
    if done.error is None:
        reasons = {job.name: _raised(one) for job, one in zip(jobs, done.returns, strict=False)}
        return {name: reasons.get(name) or reason for name, reason in lost.items()}
    started = [
        job for job in jobs if job.name in lost and _written(folder, job) != before[job.name]
    ]
    if lost and not started:
        raise DataError(f"{_name(launcher)} starts no job: {reason_of(done.error)}") from done.error
    return _again(launcher, jobs, started, lost, folder=folder, number=number)


def _again(
    launcher: Launcher,
    jobs: Sequence[Job],
    started: Sequence[Job],
    lost: dict[str, str],
    *,
    folder: Path,
    number: int,
) -> dict[str, str]:
    """After a pool broke down: run the started jobs one by one, then those that had not started."""
    if len(jobs) == 1:
        return lost
    numbers = {job.name: number + place for place, job in enumerate(jobs)}
    waiting = [job for job in jobs if job.name in lost and job not in started]
    print(f"a worker died; again, one by one: {', '.join(job.name for job in started)}", flush=True)
    still: dict[str, str] = {}
    for job in started:
        try:
            still |= launch(launcher, [job], folder, numbers[job.name])
        except DataError as error:
            still[job.name] = reason_of(error)
    if waiting:
        still |= launch(launcher, waiting, folder, numbers[waiting[0].name])
    return still


def _call(launcher: Launcher, jobs: Sequence[Job], number: int) -> Launch:
    overrides = [[*job.overrides, f"hydra.sweep.subdir={quoted(job.name)}"] for job in jobs]
    try:
        return Launch(launcher.launch(overrides, initial_job_idx=number), None, [])
    except KeyboardInterrupt as stopped:
        for handle in _handles(stopped):
            if type(handle).__name__ == "LocalJob":  # jobs of a cluster continue there
                handle.cancel()
        raise
    except Exception as error:
        return Launch([], error, _handles(error))


def _handles(error: BaseException) -> list[Any]:
    """Handles of submitit, which its launcher keeps in the stack frame that raised."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        held = frame.f_locals.get("jobs")
        if isinstance(held, list) and all(
            type(one).__module__.startswith("submitit") for one in held
        ):
            return held
    return []


def _wait(handles: Sequence[Any], folder: Path, jobs: Sequence[Job]) -> None:
    for handle in handles:
        handle.wait()
    while any(is_running(folder / job.name) for job in jobs):
        time.sleep(POLL_S)


def _scheduler(handle: object) -> str:
    paths = handle.paths
    log = next((path for path in (paths.stderr, paths.stdout) if path.is_file()), paths.folder)
    return f"{ENDED} (state {handle.state.lower()}; its log: {log})"


def _raised(done: JobReturn) -> str:
    """Why a job failed before it could write a result."""
    try:
        with redirect_stderr(io.StringIO()):
            _ = done.return_value
    except Exception as error:
        return reason_of(error)
    return ""


def _written(folder: Path, job: Job) -> int:
    try:
        return (folder / job.name / LOG).stat().st_size
    except OSError:
        return -1


def _name(launcher: Launcher) -> str:
    return f"hydra/launcher {type(launcher).__name__}"
