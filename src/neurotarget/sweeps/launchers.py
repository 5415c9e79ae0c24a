"""Call Hydra's launchers: finished jobs are left out, and each job gets a result.

A launcher raises at the first job that was killed: a pool of processes (joblib, Ray) then ends all
jobs that it was running, and submitit's other jobs continue by themselves. Jobs without a result
run when the multirun is resumed.
"""

import io
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path

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
    result_of,
    same_overrides,
)
from neurotarget.runs.folder.run_lock import is_running
from neurotarget.training.resources.devices import PROGRAM

EARLIER = ".earlier"


def launch_jobs(
    launcher: Launcher, jobs: Sequence[Job], folder: Path, *, first_number: int = 0
) -> list[JobResult]:
    """Run jobs in the multirun's `folder`; return the result of each job, in their order.

    All jobs run, even if some fail: those with an exception have written the reason; those that
    were killed are recognised by their missing result.

    Args:
        launcher: from Hydra's `Plugins.instance().instantiate_launcher`.
        jobs: jobs; the results of finished jobs with the same overrides are read.
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
        if reason := _launch_problem(launcher, job, folder / job.name):
            lost[job.name] = reason
            continue
        _move_earlier_files(folder, job)
        todo.append(job)
    os.environ[PROGRAM] = str(Path(sys.argv[0]).resolve())
    if todo:
        lost |= _launch(launcher, todo, folder, first_number)
    return [_outcome(folder / job.name, job, lost.get(job.name, "")) for job in jobs]


def _outcome(folder: Path, job: Job, reason: str) -> JobResult:
    result = result_of(folder, job.overrides)
    if not reason and result.status != "missing":
        return result
    status = "missing" if is_running(folder) else "failed"
    return JobResult(folder, status, job.overrides, {}, reason or ENDED, folder / LOG)


def _launch_problem(launcher: Launcher, job: Job, folder: Path) -> str:
    """Return why a job cannot be launched; empty if it can."""
    if is_running(folder):
        return "another process works on it now"
    try:
        launcher.hydra_context.config_loader.load_sweep_config(launcher.config, list(job.overrides))
    except (HydraException, OmegaConfBaseException) as error:
        return f"its overrides make no configuration ({reason_of(error)})"
    return ""


def _move_earlier_files(folder: Path, job: Job) -> None:
    """Move the files of an earlier job of this name away, unless this job resumes it."""
    place = folder / job.name
    if not place.is_dir():
        return
    earlier = read_job(place)
    if earlier.status == "missing" and same_overrides(earlier.overrides, job.overrides):
        return
    number = 1
    while (kept := folder / EARLIER / f"{job.name}-{number}").exists():
        number += 1
    kept.parent.mkdir(exist_ok=True)
    place.rename(kept)
    print(f"{job.name}: starts again; its earlier files are kept in {kept}", flush=True)


def _launch(
    launcher: Launcher, jobs: Sequence[Job], folder: Path, first_number: int
) -> dict[str, str]:
    """Run all jobs; return the failure reasons of jobs without a result, by name.

    Raises:
        DataError: the launcher starts no job.
    """
    overrides = [[*job.overrides, f"hydra.sweep.subdir={quoted(job.name)}"] for job in jobs]
    before = {job.name: _log_bytes(folder, job) for job in jobs}
    returns: Sequence[JobReturn] = []
    reason = ENDED
    try:
        returns = launcher.launch(overrides, initial_job_idx=first_number)
    except Exception as error:  # of any type, from the first job that was killed
        if all(_log_bytes(folder, job) == before[job.name] for job in jobs):
            name = f"hydra/launcher {type(launcher).__name__}"
            raise DataError(f"{name} starts no job: {reason_of(error)}") from error
        reason = f"{ENDED} ({reason_of(error)})"
    reasons = {job.name: _raised(one) for job, one in zip(jobs, returns, strict=False)}
    lost = [job.name for job in jobs if not (folder / job.name / RESULT).is_file()]
    return {name: reasons.get(name) or reason for name in lost}


def _raised(done: JobReturn) -> str:
    """Return why a job failed before it could write a result."""
    try:
        with redirect_stderr(io.StringIO()):
            _ = done.return_value
    except Exception as error:
        return reason_of(error)
    return ""


def _log_bytes(folder: Path, job: Job) -> int:
    """Return the size of a job's log, which grows when the job starts; -1 without a log."""
    try:
        return (folder / job.name / LOG).stat().st_size
    except OSError:
        return -1
