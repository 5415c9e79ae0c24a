"""Score the predicted outcomes of one case: values and reference → rows.

The rows of a label are its `probability` or `number`, and the same of the reference. The rows of
the outcome are `failed` (1 without a prediction) and the errors. Numbers have the outcome's unit.
"""

import math
from collections.abc import Mapping

from neurotarget.outcome import Outcome
from neurotarget.types import Case, Row

LEAST = 1e-7  # probability in a log loss; 0 would make it infinite


def score_outcome(
    case: Case,
    outcome: Outcome,
    predicted: Mapping[str, float] | None,
    code: float,
    *,
    split: str = "",
) -> list[Row]:
    """Return the rows of one outcome of a case.

    `predicted` holds a value for each of the outcome's labels, or is None without a prediction,
    which counts as failed and has no score. `code` is the reference (see `Outcome.code`), NaN if
    unknown. `log_loss` is in nats; `brier` is (p − y)² of a binary outcome, and its sum over the
    classes of other outcomes. Source: Brier 1950,
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    known = not math.isnan(code)
    truth = dict.fromkeys(outcome.labels, math.nan)
    if known and outcome.kind == "binary":
        truth = {outcome.name: code}
    elif known and outcome.kind == "classes":
        truth = {label: float(place == code) for place, label in enumerate(outcome.labels)}
    elif known:
        truth = {outcome.name: code}
    who, rows = (case.case_id, case.subject_id, split), []
    for label in outcome.labels:
        values = {} if predicted is None else {outcome.quantity: predicted[label]}
        values |= {f"reference_{outcome.quantity}": truth[label]} if known else {}
        rows += [Row(*who, label, name, value, outcome.unit) for name, value in values.items()]
    rows.append(Row(*who, outcome.name, "failed", float(predicted is None), ""))
    if known:
        for name, value in errors_of(outcome, predicted, truth).items():
            rows.append(Row(*who, outcome.name, name, value, outcome.unit))
    return rows


def errors_of(
    outcome: Outcome, predicted: Mapping[str, float] | None, truth: Mapping[str, float]
) -> dict[str, float]:
    """Return the errors of a prediction; without one they are NaN, and `correct` is 0.

    Args:
        outcome: classes, or a number.
        predicted: value of each of the outcome's labels; None without a prediction.
        truth: reference of each label: 0 or 1 for classes, else the number.

    Returns:
        For classes `correct`, `log_loss` (nats) and `brier`; for a number `error` (predicted minus
        reference) and `error_abs` in the outcome's unit.
    """
    if not outcome.is_class:
        error = math.nan if predicted is None else predicted[outcome.name] - truth[outcome.name]
        return {"error": error, "error_abs": abs(error)}
    if predicted is None:
        return {"correct": 0.0, "log_loss": math.nan, "brier": math.nan}
    squares = [(predicted[label] - truth[label]) ** 2 for label in outcome.labels]
    if outcome.kind == "binary":
        share = predicted[outcome.name]
        is_right = (share > 0.5) == (truth[outcome.name] > 0)
        of_truth = share if truth[outcome.name] > 0 else 1 - share
    else:
        of_truth = sum(predicted[label] * truth[label] for label in outcome.labels)
        is_right = truth[max(outcome.labels, key=lambda label: predicted[label])] > 0
    return {
        "correct": float(is_right),
        "log_loss": -math.log(max(of_truth, LEAST)),
        "brier": math.fsum(squares),
    }
