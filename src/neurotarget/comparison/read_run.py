"""Read one finished run for a comparison; a broken run folder raises one error."""

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

COST_TEXTS = ("peak_memory_of", "energy_of")  # columns of cost that hold text
REMEDY = "write it again with neurotarget evaluate, or train the run again"


class Run(NamedTuple):
    """Data of one run for a comparison.

    `cost` has the columns of cost.json, with NaN or "" for unmeasured values; `splits` are
    train, val, test or external.
    """

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
        """Return the user's choice of model, or the name of its class in older runs."""
        name = self.summary.get("model")
        path = str((self.config.get("model") or {}).get("_target_", "model"))
        return str(name) if name else path.rpartition(".")[2]

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings that runs of one arm have in common, as `settings_of` does."""
        return settings_of(self.config)

    @property
    def test_cases(self) -> frozenset[str]:
        """Return the scored cases; `read_run` has checked that none of them was in training."""
        return frozenset(self.rows["case_id"])


def read_run(folder: Path) -> Run:
    """Read a finished run.

    A truncated table, or one with a score of a training case, is refused, since it would bias the
    comparison without being noticed.

    Raises:
        DataError: a file is broken or does not match the other files.
    """
    config = read_config(folder)
    target = recorded_target(config, folder)
    summary = _checked_summary(folder, config)
    path = folder / "rows.csv"
    if path.read_bytes()[-1:] != b"\n":
        raise DataError(f"{path}: the table ends within a line; {REMEDY}")
    rows = with_ledger(read_rows(path), folder / "predictions")
    splits = _splits(folder / "splits.tsv")
    _check_complete(path, rows, splits, target)
    return Run(folder, config, summary, target, rows, splits, _cost(folder, config, summary))


def _checked_summary(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Read summary.json, and check that fold and seed are integers."""
    summary = read_plain(folder / "summary.json")
    if not summary:
        raise DataError(f"{folder}/summary.json: found no JSON, wanted a summary; {REMEDY}")
    fallback = {"seed": config.get("seed"), "fold": (config.get("data") or {}).get("fold")}
    values = {**fallback, **summary}
    for name in fallback:
        if not isinstance(values[name], int) or isinstance(values[name], bool):
            raise DataError(
                f"{folder}/summary.json: found {name} {values[name]}, wanted a whole number; "
                "train the run again"
            )
    return values


def _splits(path: Path) -> dict[str, str]:
    """Read the split of each case; empty if the file is missing or not neurotarget's."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            lines = [uncells(line) for line in csv.DictReader(stream, delimiter="\t")]
        return {line["case_id"]: line["split"] for line in lines if line["split"]}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError):
        return {}


def _check_complete(
    path: Path, rows: pd.DataFrame, splits: Mapping[str, str], target: Target
) -> None:
    """Refuse a truncated table, or one with a training case of the run.

    Raises:
        DataError: the table is truncated or has a training case.
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
        missing = f" (no score of {', '.join(absent[:3])})" if absent else ""
        raise DataError(f"{path}: the table is incomplete{missing}; {REMEDY}")
    if not_held_out := sorted(set(rows["case_id"]) - wanted):
        raise DataError(
            f"{path}: found scores of {len(not_held_out)} cases that were not held out "
            f"({', '.join(not_held_out[:3])}), wanted only test and external cases; {REMEDY}"
        )


def _cost(folder: Path, config: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    """Read the columns of a run's cost; NaN or "" if unknown."""
    recorded = read_plain(folder / "cost.json")
    cost: dict[str, Any] = {name: as_number(recorded.get(name)) for name in MEASURED}
    if math.isnan(cost["train_s"]):
        cost["train_s"] = as_number(summary.get("train_seconds"))
    cost |= {name: str(recorded.get(name) or "") for name in COST_TEXTS}
    training = Training.read(summary.get("training"))
    cost["expected_steps"] = training.expected_steps
    cost |= {"val_dice": training.dice, "val_all_foreground_dice": training.all_foreground_dice}
    cost["time_limit"] = training.time_limit
    data, optimizer = config.get("data") or {}, config.get("optimizer") or {}
    settings = settings_of(config)
    cost["batch_size"] = as_number(recorded.get("batch_size", data.get("batch_size")))
    cost["patch_vox"] = patch_text(recorded.get("patch_vox") or settings.get("patch_vox"))
    cost["optimizer"] = str(optimizer.get("_target_", "")).rpartition(".")[2]
    cost["learning_rate"] = as_number(optimizer.get("lr"))
    return cost
