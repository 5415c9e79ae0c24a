"""One job of a multirun: it ends with a result.json, whatever happens, and takes no other along."""

import gc
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TextIO

import torch
from filelock import Timeout
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from neurotarget.cli.errors import taught
from neurotarget.cli.job_log import logged
from neurotarget.cli.jobs import LOG, RESULT, Status, quoted, running, write_result
from neurotarget.cli.multirun import MULTIRUN
from neurotarget.cli.ranks import as_one_command, check_ranks, rank
from neurotarget.cli.reasons import reason_of
from neurotarget.types import DataError

LAST = Path("weights") / "last.ckpt"

CLAIM_S = 5.0  # whoever only looks whether a job runs lets its lock go at once

Act = Callable[[DictConfig], Mapping[str, float]]


class Ended(NamedTuple):
    """How a job ended."""

    status: Status
    values: Mapping[str, float]
    reason: str


def run_as_job(act: Act, cfg: DictConfig) -> float:
    """Run `act`, which returns its best values by metric; returns that of `cfg.monitor`, else NaN.

    Outside a multirun its errors are told as `taught` does. In a multirun no error leaves here:
    result.json and job.log tell it, and the launcher goes on. A job that was stopped after a
    checkpoint gets `cfg.resume`.

    Raises:
        KeyboardInterrupt: the user stops the whole multirun.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    words = [word for word in hydra.overrides.task if not word.startswith("resume=")]
    if hydra.mode != RunMode.MULTIRUN:
        values = taught(act)(cfg)
        if rank() == 0 and (folder.parent / MULTIRUN).is_file():  # a job that goes on by itself
            write_result(folder, "done", words, values=values)
    else:
        _go_on(cfg, folder)
        values = _run(act, cfg, folder, words) if rank() == 0 else act(cfg)
    return float(values.get(str(OmegaConf.select(cfg, "monitor")), math.nan))


def _go_on(cfg: DictConfig, folder: Path) -> None:
    if (folder / LAST).is_file() and not (folder / RESULT).is_file():
        with read_write(cfg), open_dict(cfg):
            cfg.resume = str(folder)


def _run(act: Act, cfg: DictConfig, folder: Path, words: list[str]) -> Mapping[str, float]:
    hydra = HydraConfig.get()
    shown = hydra.runtime.choices.get("hydra/launcher") == "basic"  # others mix what jobs print
    began_s = time.monotonic()
    try:
        with (
            running(folder).acquire(timeout=CLAIM_S),
            logged(folder / LOG, shown=shown) as log,
            as_one_command(_words_of_ranks(cfg, hydra)),
        ):
            (folder / RESULT).unlink(missing_ok=True)
            ended = _attempt(act, cfg, log)
            write_result(folder, ended.status, words, values=ended.values, reason=ended.reason)
    except Timeout:
        ended = Ended("failed", {}, "another process works on it now")
    except (DataError, OSError) as error:  # the disk is full, say: not even its end can be noted
        ended = Ended("failed", {}, reason_of(error))
    _free()
    minutes = (time.monotonic() - began_s) / 60
    told = ended.reason or f"{minutes:.1f} min"
    where = f"; log {folder / LOG}" if ended.status == "failed" else ""
    print(f"{ended.status}: {folder.name}: {told}{where}", file=sys.stderr, flush=True)
    return ended.values


def _attempt(act: Act, cfg: DictConfig, log: TextIO) -> Ended:
    try:
        check_ranks(cfg)
        return Ended("done", act(cfg), "")
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        is_pruned = any(kind.__name__ == "TrialPruned" for kind in type(error).__mro__)
        if not is_pruned:
            to_terminal = os.environ.get("NEUROTARGET_TRACEBACK")
            traceback.print_exc(file=None if to_terminal else log)
        return Ended("pruned" if is_pruned else "failed", {}, reason_of(error))


def _free() -> None:
    """Give the next job of this process the memory of this one, which cycles hold."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _words_of_ranks(cfg: DictConfig, hydra: HydraConf) -> list[str]:
    own = [
        f"--config-dir={source.path}"
        for source in hydra.runtime.config_sources
        if source.provider == "command-line"
    ]
    words = [word for word in hydra.overrides.task if not word.startswith("resume=")]
    resumed = OmegaConf.select(cfg, "resume")
    return [*own, *words, *([f"resume={quoted(resumed)}"] if resumed else [])]
