"""Weights & Biases and CSV: what a run tells its trackers, and how it never waits for them."""

import csv
import json
import netrc
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import wandb
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger

from neurotarget.cli.run_folder import write_json
from neurotarget.cli.study_folder import Written
from neurotarget.stats.learning import DOUBTFUL, NOT_LEARNT, Learning
from neurotarget.types import DataError

SWEEP_ID = "WANDB_SWEEP_ID"  # set by the agent of a W&B sweep
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
    """CSV always; W&B unless disabled.

    A resumed run keeps its W&B id, and its CSV the rows before `resumed_step`. The agent of a W&B
    sweep says itself which run of which project this is; run.json then keeps that id.
    """
    made: list[Logger] = [_csv_logger(folder, resumed_step)]
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
    try:
        run = wandb.init(mode=mode, settings=wandb.Settings(init_timeout=30), **options)
    except (wandb.errors.Error, OSError) as error:
        print(f"W&B could not be reached ({error}); this run is logged offline", flush=True)
        run = wandb.init(mode="offline", **options)
    if run.id != run_id:
        _keep_id(folder, run.id)
    return [*made, WandbLogger(experiment=run)]


def _keep_id(folder: Path, run_id: str) -> None:
    """Let a run that goes on later, by itself, be the same one to W&B."""
    path = folder / "run.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_json(path, record | {"id": run_id})


def _csv_logger(folder: Path, resumed_step: int) -> CSVLogger:
    """Lightning's CSV logger, which would delete the rows of an earlier sitting."""
    path = folder / "logs" / "metrics.csv"
    rows: list[dict[str, str]] = []
    if path.is_file():
        with path.open(newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if int(row["step"]) < resumed_step]
        path.unlink()
    logger = CSVLogger(str(folder), name="logs", version="")
    if rows:
        logger.experiment.metrics_keys = sorted(rows[0])
        with path.open("w", newline="") as stream:
            table = csv.DictWriter(stream, sorted(rows[0]))
            table.writeheader()
            table.writerows(rows)
    return logger


def log_final(
    made: Sequence[Logger],
    *,
    summary: Mapping[str, float],
    rows: pd.DataFrame,
    study: Written | None,
) -> None:
    """Put the final numbers, rows, study tables, figures and overlays into the W&B run."""
    for logger in made:
        if isinstance(logger, WandbLogger):
            logger.experiment.summary.update(dict(summary))
            logged = {"test/rows": rows}
            pictures: dict[str, Path] = {}  # one each: W&B wants those of one name of one size
            if study is not None:
                logged |= {f"study/{name}": table for name, table in study.study.tables.items()}
                pictures = {f"study/figures/{path.stem}": path for path in study.figures}
                pictures |= {f"test/overlays/{path.stem}": path for path in study.overlays}
            found = {name: _table(table) for name, table in logged.items() if len(table)}
            for name, path in pictures.items():
                found[name] = wandb.Image(str(path), caption=path.stem)
            logger.experiment.log(found)


def log_learning(made: Sequence[Logger], learning: Learning | None) -> None:
    """Say whether the network has learnt in the summary of the W&B run; else tag it so as well."""
    for logger in made if learning is not None else ():
        if isinstance(logger, WandbLogger):
            run, told = logger.experiment, " ".join((*learning.reasons, *learning.warnings))
            run.summary.update({"learnt": learning.word, "learnt_reasons": told})
            if learning.word in (NOT_LEARNT, DOUBTFUL):
                run.tags = (*(run.tags or ()), learning.word)


def _table(table: pd.DataFrame) -> wandb.Table:
    """A W&B table; text stays text where some of a column is absent."""
    plain = table.astype({name: object for name in table if table[name].dtype.kind not in "ifb"})
    return wandb.Table(dataframe=plain.where(plain.notna(), None))


def finish(made: Sequence[Logger], *, failed: bool) -> None:
    """Close the W&B run, so that the next job of a multirun gets one of its own."""
    for logger in made:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish(exit_code=int(failed))


def _netrc_has_key() -> bool:
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False
