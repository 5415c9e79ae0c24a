"""Run one job of a multirun: it always writes result.json, and its failure stops no other job."""

import gc
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TextIO

from filelock import Timeout
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from neurotarget.files.ownership import claimed
from neurotarget.problems import DataError
from neurotarget.process.error_sentences import ENDED, reason_of
from neurotarget.process.exit_codes import escape_output, exits_with_sentence
from neurotarget.process.signals import Stopped, signal_of
from neurotarget.runs.folder.jobs import (
    LOG,
    RESULT,
    JobResult,
    Status,
    is_done,
    read_job,
    write_result,
)
from neurotarget.runs.folder.multirun import MULTIRUN
from neurotarget.runs.folder.older_output import older_output
from neurotarget.runs.folder.run_lock import CLAIM_S, claimed_alone, running
from neurotarget.sweeps.command_overrides import own_folders
from neurotarget.sweeps.job_log import logged
from neurotarget.training.resources.devices import JOB, needs_own_process, rank, run_in_own_process

LAST = Path("weights") / "last.ckpt"

Train = Callable[[DictConfig], Mapping[str, float]]


class Ended(NamedTuple):
    """Outcome of a job.

    `values` are the best values by metric, empty unless it is done; `reason` is "" for a job that
    is done.
    """

    status: Status
    values: Mapping[str, float]
    reason: str


def run_as_job(train: Train, cfg: DictConfig) -> float:
    """Run a training as a job of a multirun or alone, and return the value that a search optimises.

    Outside a multirun, errors are printed as by `exits_with_sentence`. In a multirun no error is
    raised: it is recorded in result.json and job.log, and the launcher continues. A job that was
    stopped after a checkpoint is resumed: `cfg.resume` is set to its folder.

    Args:
        train: returns its best values by metric.
        cfg: configuration of the job, as Hydra composed it.

    Returns:
        The value of the metric `cfg.monitor`; NaN if it was not logged or the job failed.

    Raises:
        KeyboardInterrupt: the user stops the whole multirun.
    """
    escape_output()  # a launcher's process has its own streams
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    number = _rank(cfg)
    is_alone = os.environ.get(JOB) == str(folder)  # a process was started for this job only
    if hydra.mode == RunMode.MULTIRUN or is_alone:
        _resume(cfg, folder)
        if number > 0:
            values = train(cfg)
        elif is_alone:
            values = _recorded(train, cfg, folder, sys.stderr).values
        else:
            values = _run(train, cfg, folder)
    else:
        values = exits_with_sentence(train if number else _claimed(train, folder))(cfg)
        is_replay = OmegaConf.select(cfg, "replay") is not None
        # a job resumed on its own
        if number == 0 and not is_replay and (folder.parent / MULTIRUN).is_file():
            write_result(folder, "done", _overrides(), values=values)
    return float(values.get(_monitor(cfg), math.nan))


def _rank(cfg: DictConfig) -> int:
    return rank(OmegaConf.select(cfg, "trainer") or {})


def _claimed(train: Train, folder: Path) -> Train:
    """Wrap a training so that it claims the folder and holds its lock."""

    def in_claimed(cfg: DictConfig) -> Mapping[str, float]:
        """Run the training with the folder claimed and locked."""
        claimed(folder, older=older_output, key="hydra.run.dir")
        with claimed_alone(folder):
            return train(cfg)

    return in_claimed


def _monitor(cfg: DictConfig) -> str:
    return str(OmegaConf.select(cfg, "monitor"))


def _best(cfg: DictConfig, values: Mapping[str, float]) -> str:
    return "".join(f"{key} {values[key]:.3f}, " for key in [_monitor(cfg)] if key in values)


def _overrides() -> list[str]:
    return [one for one in HydraConfig.get().overrides.task if not one.startswith("resume=")]


def _resume(cfg: DictConfig, folder: Path) -> None:
    if (folder / LAST).is_file() and not (folder / RESULT).is_file():
        with read_write(cfg), open_dict(cfg):
            cfg.resume = str(folder)


def _run(train: Train, cfg: DictConfig, folder: Path) -> Mapping[str, float]:
    """Run a job under its lock, with its log; print one line at its end."""
    is_basic = HydraConfig.get().runtime.choices.get("hydra/launcher") == "basic"
    began_s = time.monotonic()
    try:
        with (
            running(folder).acquire(timeout=CLAIM_S),
            logged(folder / LOG, redirects=not is_basic) as log,  # several would mix their output
        ):
            if is_done(folder, _overrides()):  # a launcher may retry by itself, as Ray does
                return read_job(folder).values
            (folder / RESULT).unlink(missing_ok=True)
            ended = (
                _in_own_process(folder)
                if needs_own_process(cfg)
                else _recorded(train, cfg, folder, log)
            )
    except Timeout:
        ended = Ended("failed", {}, "another process works on it now")
    except (DataError, OSError) as error:  # such as a full disk, where no result can be written
        ended = Ended("failed", {}, reason_of(error))
    _free()
    minutes = (time.monotonic() - began_s) / 60
    outcome = ended.reason or f"{_best(cfg, ended.values)}{minutes:.1f} min"
    where = f"; log {folder / LOG}" if ended.status == "failed" else ""
    print(f"{ended.status}: {folder.name}: {outcome}{where}", file=sys.stderr, flush=True)
    return ended.values


def _in_own_process(folder: Path) -> JobResult | Ended:
    hydra = HydraConfig.get()
    status = run_in_own_process([*own_folders(hydra), *_overrides()], folder, hydra.runtime.cwd)
    result = read_job(folder)
    if result.status == "missing":
        return Ended("failed", {}, f"{ENDED} (exit status {status})")
    return result


def _recorded(train: Train, cfg: DictConfig, folder: Path, log: TextIO) -> Ended:
    """Run the job and write its outcome."""
    ended = _attempt(train, cfg, folder, log)
    write_result(folder, ended.status, _overrides(), values=ended.values, reason=ended.reason)
    return ended


def _attempt(train: Train, cfg: DictConfig, folder: Path, log: TextIO) -> Ended:
    try:
        claimed(folder, older=older_output, key="hydra.run.dir")
        return Ended("done", train(cfg), "")
    except (Exception, SystemExit) as error:
        if (number := signal_of(error)) is not None:
            raise Stopped(number) from error
        if _is_requeued(error):
            raise
        if any(kind.__name__ == "TrialPruned" for kind in type(error).__mro__):  # raised by Optuna
            return Ended("pruned", {}, reason_of(error))
        to_terminal = os.environ.get("NEUROTARGET_TRACEBACK")
        traceback.print_exc(file=None if to_terminal else log)
        return Ended("failed", {}, reason_of(error))


def _is_requeued(error: BaseException) -> bool:
    """Return whether submitit ends the job at its time limit; then no result is written.

    Submitit resumes the job later. Its signal handler exits with -1, or raises its own error.
    """
    is_exit = isinstance(error, SystemExit) and error.code == -1
    return is_exit or type(error).__module__.startswith("submitit")


def _free() -> None:
    """Free memory that reference cycles of this job hold, for the next job of the process."""
    gc.collect()
    torch = sys.modules.get("torch")  # a job that has not loaded it holds nothing on a GPU
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
