"""Weights & Biases and CSV: what a run tells its trackers, and how it never waits for them."""

import netrc
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import wandb
from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from neurotarget.files.reading import read_plain
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import write_json
from neurotarget.runs.tracking.metrics_log import metrics_log
from neurotarget.stats.cohort.learning import DOUBTFUL, NOT_LEARNT, Learning
from neurotarget.study.study_folder import Written

SHOWN = 200  # letters of an error
SWEEP_ID = "WANDB_SWEEP_ID"  # set by the agent of a W&B sweep
# W&B keeps a copy of what it logs below HOME, which may be full, small or closed to us; its own
# settings, such as the host that somebody logged in to, stay where they are
PLACES = {"WANDB_DATA_DIR": "data", "WANDB_CACHE_DIR": "cache"}
INIT_S = 10.0  # in which W&B answers, or the run is logged offline
FINISH_S = 300.0  # in which the last is uploaded; `wandb sync` does the rest
MODES = ("auto", "online", "offline", "disabled")


def wandb_mode(asked: str) -> str:
    """`online` with a key at hand, else `offline`; WANDB_MODE wins over `auto`.

    Raises:
        DataError: the word is not one of the modes.
    """
    if asked not in MODES:
        raise DataError(f"logger.wandb: got {asked!r}, wanted one of {', '.join(MODES)}")
    if asked != "auto":
        return asked
    if (told := os.environ.get("WANDB_MODE")) in MODES[1:]:
        return told
    return "online" if os.environ.get("WANDB_API_KEY") or _netrc_has_key() else "offline"


def loggers(
    folder: Path,
    settings: Mapping[str, Any],
    *,
    run_id: str,
    name: str,
    config: Mapping,
    resumed_step: int = 0,
    job_type: str = "train",
) -> list[Logger]:
    """CSV always; W&B unless disabled, or unable to start, which is reported in one sentence.

    Whoever asks for loggers is the process that writes them. A resumed run keeps its W&B id, and
    its CSV the rows before `resumed_step`. The agent of a W&B sweep says itself which run of which
    project this is; run.json then keeps that id.
    """
    rank_zero_only.rank = 0  # or Lightning's loggers are silent in Slurm's second task
    made: list[Logger] = [metrics_log(folder, resumed_step)]
    mode = wandb_mode(settings["wandb"])
    if mode == "disabled":
        return made
    os.environ.setdefault("WANDB_SILENT", "true")
    options = {
        "project": settings["project"],
        "entity": settings["entity"],
        "group": settings["group"],
        "tags": list(settings["tags"]),
        "name": name,
        "job_type": job_type,
        "id": run_id,
        "dir": str(folder),
        "config": dict(config),
        "resume": "allow",
        "reinit": "finish_previous",  # one W&B run per job of a multirun
    }
    if os.environ.get(SWEEP_ID):
        for key in ("project", "entity", "id"):
            del options[key]
    ours = [key for key in PLACES if key not in os.environ]
    os.environ.update({key: str(folder / "wandb" / PLACES[key]) for key in ours})
    logger = _wandb_logger(mode, options, ours)
    if logger is None:
        return made
    if logger.experiment.id != run_id:
        _keep_id(folder, logger.experiment.id)
    return [*made, logger]


class ForgivingLogger(WandbLogger):
    """W&B that is left alone after its first error: no run is lost for its tracker."""

    def __init__(self, run: "wandb.Run", places: Sequence[str]) -> None:
        super().__init__(experiment=run)
        self.places, self.is_lost = places, False  # variables of the environment, ours for the run

    def attempt(self, act: Callable[[], object]) -> None:
        """Do what speaks to W&B, unless an earlier attempt failed."""
        if self.is_lost:
            return
        try:
            act()
        except Exception as error:  # the service's, the network's, the disk's, W&B's own
            self.is_lost = True
            print(
                f"W&B failed ({_short(error)}) and is left alone; the run goes on, and logs/ and "
                "the other files of its folder have all of it",
                flush=True,
            )

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers."""
        self.attempt(lambda: super(ForgivingLogger, self).log_metrics(metrics, step))

    def log_hyperparams(self, params: Mapping[str, Any]) -> None:
        """Log settings."""
        self.attempt(lambda: super(ForgivingLogger, self).log_hyperparams(params))

    def finalize(self, status: str) -> None:
        """End a training."""
        self.attempt(lambda: super(ForgivingLogger, self).finalize(status))

    def finish(self, *, failed: bool) -> None:
        """Close the run, also after an error, which may have been of what was logged."""
        if self.is_lost:
            with suppress(Exception):
                self.experiment.finish(exit_code=int(failed))
        self.attempt(lambda: self.experiment.finish(exit_code=int(failed)))
        _forget(self.places)


def _wandb_logger(
    mode: str, options: Mapping[str, Any], places: Sequence[str]
) -> ForgivingLogger | None:
    """A W&B run, offline where it cannot be online; None where it cannot be at all."""
    waits = {"init_timeout": INIT_S, "finish_timeout": FINISH_S}
    known = {key: wait for key, wait in waits.items() if key in wandb.Settings.model_fields}
    for attempt in dict.fromkeys((mode, "offline")):
        try:
            run = wandb.init(mode=attempt, settings=wandb.Settings(**known), **options)
            return ForgivingLogger(run, places)
        except Exception as error:  # no key of this kind, no network, no space, its own
            instead = "offline" if attempt != "offline" else "in logs/ only"
            print(f"W&B does not begin ({_short(error)}); this run is logged {instead}", flush=True)
            with suppress(Exception):
                wandb.teardown()  # its service counts this run as started
    _forget(places)
    return None


def _forget(places: Sequence[str]) -> None:
    for key in places:
        os.environ.pop(key, None)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def on_wandb(made: Sequence[Logger], act: Callable[["wandb.Run"], object]) -> None:
    """Do something with the W&B run among the loggers, if there is one that works."""
    for logger in made:
        if isinstance(logger, ForgivingLogger):
            logger.attempt(lambda run=logger.experiment: act(run))


def _keep_id(folder: Path, run_id: str) -> None:
    """Let a run that goes on later, by itself, be the same one to W&B."""
    path = folder / "run.json"
    write_json(path, read_plain(path) | {"id": run_id})


def log_final(
    made: Sequence[Logger],
    *,
    summary: Mapping[str, float],
    rows: pd.DataFrame,
    study: Written | None,
) -> None:
    """Put the final numbers, rows, study tables, figures and overlays into the W&B run."""
    logged = {"test/rows": rows}
    pictures: dict[str, Path] = {}  # one each: W&B wants those of one name of one size
    if study is not None:
        logged |= {f"study/{name}": table for name, table in study.study.tables.items()}
        pictures = {f"study/figures/{path.stem}": path for path in study.figures}
        pictures |= {f"test/overlays/{path.stem}": path for path in study.overlays}

    def act(run: "wandb.Run") -> None:
        run.summary.update(dict(summary))
        found = {name: _table(table) for name, table in logged.items() if len(table)}
        for name, path in pictures.items():
            found[name] = wandb.Image(str(path), caption=path.stem)
        run.log(found)

    on_wandb(made, act)


def log_learning(made: Sequence[Logger], learning: Learning | None) -> None:
    """Say whether the network has learnt in the summary of the W&B run; else tag it so as well."""
    if learning is None:
        return

    def act(run: "wandb.Run") -> None:
        reasons = " ".join((*learning.reasons, *learning.warnings))
        run.summary.update({"learnt": learning.word, "learnt_reasons": reasons})
        if learning.word in (NOT_LEARNT, DOUBTFUL):
            run.tags = (*(run.tags or ()), learning.word)

    on_wandb(made, act)


def _table(table: pd.DataFrame) -> wandb.Table:
    """A W&B table; text stays text where some of a column is absent."""
    plain = table.astype({name: object for name in table if table[name].dtype.kind not in "ifb"})
    return wandb.Table(dataframe=plain.where(plain.notna(), None))


def finish(made: Sequence[Logger], *, failed: bool) -> None:
    """Close the W&B run, so that the next job of a multirun gets one of its own."""
    for logger in made:
        if isinstance(logger, ForgivingLogger):
            logger.finish(failed=failed)


def _netrc_has_key() -> bool:
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False
