"""The second half of a run: predict the held-out cases, score the files, write tables, say it."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from neurotarget.cli.build import build
from neurotarget.cli.predict import load_predictor
from neurotarget.cli.run_folder import weights_path, write_json
from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.data.module import TargetData
from neurotarget.data.volume import read_volume
from neurotarget.evaluate import evaluate, read_rows, write_rows
from neurotarget.inference.folder import predict_all
from neurotarget.report.overlay import overlay_png
from neurotarget.report.scatter import volume_scatter_png
from neurotarget.report.summary import summarise, summary_text
from neurotarget.types import Case


class HeldOut(NamedTuple):
    """Results of a run on cases that it never trained on."""

    summary: dict[str, Any]
    rows: pd.DataFrame
    pictures: list[Path]

    @property
    def flat(self) -> dict[str, float]:
        """Numbers of the summary under dotted names, for a tracker."""
        return {f"test/{key}": value for key, value in flat(self.summary) if _is_number(value)}


def score_held_out(
    folder: Path,
    data: TargetData,
    *,
    facts: Mapping[str, Any],
    weights: str = "best",
    pictures: int = 6,
) -> HeldOut:
    """Predict and score the test cases of a run; writes rows.csv, summary.json and pictures.

    Predictions of other weights are made anew; those of the same weights are kept.
    """
    cases, target = data.cases("test"), data.target
    predictions = folder / "predictions"
    predictor, made_by = load_predictor(folder, weights=weights, make=build)
    if _is_stale(predictions, made_by):
        shutil.rmtree(predictions)
    predict_all(predictor, cases, predictions, made_by=made_by)
    scored = evaluate(data.manifest, predictions, target, data.splits, which=("test",))
    write_rows(scored, folder / "rows.csv")
    rows = read_rows(folder / "rows.csv")
    covariates = covariate_table(cases)
    planted = data.source.planted(data.root)
    summary = {**facts, **summarise(rows, covariates, target, planted=planted)}
    summary["weights_sha256"] = hashlib.sha256(
        weights_path(folder, weights).read_bytes()
    ).hexdigest()
    write_json(folder / "summary.json", summary)
    made = [*_pictures(folder, data, rows, pictures), _scatter(folder, rows)]
    print(summary_text(summary))
    print(f"\nrun folder  {folder}\npredictions {predictions}\nrows        {folder / 'rows.csv'}")
    return HeldOut(summary, rows, made)


def _scatter(folder: Path, rows: pd.DataFrame) -> Path:
    """Predicted against reference volumes of every label."""
    pair = ["reference_volume_mm3", "volume_mm3"]
    kinds = rows[rows["metric"].isin(pair)]
    wide = kinds.pivot(index=["label", "case_id"], columns="metric", values="value")
    by_label = dict(list(wide.reindex(columns=pair).groupby(level="label", sort=False)))
    path = folder / "pictures" / "volumes.png"
    volume_scatter_png(
        *({label: part[name].to_numpy() for label, part in by_label.items()} for name in pair),
        path,
        unit="mm³",
        title="Volumes of held-out cases",
    )
    return path


def covariate_table(cases: Sequence[Case]) -> pd.DataFrame:
    """Covariates by case_id, with the subject of each case."""
    lines = [
        {"case_id": case.case_id, "subject_id": case.subject_id, **case.covariates}
        for case in cases
    ]
    return pd.DataFrame(lines).set_index("case_id")


def _is_stale(predictions: Path, made_by: str) -> bool:
    path = predictions / "prediction.json"
    return predictions.is_dir() and not (path.is_file() and made_by in path.read_text())


def _pictures(folder: Path, data: TargetData, rows: pd.DataFrame, count: int) -> list[Path]:
    """Overlays of the worst, the median and the best cases by mean Dice."""
    dice = rows[rows["metric"] == "dice"].groupby("case_id")["value"].mean().fillna(0).sort_values()
    if not count or dice.empty:
        return []
    share = max(count // 3, 1)
    middle = max(len(dice) // 2 - share // 2, 0)
    chosen = {
        **dict.fromkeys(dice.index[-share:], "best"),
        **dict.fromkeys(dice.index[middle : middle + share], "median"),
        **dict.fromkeys(dice.index[:share], "worst"),
    }
    cases = {case.case_id: case for case in data.cases("test")}
    made = []
    for case_id, rank in chosen.items():
        title = f"{case_id} ({rank}): Dice {dice[case_id]:.3f}"
        path = folder / "pictures" / f"{rank}_{case_id}.png"
        if _picture(cases[case_id], data, folder / "predictions", path, title):
            made.append(path)
    return made


def _picture(case: Case, data: TargetData, predictions: Path, path: Path, title: str) -> bool:
    predicted = predictions / f"{case.case_id}.nii.gz"
    if case.label is None or not predicted.is_file():
        return False
    image = read_volume(case.images[data.target.contrasts[0]], case_id=case.case_id)
    truth = read_volume(case.label, case_id=case.case_id)
    pred = read_volume(predicted, case_id=case.case_id)
    theirs = class_of_id(data.target, data.manifest.label_ids)
    overlay_png(
        image.array,
        to_classes(truth.array, theirs),
        to_classes(pred.array, class_of_id(data.target)),
        image.affine,
        path,
        title=title,
        label_names=data.target.label_names,
    )
    return True


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Leaves of nested mappings under names joined with slashes."""
    found = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        found += flat(value, f"{name}/") if isinstance(value, Mapping) else [(name, value)]
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
