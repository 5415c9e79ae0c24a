"""Loggers of a run, Weights & Biases and CSV; errors of W&B never stop a run."""

import netrc
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from neurotarget.files.reading import read_plain
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import write_json
from neurotarget.runs.tracking.metrics_log import metrics_log

if TYPE_CHECKING:
    import wandb

SHOWN = 200  # characters of an error
LONGEST_TAG = 64  # characters that W&B takes
SWEEP_ID = "WANDB_SWEEP_ID"  # set by the agent of a W&B sweep
# by default W&B stores data and caches below HOME, which may be full, small or read-only; these
# variables move them to the run folder, and leave W&B's settings, such as the login host, in HOME
PLACES = {"WANDB_DATA_DIR": "data", "WANDB_CACHE_DIR": "cache"}
INIT_S = 10.0  # timeout of W&B, after which the run is logged offline
FINISH_S = 300.0  # timeout of the last upload; `wandb sync` does the rest
MODES = ("auto", "online", "offline", "disabled")


def wandb_mode(requested: str) -> str:
    """Return the requested mode; for `auto` that of WANDB_MODE, or else one that fits.

    The fitting mode is `online` if an API key is available, else `offline`.

    Raises:
        DataError: the mode is unknown.
    """
    if requested not in MODES:
        raise DataError(f"logger.wandb: got {requested!r}, wanted one of {', '.join(MODES)}")
    if requested != "auto":
        return requested
    if (mode := os.environ.get("WANDB_MODE")) in MODES[1:]:
        return mode
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
    tags: Sequence[str] = (),
) -> list[Logger]:
    """Make the loggers: always CSV; W&B unless it is disabled or fails to start (one message).

    Call it only in the process that writes the logs. The agent of a W&B sweep determines run and
    project; run.json then keeps that id.

    Args:
        folder: of the run.
        settings: of the logger, such as `wandb`, project, group and tags.
        run_id: W&B id, which a resumed run keeps.
        name: of the run in W&B.
        config: settings to record.
        resumed_step: rows of the CSV before it are kept.
        job_type: such as train.
        tags: added to those of the settings.
    """
    rank_zero_only.rank = 0  # else Lightning's loggers are silent in Slurm's second task
    made: list[Logger] = [metrics_log(folder, resumed_step)]
    mode = wandb_mode(settings["wandb"])
    if mode == "disabled":
        return made
    os.environ.setdefault("WANDB_SILENT", "true")
    options = {
        "project": settings["project"],
        "entity": settings["entity"],
        "group": settings["group"],
        "tags": [*dict.fromkeys((*settings["tags"], *tags))],
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


def run_tags(target: str, model: str | None, *, fold: object, seed: object) -> list[str]:
    """Tags by which runs are found: target, model if its name is known, fold and seed.

    Each is cut to the `LONGEST_TAG` characters that W&B takes.
    """
    named = [target, *([model] if model else []), f"fold {fold}", f"seed {seed}"]
    return [tag[:LONGEST_TAG] for tag in named if tag]


class ForgivingLogger(WandbLogger):
    """W&B logger that is switched off after its first error, so that no run fails because of it.

    Args:
        run: of W&B.
        places: names of environment variables that were set for this run; closing it removes them.
    """

    def __init__(self, run: "wandb.Run", places: Sequence[str]) -> None:
        super().__init__(experiment=run)
        self.places, self.is_lost = places, False  # environment variables set for this run

    def attempt(self, function: Callable[[], object]) -> None:
        """Call a function that uses W&B, unless an earlier call failed."""
        if self.is_lost:
            return
        try:
            function()
        except Exception as error:  # of the service, the network, the disk or W&B
            self.is_lost = True
            print(
                f"W&B failed ({_short(error)}) and is not used any more; the run continues, and "
                "logs/ and the other files of its folder are complete",
                flush=True,
            )

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers at a step, unless W&B has failed before."""
        self.attempt(lambda: super(ForgivingLogger, self).log_metrics(metrics, step))

    def log_hyperparams(self, params: Mapping[str, Any]) -> None:
        """Log settings, unless W&B has failed before."""
        self.attempt(lambda: super(ForgivingLogger, self).log_hyperparams(params))

    def finalize(self, status: str) -> None:
        """End a training with Lightning's status; the W&B run stays open for the results."""
        self.attempt(lambda: super(ForgivingLogger, self).finalize(status))

    def finish(self, *, failed: bool) -> None:
        """Close the run; after an earlier error of W&B, a further error is ignored."""
        if self.is_lost:
            with suppress(Exception):
                self.experiment.finish(exit_code=int(failed))
        self.attempt(lambda: self.experiment.finish(exit_code=int(failed)))
        _forget(self.places)


def _wandb_logger(
    mode: str, options: Mapping[str, Any], places: Sequence[str]
) -> ForgivingLogger | None:
    """A W&B run, offline if it cannot be online; None if W&B fails."""
    wandb = import_module("wandb")  # imported only where it is used, as it takes a second
    waits = {"init_timeout": INIT_S, "finish_timeout": FINISH_S}
    known = {key: wait for key, wait in waits.items() if key in wandb.Settings.model_fields}
    for attempt in dict.fromkeys((mode, "offline")):
        try:
            run = wandb.init(mode=attempt, settings=wandb.Settings(**known), **options)
            return ForgivingLogger(run, places)
        except Exception as error:  # no valid key, no network, no space, W&B's own errors
            instead = "offline" if attempt != "offline" else "in logs/ only"
            print(f"W&B cannot start ({_short(error)}); this run is logged {instead}", flush=True)
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


def on_wandb(made: Sequence[Logger], function: Callable[["wandb.Run"], object]) -> None:
    """Call a function with the W&B run of the loggers, if there is one that works."""
    for logger in made:
        if isinstance(logger, ForgivingLogger):
            logger.attempt(lambda run=logger.experiment: function(run))


def _keep_id(folder: Path, run_id: str) -> None:
    """Record the W&B id, so that the run is the same one after it is resumed."""
    path = folder / "run.json"
    write_json(path, read_plain(path) | {"id": run_id})


def finish(made: Sequence[Logger], *, failed: bool) -> None:
    """Close the W&B run, so that the next job of a multirun gets its own."""
    for logger in made:
        if isinstance(logger, ForgivingLogger):
            logger.finish(failed=failed)


def _netrc_has_key() -> bool:
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False
