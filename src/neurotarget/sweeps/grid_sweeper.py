"""Run the grid of a multirun: all combinations of listed values, as `model=a,b data.fold=0,1`."""

import itertools
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig

from neurotarget.problems import DataError
from neurotarget.process.exit_codes import exits_with_sentence
from neurotarget.process.signals import resumable_with
from neurotarget.runs.folder.job_names import job_name
from neurotarget.runs.folder.jobs import Job, JobResult, is_done, result_of
from neurotarget.runs.folder.multirun import (
    LATEST,
    link,
    resume_command_of,
    with_earlier_names,
    write_multirun,
)
from neurotarget.runs.folder.multirun_overview import overview
from neurotarget.sweeps.command_overrides import multirun_overrides
from neurotarget.sweeps.finished_jobs import outdated_jobs
from neurotarget.sweeps.launchers import launch_jobs

POOLING = "neurotarget.sweeps.cross_validation"  # loads statistics and figures
FUSION = "neurotarget.comparison.series_fusion"  # likewise


def grid_jobs(overrides: Sequence[Override]) -> list[Job]:
    """Return one job per distinct combination; the last key varies fastest.

    If a key is repeated, the later override counts. A job is named after the keys that vary.

    Raises:
        DataError: a key has an interval, which a grid cannot list.
    """
    texts: dict[str, list[str]] = {}
    swept: dict[str, bool] = {}
    for override in overrides:
        key = override.get_key_element()
        swept[key] = override.is_sweep_override()
        if override.is_interval_sweep():
            raise DataError(
                f"{override.input_line}: found an interval, wanted values that can be listed; set "
                f"{key}=a,b,c or {key}=range(a,b), or let sweep=optuna sample it"
            )
        if swept[key]:
            texts[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            texts[key] = [override.input_line or ""]
    jobs: dict[str, Job] = {}
    for combination in itertools.product(*texts.values()):
        name = job_name([text for text, key in zip(combination, texts, strict=True) if swept[key]])
        jobs[name] = Job(name, combination)
    return list(jobs.values())


@exits_with_sentence
def sweep_grid(
    arguments: Sequence[str],
    *,
    launcher: Launcher,
    config: DictConfig,
    context: HydraContext,
    params: Mapping[str, object],
    max_batch_size: int | None,
) -> list[JobResult]:
    """Run every combination of `arguments` that is not done; exit with 1 if a job failed.

    Args:
        arguments: overrides on the command line; they take precedence over `params`.
        launcher: the launcher that Hydra set up.
        config: Hydra's configuration before the overrides of any job.
        context: Hydra's context.
        params: values by key, from a configuration.
        max_batch_size: jobs passed to the launcher at once; None for all of them.

    Returns:
        The result of every job in the order of the grid, also of those done before.

    Raises:
        DataError: the folder is that of one run, or an override cannot be listed.
    """
    given = [*(f"{key}={values}" for key, values in params.items()), *arguments]
    overrides = OverridesParser.create(context.config_loader).parse_overrides(given)
    folder = Path(str(config.hydra.sweep.dir)).resolve()
    if (folder / "config.yaml").is_file():
        raise DataError(
            f"hydra.sweep.dir={folder}: found the folder of one run, wanted that of a multirun or "
            "a new one; choose another, or leave it out"
        )
    jobs = with_earlier_names(
        folder, grid_jobs([one for one in overrides if one.key_or_group != "resume"])
    )
    command = multirun_overrides(config)
    before = {job.name for job in jobs if is_done(folder / job.name, job.overrides)}
    write_multirun(folder, command, jobs)
    link(folder.parent / LATEST, folder)
    print(f"{len(jobs)} jobs, {len(before)} of them done before, in {folder}", flush=True)
    done = [job for job in jobs if job.name in before]
    for line in outdated_jobs(context.config_loader, config, done, folder):
        print(line, flush=True)
    results: list[JobResult] = []
    size = max_batch_size or (1 if type(launcher).__name__ == "BasicLauncher" else len(jobs))
    with resumable_with(resume_command_of(folder)):
        try:
            for start in range(0, len(jobs), size):
                batch = jobs[start : start + size]
                if size == 1 and batch[0].name not in before:
                    print(f"job {start + 1} of {len(jobs)}: {batch[0].name}", flush=True)
                results += launch_jobs(launcher, batch, folder, first_number=start)
        finally:
            write_multirun(folder, command, jobs, results)
    results = [_by_now(result) for result in results]
    write_multirun(folder, command, jobs, results)
    print(overview(folder, results, before), flush=True)
    if any(result.status in ("failed", "missing") for result in results):
        context.callbacks.on_multirun_end(config=config, config_name=config.hydra.job.config_name)
        sys.exit(1)
    if any(one.key_or_group == "cv" and one.value() is not None for one in overrides):
        pooling = import_module(POOLING)
        pooling.print_pooled(pooling.pool_multirun(folder), folder)
    if config.get("fuse"):
        import_module(FUSION).print_fused(folder)
    return results


def _by_now(result: JobResult) -> JobResult:
    """Return the current result of a job that was left to another process."""
    current = result_of(result.folder, result.overrides)
    return current if result.status == "missing" and current.status != "missing" else result
