"""Transport: models of one cohort applied to another cohort without refitting."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from neurotarget.stats.survival.concordance import (
    harrell_pairs,
    share,
    time_auc_pairs,
    uno_pairs,
)
from neurotarget.stats.survival.survival_arms import (
    Arm,
    Cohort,
    Plan,
    mean_over_people,
    usable_horizons,
)
from neurotarget.stats.survival.survival_errors import brier_parts


def transport_table(other: Cohort, arms: Sequence[Arm], plan: Plan) -> pd.DataFrame:
    """Return the scores in another cohort of each arm's model, fitted to all people of its cohort.

    An arm is left out if the other cohort lacks its terms, a horizon if the follow-up of the other
    cohort does not reach it.
    """
    rows = []
    for arm in arms:
        if arm.fit is None or arm.terms not in other.sets:
            continue
        made = arm.fit.predict(other.terms(arm.terms), plan.horizons)
        found = {
            "c": share(harrell_pairs(other.days, other.event, made.score), plan.seed),
            "c_uno": share(uno_pairs(other.days, other.event, made.score), plan.seed),
        }
        for month, day, risk in zip(plan.horizons_months, plan.horizons, made.risk, strict=True):
            if month not in usable_horizons(other.days, other.event, plan.horizons_months):
                continue
            pairs = time_auc_pairs(other.days, other.event, made.score, float(day))
            found[f"auc_{month:g}m"] = share(pairs, plan.seed)
            if np.isfinite(risk).all():
                parts = brier_parts(other.days, other.event, risk, float(day))
                found[f"brier_{month:g}m"] = mean_over_people(parts, plan.seed)
        where = {"terms": arm.terms, "model": arm.model}
        rows += [where | {"statistic": name} | one._asdict() for name, one in found.items()]
    return pd.DataFrame(rows)


def transported_risks(
    other: Cohort, arms: Sequence[Arm], plan: Plan
) -> dict[str, Float[ndarray, "H N"]]:
    """Return the risks of the people of another cohort by set, for models that predict risks.

    Rows are all horizons of the plan, including those beyond the other cohort's follow-up.
    """
    risks = {}
    for arm in arms:
        if arm.fit is not None and arm.fit.cox is not None and arm.terms in other.sets:
            risks[arm.terms] = arm.fit.predict(other.terms(arm.terms), plan.horizons).risk
    return risks
