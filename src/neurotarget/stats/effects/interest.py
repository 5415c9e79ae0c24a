"""The smallest effect of interest of a hypothesis, in the unit of its effect."""

import math

import pandas as pd

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.cohort.subjects import NotEstimableError, gather
from neurotarget.stats.effects.model import design, fit

PUBLISHED_SHARE = 0.5  # of the published effect, where the hypothesis has no `matters`


def smallest_of_interest(
    hypothesis: Hypothesis, column: pd.Series, covariates: pd.DataFrame
) -> float:
    """Return the stated smallest effect of interest, else half of the published one, else NaN.

    A percentage refers to the mean of `column`. d refers to the residual SD of `column` about the
    declared model and, for a slope, to one SD of the covariate. NaN also where `column` does not
    allow the conversion.
    """
    matters = hypothesis.matters
    if matters is None:
        expected = hypothesis.expected
        return PUBLISHED_SHARE * abs(expected) if expected else math.nan
    if not matters.unit:
        return matters.value
    try:
        cohort = gather(hypothesis, column.to_frame("value"), covariates)
        values = cohort.values["value"].to_numpy()
        if matters.unit == "%":
            return matters.value / 100 * abs(float(values.mean()))
        columns = design(hypothesis, cohort.covariates)
        spread = fit(hypothesis, columns, values).spread
    except NotEstimableError:
        return math.nan
    per = 1.0 if hypothesis.groups else float(columns.tested.std(ddof=1))
    return matters.value * spread / per
