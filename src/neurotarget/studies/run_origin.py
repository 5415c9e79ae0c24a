"""Origin of the numbers of a run: settings, commit, command, software of the training."""

import shlex
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from neurotarget.files.reading import read_plain, read_text
from neurotarget.runs.folder.run_folder import read_config


def run_facts(summary: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Return the origin of a run's numbers as text by name, from its summary and run.json.

    Facts that a run has not recorded are absent.
    """
    names = {
        "experiment": "experiment",
        "model": "model",
        "seed": "seed",
        "fold": "fold",
        "train_seconds": "training, s",
        "weights_sha256": "weights (SHA-256)",
        "data_fingerprint": "data fingerprint",
        "run": "run folder",
    }
    facts = {text: str(summary[key]) for key, text in names.items() if summary.get(key) is not None}
    record = read_plain(folder / "run.json")
    code, hardware = as_mapping(record.get("code")), as_mapping(record.get("hardware"))
    if code.get("commit"):
        facts["commit"] = commit_text(code)
    if isinstance(hardware.get("argv"), list):
        facts["trained by"] = "train.py " + shlex.join(map(str, hardware["argv"]))
    training, versions = as_mapping(summary.get("training")), as_mapping(record.get("versions"))
    if training.get("steps"):
        facts["training steps"] = str(training["steps"])
    if versions:
        facts["trained with"] = ", ".join(f"{name} {one}" for name, one in versions.items())
    return facts


def commit_text(code: Mapping[str, Any]) -> str:
    """Format the commit of a run.json's `code`; "" where it is unknown.

    It states whether files had changes that were not committed.
    """
    changed = ", with changes that are not committed" if code.get("changed") else ""
    return f"{code['commit']}{changed}" if code.get("commit") else ""


def training_table(folder: Path) -> pd.DataFrame:
    """Losses, and the score that chose the weights, of each epoch of a run.

    Args:
        folder: of the run.

    Returns:
        A table with the columns epoch and steps (both from 1), train_loss, val_loss and val_score;
        without rows where the folder has no log with a loss.
    """
    try:
        log = pd.read_csv(StringIO(read_text(folder / "logs" / "metrics.csv")))
        score = str(read_config(folder).get("monitor"))
    except (OSError, ValueError):  # no run, or a log that is broken
        return pd.DataFrame()
    names = {"train/loss": "train_loss", "val/loss": "val_loss", score: "val_score"}
    if not {"epoch", "step", "train/loss"} <= set(log):
        return pd.DataFrame()
    log = log[log["epoch"].notna()].reindex(columns=["epoch", "step", *names])
    log = log.apply(pd.to_numeric, errors="coerce").rename(columns=names)
    table = log.groupby("epoch").last().reset_index()
    table = table.assign(epoch=table["epoch"].astype(int) + 1, steps=table["step"].astype(int) + 1)
    table = table[table["train_loss"].notna()]
    return table[["epoch", "steps", "train_loss", "val_loss", "val_score"]].reset_index(drop=True)


def as_mapping(value: object) -> dict[str, Any]:
    """Return a mapping as it is, and anything else as an empty one."""
    return value if isinstance(value, dict) else {}
