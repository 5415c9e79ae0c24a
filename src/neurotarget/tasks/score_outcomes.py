"""Rows of predicted outcomes: manifest × outcomes.tsv → rows."""

from collections.abc import Collection, Mapping
from pathlib import Path

from neurotarget.data.cases.case_outcomes import outcome_codes
from neurotarget.inference.ledger import Ledger
from neurotarget.inference.outcome_table import outcome_form
from neurotarget.metrics.outcome_scores import score_outcome
from neurotarget.metrics.own_metrics import OwnMetrics
from neurotarget.problems import DataError
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
