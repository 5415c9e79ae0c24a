"""Flow of cases from the manifest to each effect: number and reason of exclusions at each step."""

import pandas as pd

from neurotarget.hypothesis import Hypothesis
from neurotarget.problems import join_reasons
from neurotarget.quantity import is_of_masks, noun_of, one_of
from neurotarget.stats.cohort.failures import failed_masks
from neurotarget.stats.cohort.measured import Measured

COLUMNS = ["step", "of", "n", "n_people", "n_left_out", "why"]
LISTED, EFFECT = "cases listed", "in the effect"
FAILED, NO_PREDICTION = "mask failed", "prediction failed"


def flow_table(
    measured: Measured, effects: pd.DataFrame, *, n_listed: int = 0, n_excluded: int = 0
) -> pd.DataFrame:
    """Return one row per step: number of cases and people, number excluded and the reason.

    `n_listed` is the number of cases in the manifest. Cases without scores are excluded at the
    second step, the `n_excluded` cases of a list of exclusions at the third. For an effect, `n`
    counts people, as in the table of effects, and `n_left_out` counts cases.
    """
    n, people = len(measured.covariates), measured.subjects.nunique()
    n_scored = n + n_excluded
    n_listed = max(n_listed, n_scored)
    rows = [
        {"step": LISTED, "of": "", "n": n_listed, "n_left_out": 0, "why": ""}
        | ({"n_people": people} if n_listed == n else {}),
    ]
    if n_listed > n_scored:
        why = "not among the scored cases"
        rows.append(
            {"step": "scored", "of": "", "n": n_scored, "n_left_out": n_listed - n_scored}
            | {"why": why, **({} if n_excluded else {"n_people": people})}
        )
    if n_excluded:
        rows.append(_step("kept", "", n, people, n_excluded, "excluded by a list"))
    labels, name = list(measured.measure.labels), measured.main.name
    for method, values in measured.values.items():
        known = values[labels].notna().all(axis=1)
        n_people = measured.subjects[known].nunique()
        why = f"no {noun_of(name)} of every label" if not known.all() else ""
        rows.append(
            _step(
                f"with {one_of(name)}", method, int(known.sum()), n_people, int((~known).sum()), why
            )
        )
    failed = failed_masks(measured.scores)
    if len(failed):
        cases = failed[failed].index.get_level_values("case_id").unique()
        n_people = measured.subjects.reindex(cases).nunique()
        step = FAILED if measured.main.is_of_masks else NO_PREDICTION
        rows.append(_step(step, "", len(cases), n_people, 0, "counted in every score"))
    rows += [
        _effect_step(hypothesis, row)
        for hypothesis in measured.target.hypotheses
        for row in effects[
            (effects["hypothesis"] == hypothesis.name) & effects["leads"].astype(bool)
        ].to_dict("records")
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _step(step: str, of: str, n: int, people: int, left_out: int, why: str) -> dict:
    return dict(zip(COLUMNS, (step, of, n, people, left_out, why), strict=True))


def _effect_step(hypothesis: Hypothesis, row: dict) -> dict:
    dropped, failed = int(row["n_dropped"]), int(row["n_failed"])
    needed, name = " or ".join(hypothesis.variables), hypothesis.measure
    is_of_mask = is_of_masks(name)
    lacking = f"{dropped} without a value of {needed} or {one_of(name)}" if dropped else ""
    lost = f"{failed} whose {'mask' if is_of_mask else 'prediction'} failed" if failed else ""
    why = join_reasons(lacking, lost)
    of, n = f"{hypothesis.name}, {row['method']}", int(row["n"])
    return _step(EFFECT, of, n, n, dropped + failed, why)
