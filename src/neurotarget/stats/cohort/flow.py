"""Flow of cases from the manifest to each effect: how many are left out at each step, and why."""

import pandas as pd

from neurotarget.hypothesis import Hypothesis
from neurotarget.problems import join_reasons
from neurotarget.stats.cohort.failures import failed_masks
from neurotarget.stats.cohort.measured import Measured

COLUMNS = ["step", "of", "n", "n_people", "n_left_out", "why"]
LISTED, VOLUMES, FAILED, EFFECT = "cases listed", "with a volume", "mask failed", "in the effect"


def flow_table(measured: Measured, effects: pd.DataFrame, *, n_listed: int = 0) -> pd.DataFrame:
    """Return one row per step: cases, people, number left out and the reason.

    `n_listed` is the number of cases in the manifest; those without scores are left out at the
    second step. For an effect, `n` counts people, as in the table of effects, and `n_left_out`
    counts cases.
    """
    n, people = len(measured.covariates), measured.subjects.nunique()
    rows = [
        {"step": LISTED, "of": "", "n": max(n_listed, n), "n_left_out": 0, "why": ""}
        | ({"n_people": people} if n_listed <= n else {}),
    ]
    if n_listed > n:
        rows.append(_step("scored", "", n, people, n_listed - n, "not among the scored cases"))
    labels = list(measured.target.label_names)
    for method, volumes in measured.volumes.items():
        known = volumes[labels].notna().all(axis=1)
        left = measured.subjects[known].nunique()
        why = "no volume of every label" if not known.all() else ""
        rows.append(_step(VOLUMES, method, int(known.sum()), left, int((~known).sum()), why))
    failed = failed_masks(measured.scores)
    if len(failed):
        cases = failed[failed].index.get_level_values("case_id").unique()
        named = measured.subjects.reindex(cases).nunique()
        rows.append(_step(FAILED, "", len(cases), named, 0, "counted in every score"))
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
    lacking = f"{dropped} without a value of {' or '.join(hypothesis.variables)} or a volume"
    why = join_reasons(lacking if dropped else "", f"{failed} whose mask failed" if failed else "")
    of, n = f"{hypothesis.name}, {row['method']}", int(row["n"])
    return _step(EFFECT, of, n, n, dropped + failed, why)
