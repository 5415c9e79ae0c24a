"""Held-out cases of a trained run: predict, score, study, write and print the results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.cases.splits import HELD_OUT
from neurotarget.files.hashes import digest
from neurotarget.files.ownership import claim, claimed, discard
from neurotarget.files.reading import read_plain
from neurotarget.inference.predict_folder import predict_all
from neurotarget.inference.prediction_folder import older_predictions
from neurotarget.metrics.own_metrics import OwnMetrics
from neurotarget.report.pages.summary import summarise, summary_text
from neurotarget.report.sections.learned_steps import LEARNED
from neurotarget.runs.folder.older_output import older_output
from neurotarget.runs.folder.run_folder import (
    weights_path,
    write_cases,
    write_json,
    write_people,
)
from neurotarget.runs.network.objects import build
from neurotarget.runs.network.predictor import load_predictor
from neurotarget.runs.tracking.cost import prediction_cost
from neurotarget.runs.tracking.written_study import WrittenStudy
from neurotarget.scoring import read_rows, write_rows
from neurotarget.stats.cohort.learning import Learning, Training
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.studies.run_origin import run_facts
from neurotarget.studies.study_folder import study_of, write_files
from neurotarget.studies.study_inputs import (
    Material,
    covariate_table,
    people_table_of,
    stored_tables,
    stored_thresholds,
    with_ledger,
    with_planted,
)
from neurotarget.tasks.base import TargetTask
from neurotarget.tasks.segmentation import SegmentationTask
from neurotarget.training.resumed import flat


class HeldOut(NamedTuple):
    """Results of a run on cases that it was not trained on.

    Attributes:
        summary: content of summary.json.
        rows: content of rows.csv: one row per score of a label of a case.
        written: the study and its files; None if the study failed.
        error: the exception that stopped the study; None if the study succeeded.
        learning: whether the network has learnt; None if that is unknown, or the study failed.
    """

    summary: dict[str, Any]
    rows: pd.DataFrame
    written: WrittenStudy | None
    error: Exception | None = None
    learning: Learning | None = None

    @property
    def flat(self) -> dict[str, float]:
        """Return the numbers of the summary under names with slashes, for a tracker.

        Numbers of all held-out cases are under `test`; those of a part, if reported separately, are
        under `internal` and `external`.
        """
        whole = {key: value for key, value in self.summary.items() if key != "parts"}
        named = flat({"test": whole}) + [
            (key.removesuffix("/value"), value)
            for key, value in flat(self.summary.get("parts") or {})
        ]
        return {key: value for key, value in named if _is_number(value)}


def score_held_out(
    folder: Path,
    data: TargetData,
    *,
    facts: Mapping[str, Any],
    task: type[TargetTask] = SegmentationTask,
    metrics: OwnMetrics | None = None,
    weights: str = "best",
    pictures: int = 6,
) -> HeldOut:
    """Predict, score and study the test cases of a run and the external cases.

    Writes rows.csv, cases.tsv, people.tsv, summary.json, pictures, the study's tables and
    report.html, in this order, so that the scores are kept if the study fails. Predictions of other
    weights are discarded; those of the same weights are kept.

    Args:
        folder: folder of the run.
        data: cases, splits and target.
        facts: facts about the run, for summary.json.
        task: class of the task; its `rows` score the predictions.
        metrics: the user's own metrics; None for none.
        weights: `best` or `last`.
        pictures: number of cases in the report.

    Returns:
        Summary, rows and study; an error of the study is returned, not raised.
    """
    target, splits = data.target, data.splits
    cases = [case for case in data.manifest.cases if splits[case.case_id] in HELD_OUT]
    predictions = folder / "predictions"
    predictor, made_by = load_predictor(folder, weights=weights, make=build)
    claimed(folder, older=older_output)
    claim(predictions, older=older_predictions)
    if _is_stale(predictions, made_by):
        discard(predictions)
    with prediction_cost(folder, predictions):
        keeps = predictor.has_maps
        predict_all(predictor, cases, predictions, made_by=made_by, probabilities=keeps)
    scored = task.rows(data.manifest, predictions, target, splits, which=HELD_OUT, own=metrics)
    write_rows(scored, folder / "rows.csv")
    write_cases(folder, cases, splits)
    write_people(folder, data.manifest.cases, splits)
    rows = read_rows(folder / "rows.csv")
    covariates = covariate_table(cases)
    planted = data.source.planted(data.root)
    label_ids = data.manifest.label_ids
    weights_sha256 = digest(weights_path(folder, weights))
    facts = {**facts, "weights_sha256": weights_sha256}
    for name, shown in LEARNED.items():
        learned = read_plain(folder / f"{name}.json")
        facts |= {name: shown.facts(learned)} if learned else {}
    ids = {"label_ids": None if label_ids is None else dict(label_ids)}
    hypotheses = {name: {"planted": value} for name, value in planted.items()}
    summary = {**facts, "hypotheses": hypotheses, **ids}
    write_json(folder / "summary.json", summary)
    material = Material(
        from_rows(with_ledger(rows, predictions), with_planted(target, planted), covariates),
        {case.case_id: case for case in cases},
        predictions,
        label_ids,
        (),
        run_facts(facts, folder),
        stored_tables(folder),
        Training.read(facts.get("training")),
        people=people_table_of(data.manifest.cases, splits),
        thresholds=stored_thresholds(folder),
    )
    made = failure = learning = None
    try:
        study = study_of(material)
        learning = study.learning
        summary = {**facts, **summarise(study, planted=planted), **ids}
        write_json(folder / "summary.json", summary)
        print(summary_text(summary))
        title = str(facts["experiment"])
        made = write_files(study, material, folder, cases=pictures, title=title)
    except Exception as error:  # log the scores to the trackers before raising
        failure = error
    print(f"\nrun folder  {folder}\npredictions {predictions}\nrows        {folder / 'rows.csv'}")
    if made is not None:
        print(f"report      {made.page}")
    return HeldOut(summary, rows, made, failure, learning)


def _is_stale(predictions: Path, made_by: str) -> bool:
    path = predictions / "prediction.json"
    return predictions.is_dir() and not (path.is_file() and made_by.encode() in path.read_bytes())


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
