"""Predict many cases into a folder: label maps, volumes.tsv, and nothing twice."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from neurotarget.inference.predict import (
    Prediction,
    Predictor,
    save_labels,
    save_probabilities,
    written,
)
from neurotarget.types import Case, DataError


class Outcome(NamedTuple):
    """What became of one case; a line of volumes.tsv."""

    case_id: str
    status: str  # done | failed
    volumes_mm3: dict[str, float]
    note: str  # flags of a prediction, or why it failed


def predict_all(
    predictor: Predictor,
    cases: Sequence[Case],
    output: Path,
    *,
    made_by: str,
    overwrite: bool = False,
    probabilities: bool = False,
    seen: Callable[[Prediction], None] | None = None,
) -> list[Outcome]:
    """Write `<case_id>.nii.gz` for each case and volumes.tsv over all; finished cases are kept.

    `made_by` names the weights: a folder that holds predictions of others is refused. A case that
    fails is a line of volumes.tsv with the reason, and the others go on.

    Raises:
        DataError: the folder belongs to other weights, or an output would replace an input.
    """
    output.mkdir(parents=True, exist_ok=True)
    _refuse_inputs(cases, output)
    done = {} if _claim(output, made_by, overwrite) else _read_done(output, predictor)
    outcomes: dict[str, Outcome] = dict(done)
    ids = {case.case_id for case in cases}
    for case in tqdm(cases, "predict", unit="case", delay=1):
        path = output / f"{case.case_id}.nii.gz"
        if case.case_id in done and path.is_file():
            continue
        outcomes[case.case_id] = _one(predictor, case, path, probabilities, seen)
        _write_table(output / "volumes.tsv", list(outcomes.values()), predictor)
    return [outcome for outcome in outcomes.values() if outcome.case_id in ids]


def _one(
    predictor: Predictor,
    case: Case,
    path: Path,
    probabilities: bool,
    seen: Callable[[Prediction], None] | None,
) -> Outcome:
    try:
        prediction = predictor.predict(case)
    except DataError as error:
        path.unlink(missing_ok=True)
        return Outcome(case.case_id, "failed", {}, " ".join(str(error).split()))
    if probabilities:
        save_probabilities(prediction, predictor.target, path.parent)
    save_labels(prediction, predictor.target, path)
    if seen is not None:
        seen(prediction)
    return Outcome(case.case_id, "done", prediction.volumes_mm3, "; ".join(prediction.flags))


def _refuse_inputs(cases: Sequence[Case], output: Path) -> None:
    inputs = {Path(path).resolve() for case in cases for path in case.images.values()}
    ours = [output / f"{case.case_id}.nii.gz" for case in cases]
    if taken := [path for path in ours if path.resolve() in inputs]:
        raise DataError(
            f"{taken[0]}: the label map would replace the scan itself ({len(taken)} of "
            f"{len(cases)} cases); say another output folder"
        )


def _claim(output: Path, made_by: str, overwrite: bool) -> bool:
    """Write down whose predictions lie here; returns whether to begin anew."""
    path = output / "prediction.json"
    try:
        found = json.loads(path.read_text())["weights"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found not in (None, made_by) and not overwrite:
        raise DataError(
            f"{output}: found predictions of other weights ({found[:12]}), wanted an empty folder "
            f"or those of {made_by[:12]}; say another output, or overwrite=true"
        )
    anew = overwrite or found is None
    if anew:  # before the claim: lines of other weights must not pass for ours if we are killed
        (output / "volumes.tsv").unlink(missing_ok=True)
    with written(path) as draft:
        draft.write_text(json.dumps({"weights": made_by}) + "\n")
    return anew


def _columns(predictor: Predictor) -> list[str]:
    names = [f"{name}_mm3" for name in predictor.target.label_names]
    return ["case_id", "status", *names, "total_mm3", "note"]


def _read_done(output: Path, predictor: Predictor) -> dict[str, Outcome]:
    try:
        with (output / "volumes.tsv").open(newline="", encoding="utf-8") as stream:
            lines = list(csv.DictReader(stream, delimiter="\t"))
        names = predictor.target.label_names
        return {
            line["case_id"]: Outcome(
                line["case_id"],
                "done",
                {name: float(line[f"{name}_mm3"]) for name in names},
                line["note"],
            )
            for line in lines
            if line["status"] == "done"
        }
    except (OSError, KeyError, ValueError, TypeError):
        return {}


def _write_table(path: Path, outcomes: Sequence[Outcome], predictor: Predictor) -> None:
    with written(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, _columns(predictor), delimiter="\t", lineterminator="\n")
        table.writeheader()
        for outcome in outcomes:
            volumes = {f"{name}_mm3": f"{v:.1f}" for name, v in outcome.volumes_mm3.items()}
            if volumes:
                volumes["total_mm3"] = f"{sum(outcome.volumes_mm3.values()):.1f}"
            absent = dict.fromkeys(_columns(predictor), "n/a")
            fixed = {"case_id": outcome.case_id, "status": outcome.status, "note": outcome.note}
            table.writerow(absent | volumes | fixed)
