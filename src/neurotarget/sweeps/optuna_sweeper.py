"""The loop of `python train.py -m experiment=… sweep=optuna …`: ask Optuna, train, report to it.

The study in the storage is the only state: any number of processes may run the same command, and a
stopped command is resumed by running it again. Trials of processes that have ended are resumed too.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from neurotarget.problems import DataError
from neurotarget.process.exit_codes import exits_with_sentence
from neurotarget.process.signals import resumable_with
from neurotarget.runs.folder.jobs import Job, JobResult
from neurotarget.runs.folder.multirun import LATEST, link, resume_command_of, write_multirun
from neurotarget.runs.folder.run_lock import is_running
from neurotarget.runs.network.task_class import task_class
from neurotarget.sweeps.command_overrides import multirun_overrides
from neurotarget.sweeps.launchers import launch_jobs
from neurotarget.sweeps.optuna_study import (
    Search,
    check_same_search,
    need_optuna,
    not_learnt,
    objective_values,
    open_study,
    read_search,
    sampler_of,
    unopened,
)
from neurotarget.sweeps.optuna_workers import Workers
from neurotarget.sweeps.search_space import Dimension
from neurotarget.sweeps.trial_overrides import of_trials, signature, split_overrides
from neurotarget.sweeps.trials_table import (
    AT,
    PAGE,
    UNLEARNT,
    Tables,
    conclusion,
    seconds_of,
    trial_line,
)

if TYPE_CHECKING:
    import optuna

POLL_S = 2.0
UNCLAIMED_S = 60.0  # after this time an unmarked trial counts as left by its process


@exits_with_sentence
def search(launcher: Launcher, config: DictConfig, overrides: Sequence[str]) -> None:
    """Run the search that `config.sweep` and the overrides define.

    Args:
        launcher: the launcher that Hydra set up.
        config: Hydra's configuration before the overrides of any trial.
        overrides: overrides of the command line; keys with several values are searched.

    Raises:
        DataError: settings are refused, the storage does not answer, or every trial failed.
    """
    need_optuna()
    from optuna.exceptions import StorageInternalError

    folder = Path(str(config.hydra.sweep.dir)).resolve()
    settings = OmegaConf.to_container(config.sweep, resolve=True)
    task = task_class({"task": {"_target_": OmegaConf.select(config, "task._target_") or ""}})
    name = str(OmegaConf.select(config, "name") or folder.name)
    definition = read_search(settings, folder, name, task)
    if OmegaConf.select(config, "held_out"):
        raise DataError(
            "held_out: found true, wanted false: a search must not look at the held-out cases; "
            "leave it out, and train the best settings afterwards by the command that is printed"
        )
    loader = launcher.hydra_context.config_loader
    fixed, space = split_overrides(loader, config, settings.get("space") or {}, overrides)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".study.lock")
    study = open_study(definition, lock)
    with lock:
        check_same_search(study, signature(definition.objectives, fixed, space))
    command = multirun_overrides(config)
    own = [override for override in command if override.startswith("--config-dir=")]
    target = str(OmegaConf.select(config, "target.name") or definition.study_name)
    tables = Tables(folder, target, definition, space, (*own, *fixed))
    link(folder.parent / LATEST, folder)
    with Workers(folder) as workers:
        process = SearchProcess(
            launcher, definition, study, space, of_trials(fixed), tuple(command), folder, lock
        )
        try:
            process.run_to_end(workers, tables)
        except StorageInternalError as error:
            raise unopened(definition, error) from error


@dataclass(frozen=True)
class SearchProcess:
    """One process of a search; several may share its study.

    `fixed` and `space` make the overrides of a trial.
    """

    launcher: Launcher
    search: Search
    study: "optuna.Study"
    space: tuple[Dimension, ...]
    fixed: tuple[str, ...]  # overrides of every trial
    command: tuple[str, ...]  # overrides that the search was started with
    folder: Path
    lock: FileLock  # held while trials are counted and started

    def run_to_end(self, workers: Workers, tables: Tables) -> None:
        """Run trials until the search is complete, then print the best.

        Raises:
            DataError: every trial failed.
        """
        self._write_jobs(())  # before the command that resumes is printed
        searched = ", ".join(one.key for one in self.space)
        print(
            f"search: {self.search.trials} trials over {searched}\n"
            f"  results   {self.folder / PAGE}\n"
            f"  stopped?  {resume_command_of(self.folder)}\n"
            "  faster?   run that in another terminal: both share the trials",
            flush=True,
        )
        with resumable_with(resume_command_of(self.folder)):
            try:
                while (batch := self._next(workers)) is not None:
                    if batch:
                        self._run(batch, tables)
                    else:
                        time.sleep(POLL_S)
            finally:
                tables.write(self.study, at_end=True)
        print(conclusion(self.study, tables), flush=True)

    def _next(self, workers: Workers) -> list["optuna.Trial"] | None:
        """Return the trials for one launcher call: first those of ended processes, then new trials.

        The list is empty if the job of an unfinished trial still runs; None if all are done.
        """
        from optuna.trial import Trial

        workers.claim()
        with self.lock:
            trials = self.study.get_trials(deepcopy=False)
            left = [one for one in trials if is_left(one, workers)]
            idle = [one for one in left if not is_running(self.folder / name_of(one.number))]
            if idle:
                again = idle[: self.search.parallel]
                return [self._mark(Trial(self.study, one._trial_id), workers) for one in again]
            num_started = sum(one.state.name != "WAITING" for one in trials)
            room = min(self.search.parallel, self.search.trials - num_started)
            new = [self._mark(self.study.ask(), workers) for _ in range(room)]
            return new if new or left else None

    def _mark(self, trial: "optuna.Trial", workers: Workers) -> "optuna.Trial":
        folder = str(self.folder / name_of(trial.number))
        at = {"folder": folder, "place": workers.place, "worker": workers.number}
        trial.set_user_attr(AT, at)
        return trial

    def _run(self, batch: Sequence["optuna.Trial"], tables: Tables) -> None:
        jobs = [Job(name_of(trial.number), self._overrides(trial)) for trial in batch]
        for job in jobs:
            sampled = [override for override in job.overrides if override not in self.fixed]
            print(f"{job.name}: {' '.join(sampled[:-1])}", flush=True)  # not sweep.trial=
        self._write_jobs(jobs)
        began_s = time.monotonic()
        results = launch_jobs(self.launcher, jobs, self.folder, first_number=batch[0].number)
        lasted_s = time.monotonic() - began_s if len(batch) == 1 else None
        for trial, result in zip(batch, results, strict=True):
            if result.status != "missing":  # else another process works on it
                seconds = seconds_of(result.folder, lasted_s)
                self._report(trial, result, seconds)
                print(trial_line(self.study, trial.number, result, tables), flush=True)
        self._write_jobs(jobs, results)
        tables.write(self.study)

    def _write_jobs(self, jobs: Sequence[Job], results: Sequence[JobResult] = ()) -> None:
        with self.lock:
            write_multirun(self.folder, self.command, jobs, results)

    def _overrides(self, trial: "optuna.Trial") -> tuple[str, ...]:
        self.study.sampler = sampler_of(self.search, trial.number)
        sampled = [one.suggest(trial) for one in self.space]
        return (*self.fixed, *sampled, f"sweep.trial={trial.number}")

    def _report(self, trial: "optuna.Trial", result: JobResult, seconds: float | None) -> None:
        from optuna.trial import TrialState

        values, reason = objective_values(result.values, self.search.metrics)
        states = {"done": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
        state = states.get(result.status, TrialState.FAIL)
        if state is not TrialState.COMPLETE:
            reason = result.reason
        elif reason:
            state = TrialState.FAIL
        if state is TrialState.COMPLETE and (why := not_learnt(result.values)):
            trial.set_user_attr(UNLEARNT, why)
        if reason:
            trial.set_user_attr("reason", reason)
        if seconds is not None:
            trial.set_user_attr("seconds", seconds)
        final = values if state is TrialState.COMPLETE else None
        self.study.tell(trial.number, final, state=state, skip_if_finished=True)


def is_left(trial: "optuna.trial.FrozenTrial", workers: Workers) -> bool:
    """Return whether a trial was started by a process of this folder that has ended.

    A trial without a mark of its process counts as left a minute after its start.
    """
    if trial.state.name != "RUNNING":
        return False
    if at := trial.user_attrs.get(AT):
        return at["place"] == workers.place and at["worker"] in workers.held
    age = datetime.now() - trial.datetime_start  # Optuna's times are local and naive
    return age.total_seconds() > UNCLAIMED_S


def name_of(number: int) -> str:
    """Folder name of a trial, such as `trial_0007`."""
    return f"trial_{number:04d}"
