"""Rows of predicted outcomes: manifest × outcomes.tsv → rows."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from neurotarget.data.cases.case_outcomes import outcome_codes
from neurotarget.inference.ledger import CaseResult, Ledger
from neurotarget.inference.outcome_table import outcome_form
from neurotarget.metrics.outcome_scores import score_outcome
from neurotarget.metrics.own_metrics import OwnMetrics
from neurotarget.problems import DataError
from neurotarget.scoring import cases_in, evaluate, prediction_path
from neurotarget.types import Case, Manifest, Row, Target


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

    The manifest determines the cases: a case whose line is missing or failed has `failed` 1.

    Raises:
        DataError: no case is in these splits, or the user's own metrics are given.
    """
    refuse_own(own or {})
    cases = cases_in(manifest, splits, which)
    results = Ledger(predictions, outcome_form(target)).finished()
    return _scored(cases, results, target, splits)


def _scored(
    cases: Sequence[Case],
    results: Mapping[str, CaseResult],
    target: Target,
    splits: Mapping[str, str],
    *,
    otherwise: Mapping[str, float] | None = None,
) -> list[Row]:
    """Score the outcomes of cases; `otherwise` has codes for cases without a known code."""
    rows = []
    for case in cases:
        result, split = results.get(case.case_id), splits[case.case_id]
        for outcome, known in zip(target.outcomes, outcome_codes(case, target), strict=True):
            code = float(known)
            if math.isnan(code) and otherwise is not None:
                code = otherwise.get(case.case_id, math.nan)
            predicted = result and {label: result.values[label] for label in outcome.labels}
            rows += score_outcome(case, outcome, predicted, code, split=split)
    return rows


def refuse_own(metrics: Mapping[str, object]) -> None:
    """Refuse the user's own metrics, which compare masks.

    Raises:
        DataError: own metrics are given.
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
    """Score label maps like `scoring.evaluate`, and the outcome from their image score.

    A case without a value of the outcome gets the value of its mask. A case without a label map
    has failed.

    Raises:
        DataError: as in `evaluate`.
    """
    rows = evaluate(manifest, predictions, target, splits, which=which, own=own)
    if target.image_score is None:
        return rows
    size = f"reference_{target.size_units.size}"
    shown = {
        one.case_id: float(one.value > 0)
        for one in rows
        if one.metric == size and not math.isnan(one.value)
    }
    results = {
        case_id: result
        for case_id, result in Ledger(predictions, outcome_form(target)).finished().items()
        if prediction_path(predictions, case_id, target).is_file()
    }
    cases = cases_in(manifest, splits, which)
    return rows + _scored(cases, results, target, splits, otherwise=shown)
