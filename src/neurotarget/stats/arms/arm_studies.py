"""A study of each arm: agreement of its values with the reference, and effects on its values.

The held-out cases of all folds with one seed form one cohort, so no case was in the training data
of its network. Only cases with a reference value count.
"""

import math
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from neurotarget.problems import join_reasons
from neurotarget.quantity import Measure, one_of, with_unit
from neurotarget.stats.arms.arm_learning import Learnings, learning_of_arms, refused_arms
from neurotarget.stats.arms.arms import Arms
from neurotarget.stats.cohort.measured import Measured, Quantity, quantity_table
from neurotarget.stats.effects.effects import effects_table as study_effects
from neurotarget.stats.tables.tables import agreement_table as study_agreement
from neurotarget.stats.tables.tables import statistic_columns

REFERENCE = "reference"
AGREEMENT_COLUMNS = [
    *("arm", "seed", "label", "icc_a1", "icc_low", "icc_high", "pearson_r"),
    *("bias", "bias_low", "bias_high", "n", "reason"),
]
EFFECT_COLUMNS = [
    *("arm", "seed", "hypothesis", "claim", "estimate", "low", "high", "p", "unit"),
    *("verdict", "n", "reason"),
]
STATISTICS = {  # statistic in the study's table → column here
    "icc_a1": ("icc_a1", "icc_low", "icc_high"),
    "pearson_r": ("pearson_r",),
    "bias": ("bias", "bias_low", "bias_high"),
}


class Cohort(NamedTuple):
    """The main quantity from one arm's runs of one seed; rows are cases, columns are labels."""

    arm: str
    seed: int
    values: pd.DataFrame


def cohorts(arms: Arms) -> tuple[pd.DataFrame, list[Cohort]]:
    """Return the main quantity of the reference, and of every arm and seed on the same cases.

    Where several folds hold out a case, its values are averaged. Cases without any reference value
    are left out.
    """
    measure = _main(arms)
    rows = arms.scores[arms.scores["label"].isin(measure.labels)]
    is_reference = rows["metric"] == f"reference_{measure.metric}"
    reference = _wide(rows[is_reference], measure, arms).dropna(how="all")
    values = rows[rows["metric"] == measure.metric]
    return reference, [
        Cohort(arm, int(seed), _wide(part, measure, arms).reindex(reference.index))
        for arm in arms.names
        for seed, part in values[values["arm"] == arm].groupby("seed")
    ]


def agreement_table(arms: Arms, *, seed: int = 0) -> pd.DataFrame:
    """Return ICC(A,1), Pearson's r and bias (arm − reference) by arm, seed and label.

    The column of the bias ends in its unit. No rows for probabilities.
    """
    rows, measure = [], _main(arms)
    for cohort, measured in _measured(arms, with_covariates=False):
        is_measured = not measured.main.is_probability
        table = study_agreement(measured, seed=seed) if is_measured else pd.DataFrame()
        for label in measured.labels if len(table) else ():
            rows.append(_agreement(measured, cohort, label, table[table["label"] == label]))
    table = _seeded(pd.DataFrame(rows, columns=AGREEMENT_COLUMNS))
    return table.rename(columns={"bias": with_unit("bias", measure.unit)})


def effects_table(arms: Arms, learnings: Learnings | None = None) -> pd.DataFrame:
    """Test the target's hypotheses on the values of the reference and of each arm.

    Reference and arms have the same cases. `reason` names the published effect where the verdict
    depends on it. Arms that have not learnt, or whose masks failed too often, have no conclusion.
    """
    if not arms.target.hypotheses:
        return _seeded(pd.DataFrame(columns=EFFECT_COLUMNS))
    tables, refused = [], refused_arms(arms, learnings or learning_of_arms(arms))
    for number, (cohort, measured) in enumerate(_measured(arms, with_covariates=True)):
        why = refused.get((cohort.arm, cohort.seed), {})
        effects = study_effects(
            measured, refused={(cohort.arm, label): reason for label, reason in why.items()}
        )
        effects = effects[effects["leads"].astype(bool)]
        if number == 0:
            tables.append(effects[effects["method"] == REFERENCE].assign(arm=REFERENCE, seed=pd.NA))
        tables.append(
            effects[effects["method"] != REFERENCE].assign(arm=cohort.arm, seed=cohort.seed)
        )
    if not tables:
        return _seeded(pd.DataFrame(columns=EFFECT_COLUMNS))
    return _seeded(pd.concat([table[EFFECT_COLUMNS] for table in tables], ignore_index=True))


def verdict_text(effects: pd.DataFrame, arm: str) -> str:
    """Return the verdicts of an arm over its seeds: `sex_difference: shown 2 of 2; age: …`.

    The most frequent verdict of a hypothesis comes first. Empty for an arm without hypotheses.
    """
    texts = []
    for hypothesis, rows in effects[effects["arm"] == arm].groupby("hypothesis", sort=False):
        counts = Counter(rows["verdict"]).most_common()
        counted = ", ".join(f"{verdict} {count} of {len(rows)}" for verdict, count in counts)
        texts.append(f"{hypothesis}: {counted}")
    return "; ".join(texts)


def _measured(arms: Arms, *, with_covariates: bool) -> Iterator[tuple[Cohort, Measured]]:
    """Yield each cohort together with the reference, with or without covariates (strata)."""
    reference, every = cohorts(arms)
    subjects = arms.scores.drop_duplicates("case_id").set_index("case_id")["subject_id"]
    known = pd.DataFrame({"subject_id": subjects.reindex(reference.index)})
    if with_covariates:
        more = arms.covariates.drop(columns="subject_id", errors="ignore")
        known = known.join(more.reindex(reference.index).infer_objects())
    for cohort in every if len(reference) else ():
        values = {REFERENCE: reference, cohort.arm: cohort.values}
        main = _main(arms)
        quantities = {main.name: Quantity(main.name, main.unit, values)}
        quantities |= _further(arms, cohort, values) if with_covariates else {}
        yield cohort, Measured(arms.target, quantities, known, pd.DataFrame(), REFERENCE)


def _further(arms: Arms, cohort: Cohort, values: dict[str, pd.DataFrame]) -> dict[str, Quantity]:
    """Further quantities, such as means of contrasts, by the reference and by the arm."""
    scores, further = arms.scores, {}
    own = scores[(scores["arm"] == cohort.arm) & (scores["seed"] == cohort.seed)]
    for measure in list(arms.target.quantities.values())[1:]:
        metrics = {REFERENCE: f"reference_{measure.metric}", cohort.arm: measure.metric}
        tables = {}
        for method, metric in metrics.items():
            rows = scores if method == REFERENCE else own
            rows = rows[(rows["metric"] == metric) & rows["label"].isin(measure.labels)]
            if rows["value"].notna().any():
                tables[method] = _wide(rows, measure, arms, values[method])
        if tables:
            further[measure.name] = Quantity(measure.name, measure.unit, tables)
    return further


def _main(arms: Arms) -> Measure:
    """The target's main quantity."""
    return next(iter(arms.target.quantities.values()))


def _wide(
    rows: pd.DataFrame, measure: Measure, arms: Arms, sizes: pd.DataFrame | None = None
) -> pd.DataFrame:
    means = rows.groupby(["case_id", "label"])["value"].mean().unstack("label")
    return quantity_table(means, measure, arms.target, sizes)


def _agreement(measured: Measured, cohort: Cohort, label: str, agreement: pd.DataFrame) -> dict:
    row = {"arm": cohort.arm, "seed": cohort.seed, "label": label}
    row |= statistic_columns(agreement, STATISTICS)
    missing = int(agreement["n_missing"].iloc[0])
    lacking = f"{missing} cases lack {one_of(measured.main.name)}" if missing else ""
    reasons = agreement.set_index("statistic").loc[list(STATISTICS), "reason"]
    n = int(agreement["n"].iloc[0])
    return row | {"n": n, "reason": join_reasons(*reasons, lacking)}


def _seeded(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with integer seeds, which the reference lacks."""
    return table.astype({"seed": "Int64"})


def mean_icc(agreement: pd.DataFrame, arm: str, label: str) -> float:
    """Return the mean ICC(A,1) of an arm over its seeds.

    It is NaN if the ICC of any seed is NaN, which may be the worst seed, and if the arm has no row
    of the label.
    """
    rows = agreement[(agreement["arm"] == arm) & (agreement["label"] == label)]
    return float(rows["icc_a1"].mean(skipna=False)) if len(rows) else math.nan
