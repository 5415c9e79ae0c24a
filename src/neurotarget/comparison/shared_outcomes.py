"""Compare networks for masks with networks for outcomes, by the outcomes that all predict."""

from collections.abc import Sequence

import pandas as pd

from neurotarget.comparison.read_run import Run
from neurotarget.metrics.outcome_scores import score_outcome
from neurotarget.outcome import Outcome
from neurotarget.types import Case, Row, Target

NOTE = (
    "Some runs predict masks and others only outcomes: all are compared by {outcomes}; scores of "
    "masks are in the reports of their runs."
)
AVERAGED = (
    "Ensembles of these runs are the mean of their predicted probabilities, case by case; there "
    "are no soups."
)


def only_outcomes(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """Return runs with the rows and the target of their outcomes alone, and a note.

    Runs are kept as they are, without a note, if all or none of them have labels, or their outcomes
    differ.
    """
    plain = [run.target for run in runs if not run.target.labels]
    outcomes = {_forms(run.target) for run in runs}
    if len(plain) in (0, len(runs)) or len(outcomes) > 1:
        return list(runs), []
    target = plain[0]
    labels = target.outcome_labels
    kept = [
        run._replace(target=target, rows=run.rows[run.rows["label"].isin(labels)]) for run in runs
    ]
    names = ", ".join(one.name.replace("_", " ") for one in target.outcomes)
    return kept, [NOTE.format(outcomes=names)]


def are_mixed(runs: Sequence[Run]) -> bool:
    """Return whether runs were trained by different tasks, so that no network joins them."""
    return len({str((run.config.get("task") or {}).get("_target_", "")) for run in runs}) > 1


def averaged_rows(runs: Sequence[Run], case_ids: Sequence[str], target: Target) -> pd.DataFrame:
    """Return rows for the mean of the probabilities that runs predict for cases.

    A case has failed if any run failed on it. Outcomes that are numbers are left out.

    Args:
        runs: runs of one target of outcomes; the first run gives reference, person and split of
            each case.
        case_ids: cases that every run has held out.
        target: target whose outcomes are averaged.

    Returns:
        A table with the columns of rows.csv.
    """
    tables = [run.rows[run.rows["case_id"].isin(case_ids)] for run in runs]
    values = [_values(table, "probability") for table in tables]
    truth = _values(tables[0], "reference_probability")
    first = tables[0].drop_duplicates("case_id").set_index("case_id")
    rows: list[Row] = []
    means = {
        outcome: sum(one.reindex(index=case_ids, columns=list(outcome.labels)) for one in values)
        / len(values)
        for outcome in target.outcomes
        if outcome.is_class
    }
    for case_id in case_ids:
        case = Case(case_id, first.loc[case_id, "subject_id"], {})
        for outcome, table in means.items():
            mean = table.loc[case_id]
            predicted = None if mean.isna().any() else mean.to_dict()
            code = _code(outcome, truth.loc[case_id].reindex(list(outcome.labels)))
            rows += score_outcome(case, outcome, predicted, code, split=first.loc[case_id, "split"])
    return pd.DataFrame(rows, columns=list(Row._fields))


def _forms(target: Target) -> tuple:
    return tuple((one.name, one.kind, one.classes) for one in target.outcomes)


def _values(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    own = rows[rows["metric"] == metric].astype({"value": float})
    return own.pivot(index="case_id", columns="label", values="value").reindex(
        index=rows["case_id"].unique()
    )


def _code(outcome: Outcome, truth: pd.Series) -> float:
    """Return the number of a case's class; NaN if unknown."""
    if truth.isna().any():
        return float("nan")
    return float(truth.iloc[0]) if outcome.kind == "binary" else float(truth.to_numpy().argmax())
