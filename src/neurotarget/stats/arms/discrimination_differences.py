"""Differences of AUROC between arms on the same cases, by DeLong's test.

The probabilities of a case are first averaged over all trainings of an arm that hold the case out,
so an arm has one AUROC: that of the ensemble of its trainings. The test takes these trainings as
given.
"""

import math
from itertools import combinations

import numpy as np
import pandas as pd

from neurotarget.stats.arms.arm_scores import over_runs
from neurotarget.stats.arms.arms import NET, Arms
from neurotarget.stats.core.clustered_auc import auc_difference_of_cases, auc_of_cases
from neurotarget.stats.core.interval import Estimate
from neurotarget.stats.core.multiple_tests import corrected
from neurotarget.stats.core.resample import codes
from neurotarget.stats.tables.outcome_rows import FEW, FEW_OF_A_CLASS, FEWEST_PEOPLE, why_unknown

COLUMNS = [
    *("arm", "other", "label", "auc_arm", "auc_arm_low", "auc_arm_high"),
    *("auc_other", "auc_other_low", "auc_other_high", "difference", "low", "high"),
    *("p", "p_holm", "n", "n_positive", "n_subjects", "n_left_out", "reason"),
]
SEPARATE = "both arms separate the classes without an error: no interval"
NOTHING_SHARED = "no case has predictions by both arms and a reference"


def discrimination_differences_table(arms: Arms) -> pd.DataFrame:
    """Return AUROC of `arm` minus that of `other` for each pair of arms and every class.

    Cases need a reference and a probability by both arms; `n_left_out` counts cases without.
    Holm's correction is over the pairs of a class, separately for pairs of nets and for other
    pairs. Without predicted classes there are no rows.
    """
    labels = [label for one in arms.target.outcomes if one.is_class for label in one.labels]
    rows = [row for label in labels for row in _of_label(arms, label)]
    table = pd.DataFrame(rows, columns=[*COLUMNS, "is_made"])
    for _, family in table.groupby(["label", "is_made"], sort=False):
        table.loc[family.index, "p_holm"] = corrected(family["p"].to_numpy(float))
    return table[COLUMNS]


def _of_label(arms: Arms, label: str) -> list[dict]:
    own = arms.scores[arms.scores["label"] == label].astype({"value": float})
    rows = own[own["metric"] == "probability"]
    if not len(rows):
        return []
    by_run = rows.pivot_table(index="case_id", columns="run", values="value", aggfunc="mean")
    p = over_runs(by_run, arms)
    truth = own[own["metric"] == "reference_probability"].groupby("case_id")["value"].first()
    subjects = own.drop_duplicates("case_id").set_index("case_id")["subject_id"]
    index = truth.index.union(p.index)
    p, y, subjects = (one.reindex(index) for one in (p, truth, subjects))
    kinds = arms.kinds
    named = [arm for arm in arms.names if p[arm].notna().any()]
    return [
        {"arm": arm, "other": other, "label": label}
        | _difference(p[[arm, other]], y, subjects)
        | {"is_made": {kinds[arm], kinds[other]} != {NET}}
        for arm, other in combinations(named, 2)
    ]


def _difference(p: pd.DataFrame, y: pd.Series, subjects: pd.Series) -> dict:
    """Return the cells of one pair of arms, over the cases that have all values."""
    whole = p.notna().all(axis=1) & y.notna()
    scores, truth = p[whole].to_numpy(float)[:, ::-1], y[whole].to_numpy(float)
    subject, n_subjects = codes(subjects[whole]) if whole.any() else (np.zeros(0, int), 0)
    cells = {"n": len(truth), "n_positive": int(truth.sum()), "n_subjects": n_subjects}
    cells |= {"n_left_out": int(len(whole) - whole.sum()), "p": math.nan, "p_holm": math.nan}
    why = NOTHING_SHARED if not len(truth) else why_unknown(truth)
    nothing = Estimate.undefined(len(truth))
    areas, found = [nothing, nothing], nothing
    if not why:
        is_positive = truth == 1
        areas = [auc_of_cases(column, is_positive, subject) for column in scores.T]
        test = auc_difference_of_cases(scores, is_positive, subject)
        found, cells["p"] = test.estimate, test.p
        if n_subjects < FEWEST_PEOPLE:
            areas, found = [_bare(one) for one in areas], _bare(found)
            why, cells["p"] = FEW, math.nan
        elif math.isnan(test.p):
            why = FEW_OF_A_CLASS if math.isnan(found.value) else SEPARATE
    for name, one in zip(("auc_other", "auc_arm"), areas, strict=True):
        cells |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
    cells |= {"difference": found.value, "low": found.low, "high": found.high}
    return cells | {"reason": why}


def _bare(estimate: Estimate) -> Estimate:
    return estimate._replace(low=math.nan, high=math.nan)
