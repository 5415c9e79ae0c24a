"""Rows of predicted outcomes: manifest × outcomes.tsv → rows."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path

from neurotarget.data.cases.case_outcomes import outcome_codes
from neurotarget.inference.ledger import Ledger
from neurotarget.inference.outcome_table import outcome_form
from neurotarget.metrics.outcome_scores import score_outcome
from neurotarget.metrics.own_metrics import OwnMetrics
from neurotarget.problems import DataError
from neurotarget.scoring import evaluate, prediction_path
from neurotarget.types import Manifest, Row, Target


def outcome_rows(
    manifest: Manifest,
    predictions: Path,
    target: Target,
    splits: Mapping[str, str],
    *,
    which: Collection[str] = ("test",),
    own: OwnMetrics | None = None,
) -> list[Row]:
    """Score the lines of `<predictions>/outcomes.tsv` of every case of the splits in `which`.

    The manifest determines the cases: one whose line is missing or failed has `failed` 1.

    Raises:
        DataError: no case is in these splits, or there are metrics of the user's own.
    """
    refuse_own(own or {})
    cases = [case for case in manifest.cases if splits.get(case.case_id) in which]
    if not cases:
        raise DataError(
            f"{manifest.source}: found no case in {' or '.join(which)}, wanted one to score; "
            "assign cases to it, or name another split"
        )
    results = Ledger(predictions, outcome_form(target)).finished()
    rows = []
    for case in cases:
        result = results.get(case.case_id)
        codes = outcome_codes(case, target)
        for outcome, code in zip(target.outcomes, codes, strict=True):
            predicted = result and {label: result.values[label] for label in outcome.labels}
            rows += score_outcome(case, outcome, predicted, float(code), split=splits[case.case_id])
    return rows


def refuse_own(metrics: Mapping[str, object]) -> None:
    """Refuse metrics of the user's own, which compare masks.

    Raises:
        DataError: there are some.
    """
    if metrics:
        raise DataError(
            f"metrics: found {', '.join(metrics)}, which compare masks, for a target of outcomes; "
            "leave them out"
        )


def segmentation_rows(
    manifest: Manifest,
    predictions: Path,
    target: Target,
    splits: Mapping[str, str],
    *,
    which: Collection[str] = ("test",),
    own: OwnMetrics | None = None,
) -> list[Row]:
    """Score label maps, as `scoring.evaluate`, and the outcome that they show by an image score.

    A case without a value of the outcome has that of its mask; one without a label map failed.

    Raises:
        DataError: as `evaluate`.
    """
    rows = evaluate(manifest, predictions, target, splits, which=which, own=own)
    if target.image_score is None:
        return rows
    (outcome,), results = target.outcomes, Ledger(predictions, outcome_form(target)).finished()
    sizes = {one.case_id: one.value for one in rows
             if one.metric == f"reference_{target.size_units.size}"}  # fmt: skip
    for case in manifest.cases:
        if splits.get(case.case_id) not in which:
            continue
        (code,) = map(float, outcome_codes(case, target))
        if math.isnan(code) and not math.isnan(size := sizes.get(case.case_id, math.nan)):
            code = float(size > 0)
        is_there = prediction_path(predictions, case.case_id, target).is_file()
        predicted = results[case.case_id].values if is_there and case.case_id in results else None
        rows += score_outcome(case, outcome, predicted, code, split=splits[case.case_id])
    return rows
