"""Attenuation: the share of an effect that a method's values show.

The share is the slope of the method's values on the reference's values. A network that shrinks all
masks towards the mean has a small spread and looks precise, but shows only that share of every
effect.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.subjects import quantities
from neurotarget.stats.core.interval import LEVEL, Estimate
from neurotarget.stats.effects.model import FEWEST, ROUNDING, robust_error
from neurotarget.stats.effects.verdict import TWO_TESTS


class Attenuation(NamedTuple):
    """Share of an effect that a method's values show.

    `least` is the lower end of its interval, in [0, 1]; `why` is the reason for a missing share.
    """

    value: float
    least: float
    why: str = ""


WHOLE = Attenuation(1.0, 1.0)


def share_of(measured: Measured, hypothesis: Hypothesis, method: str, label: str) -> Attenuation:
    """Return the share of a hypothesis's effect that a method's values of a label show.

    `least` is the lower end of the 90 % interval of the slope on the reference; a slope above 1
    counts as 1, so that no effect is called absent or small too easily. There is no share unless
    the interval lies above 0.
    """
    reference = measured.reference
    if reference is None or method == reference:
        return WHOLE
    values = measured.values_of(hypothesis)
    both, subjects = (values[reference][label], values[method][label]), measured.subjects
    slope = slope_on_reference(*both, subjects, level=TWO_TESTS)
    if math.isnan(slope.value):
        return WHOLE
    if slope.low > 0:
        return Attenuation(slope.value, min(slope.low, 1.0))
    ends = (f"{end:.2f}" for end in slope_on_reference(*both, subjects)[:3])
    text = "{} [{}, {}]".format(*ends).replace("-", "\N{MINUS SIGN}")
    return Attenuation(
        1.0,
        1.0,
        f"the {quantities(hypothesis)} by {method} are not shown to follow those by {reference}: "
        f"their least-squares slope on them is {text}",
    )


def slope_on_reference(
    reference: pd.Series, method: pd.Series, subjects: pd.Series, *, level: float = LEVEL
) -> Estimate:
    """Return the slope of the method's values on the reference's, with its interval.

    The tables are indexed by case; several scans of a subject are averaged. The slope is fitted by
    least squares with robust errors (HC3), taking the reference as true. NaN with fewer than five
    subjects, or where the reference does not vary.

    Source: MacKinnon and White 1985, doi:10.1016/0304-4076(85)90158-7.
    """
    both = pd.DataFrame({"x": reference, "y": method}).astype(float).groupby(subjects).mean()
    both = both.dropna()
    n, x, y = len(both), both["x"].to_numpy(), both["y"].to_numpy()
    if n < FEWEST + 2 or np.ptp(x) <= ROUNDING * np.abs(x).max():
        return Estimate.undefined(n)
    away = x - x.mean()
    slope = float(away @ y) / float(away @ away)
    error = robust_error(np.column_stack([away, np.ones(n)]), y - y.mean() - slope * away)
    half = float(t.ppf((1 + level) / 2, n - 2)) * error
    return Estimate(slope, slope - half, slope + half, n)
