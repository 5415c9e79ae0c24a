"""Checks of limits of agreement: their assumptions, and whether they are acceptable.

Limits of agreement assume normal differences of constant spread. Where an assumption fails, read
the limits of the ratio of both values (by logarithms) instead. Two methods may replace each other
if their limits lie within limits set in advance, those of the target (`acceptable`).

Sources: Bland and Altman 1999, doi:10.1177/096228029900800204 (spread, ratios); Shapiro and Wilk
1965, doi:10.1093/biomet/52.3-4.591; Breusch and Pagan 1979, doi:10.2307/1911963; Gerke 2020,
doi:10.3390/diagnostics10050334 (limits set in advance).
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import shapiro, t
from statsmodels.stats.diagnostic import het_breuschpagan

from neurotarget.stats.cohort.measured import Measured, Quantity
from neurotarget.stats.core.interval import LEVEL
from neurotarget.stats.tables.tables import pair_rows
from neurotarget.target_relations import LIMITS

COLUMNS = [
    *("first", "second", "label", "n", "p_normal", "p_constant", "spread_slope", "holds"),
    *("ratio", "ratio_lower", "ratio_upper", "acceptable", "unit", "verdict", "reason"),
]
FEWEST = 8  # fewest people for both tests
MOST = 5000  # most people for an accurate Shapiro-Wilk p
ALPHA = 0.05
INSIDE, OUTSIDE, OPEN = "inside", "outside", "undecided"


def assumptions_table(measured: Measured, agreement: pd.DataFrame) -> pd.DataFrame:
    """Check the differences and the limits of agreement of each pair of methods, by label.

    One person counts once, by the mean of their scans. `p_normal` is the p of Shapiro and Wilk's
    test, `p_constant` that of Breusch and Pagan's test over the mean of both methods.
    `spread_slope` is the slope of the absolute difference on that mean. `ratio` is the geometric
    mean of second / first with its 95 % limits, where all values are above 0. The verdict is
    `inside` where the intervals of both limits of `agreement` lie within ± `acceptable`, `outside`
    where one interval lies beyond, else `undecided`.
    """
    rows = []
    for first, second in measured.pairs:
        for label in measured.labels:
            both = pd.DataFrame(
                {name: measured.values[name][label] for name in (first, second)}
            ).dropna()
            both = both.groupby(measured.subjects.loc[both.index].to_numpy()).mean()
            row = {"first": first, "second": second, "label": label, "n": len(both)}
            row |= _checks(both[first].to_numpy(), both[second].to_numpy())
            rows.append(row | _verdict(measured, agreement, (first, second), label, both))
    return pd.DataFrame(rows, columns=COLUMNS)


def _checks(first: np.ndarray, second: np.ndarray) -> dict[str, object]:
    differences, size = second - first, (first + second) / 2
    if len(differences) < FEWEST or np.ptp(differences) == 0 or np.ptp(size) == 0:
        why = (
            "no two values differ" if len(differences) >= FEWEST else f"fewer than {FEWEST} people"
        )
        return {"holds": "", "reason": f"not checked: {why}"}
    scale = np.column_stack([np.ones(len(size)), (size - size.mean()) / size.std()])
    p_normal = float(shapiro(differences).pvalue) if len(differences) <= MOST else math.nan
    p_constant = float(het_breuschpagan(differences - differences.mean(), scale)[1])
    slope = float(np.polyfit(size, np.abs(differences - differences.mean()), 1)[0])
    broken = [
        name for name, p in (("normal", p_normal), ("of constant spread", p_constant)) if p < ALPHA
    ]
    row = {"p_normal": p_normal, "p_constant": p_constant, "spread_slope": slope}
    row |= {"holds": "no" if broken else "yes"}
    reason = f"the differences are not {' and not '.join(broken)}" if broken else ""
    if (first > 0).all() and (second > 0).all():
        row |= _ratios(np.log(second / first))
        reason += ": read the limits of the ratio" if broken else ""
    return row | {"reason": reason}


def _ratios(logs: np.ndarray) -> dict[str, float]:
    """Geometric mean of the ratios and their 95 % limits."""
    half = float(t.ppf((1 + LEVEL) / 2, len(logs) - 1)) * float(logs.std(ddof=1))
    half *= math.sqrt(1 + 1 / len(logs))
    mean = float(logs.mean())
    names = ("ratio", "ratio_lower", "ratio_upper")
    values = (mean, mean - half, mean + half)
    return {name: math.exp(value) for name, value in zip(names, values, strict=True)}


def _verdict(
    measured: Measured,
    agreement: pd.DataFrame,
    pair: tuple[str, str],
    label: str,
    both: pd.DataFrame,
) -> dict[str, object]:
    limit, unit = acceptable_limit(
        measured.target.acceptable, measured.main, float(both.to_numpy().mean())
    )
    if math.isnan(limit):
        return {"acceptable": math.nan, "unit": "", "verdict": ""}
    own = pair_rows(agreement, *pair, label).set_index("statistic")
    row = {"acceptable": limit, "unit": unit}
    if not {"lower_limit", "upper_limit"} <= set(own.index):
        return row | {"verdict": OPEN}
    lower, upper = (own.loc[name] for name in ("lower_limit", "upper_limit"))
    return row | {"verdict": _judged(lower, upper, limit)}


def _judged(lower: Mapping, upper: Mapping, limit: float) -> str:
    if lower["low"] >= -limit and upper["high"] <= limit:
        return INSIDE
    if lower["high"] < -limit or upper["low"] > limit:
        return OUTSIDE
    return OPEN


def acceptable_limit(
    acceptable: Mapping[str, float], quantity: Quantity, mean: float
) -> tuple[float, str]:
    """Return the acceptable half width of limits of agreement, and its unit; NaN if not set.

    Args:
        acceptable: the target's limits by name, in the unit of the quantity or in percent.
        quantity: the measured quantity.
        mean: mean of the quantity, to which percentages refer.
    """
    if (own := quantity.column(LIMITS)) in acceptable:
        return acceptable[own], quantity.unit
    if f"{LIMITS}_percent" in acceptable:
        return acceptable[f"{LIMITS}_percent"] / 100 * mean, quantity.unit
    return math.nan, ""
