"""Read one finished run for a comparison; a broken folder gives one error."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from neurotarget.comparison.arm_names import patch_text, settings_of
from neurotarget.data.cases.splits import HELD_OUT
from neurotarget.files.reading import read_plain
from neurotarget.printable import uncells
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import read_config
from neurotarget.runs.network.objects import recorded_target
from neurotarget.scoring import read_rows
from neurotarget.stats.arms.arm_tables import MEASURED
from neurotarget.stats.cohort.learning import Training, as_number
from neurotarget.studies.study_inputs import with_ledger
from neurotarget.types import Target

TEXTS = ("peak_memory_of", "energy_of")
AGAIN = "make it again with neurotarget evaluate, or train the run anew"


class Run(NamedTuple):
    """Data of one run for a comparison."""

    folder: Path
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    target: Target
    rows: pd.DataFrame  # as rows.csv
    splits: Mapping[str, str]  # of every case; empty without splits.tsv
    cost: Mapping[str, Any]

    @property
    def fold(self) -> int:
        """Return the held-out fold."""
        return int(self.summary["fold"])

    @property
    def seed(self) -> int:
        """Return the seed of the training."""
        return int(self.summary["seed"])

    @property
    def model(self) -> str:
        """Return the user's choice of model."""
        named = self.summary.get("model")
        path = str((self.config.get("model") or {}).get("_target_", "model"))
        return str(named) if named else path.rpartition(".")[2]

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings that define its arm."""
        return settings_of(self.config)

    @property
    def test_cases(self) -> frozenset[str]:
        """Return the scored cases that were not in training."""
        return frozenset(self.rows["case_id"])


def read_run(folder: Path) -> Run:
    """Read a finished run.

    Raises:
        DataError: a file is broken or does not belong to the others.
    """
    config = read_config(folder)
    target = recorded_target(config, folder)
    summary = _design(folder, config)
    path = folder / "rows.csv"
    if path.read_bytes()[-1:] != b"\n":
        raise DataError(f"{path}: the table breaks off within a line; {AGAIN}")
    rows = with_ledger(read_rows(path), folder / "predictions")
    splits = _splits(folder / "splits.tsv")
    _check_whole(path, rows, splits, target)
    return Run(folder, config, summary, target, rows, splits, _cost(folder, config, summary))


def _design(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Content of summary.json, with fold and seed checked as integers."""
    summary = read_plain(folder / "summary.json")
    if not summary:
        raise DataError(f"{folder}/summary.json: found no JSON, wanted a summary; {AGAIN}")
    fallback = {"seed": config.get("seed"), "fold": (config.get("data") or {}).get("fold")}
    values = {**fallback, **summary}
    for name in fallback:
        if not isinstance(values[name], int) or isinstance(values[name], bool):
            raise DataError(
                f"{folder}/summary.json: found {name} {values[name]}, wanted a whole number; "
                "train the run anew"
            )
    return values


def _splits(path: Path) -> dict[str, str]:
    """Split of each case; empty where the file is missing or not ours."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            lines = [uncells(line) for line in csv.DictReader(stream, delimiter="\t")]
        return {line["case_id"]: line["split"] for line in lines if line["split"]}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError):
        return {}


def _check_whole(path: Path, rows: pd.DataFrame, splits: Mapping[str, str], target: Target) -> None:
    """Refuse a truncated table, or one with a training case of the run.

    Raises:
        DataError: the table is truncated or has such a case.
    """
    scored = rows[rows["metric"] == "failed"]  # exists for every label of every case
    pairs = set(zip(scored["case_id"], scored["label"], strict=True))
    wanted = {case for case, split in splits.items() if split in HELD_OUT}
    wanted = wanted or set(rows.loc[~rows["split"].isin(["train", "val"]), "case_id"])
    absent = [
        f"{case}: {label}"
        for case in sorted(wanted)
        for label in target.label_names
        if (case, label) not in pairs
    ]
    if absent or rows.empty:
        what = f" (no score of {', '.join(absent[:3])})" if absent else ""
        raise DataError(f"{path}: the table breaks off{what}; {AGAIN}")
    if trained := sorted(set(rows["case_id"]) - wanted):
        raise DataError(
            f"{path}: found scores of {len(trained)} cases that were not held out "
            f"({', '.join(trained[:3])}), wanted those of test and external ones; {AGAIN}"
        )


def _cost(folder: Path, config: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a run's cost; NaN or "" where unknown."""
    written = read_plain(folder / "cost.json")
    cost: dict[str, Any] = {name: as_number(written.get(name)) for name in MEASURED}
    if math.isnan(cost["train_s"]):
        cost["train_s"] = as_number(summary.get("train_seconds"))
    cost |= {name: str(written.get(name) or "") for name in TEXTS}
    training = Training.read(summary.get("training"))
    cost["expected_steps"] = training.expected_steps
    cost |= {"val_dice": training.dice, "val_all_foreground_dice": training.all_foreground_dice}
    cost["time_limit"] = training.time_limit
    data, optimizer = config.get("data") or {}, config.get("optimizer") or {}
    settings = settings_of(config)
    cost["batch_size"] = as_number(written.get("batch_size", data.get("batch_size")))
    cost["patch_vox"] = patch_text(written.get("patch_vox") or settings.get("patch_vox"))
    cost["optimizer"] = str(optimizer.get("_target_", "")).rpartition(".")[2]
    cost["learning_rate"] = as_number(optimizer.get("lr"))
    return cost
