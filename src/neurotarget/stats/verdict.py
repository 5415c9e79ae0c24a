"""Whether a published effect is replicated, in one of three words and a reason.

An effect is *replicated* where its 95 % interval excludes 0 on the expected side. On the other
side the opposite is found, and it is *not replicated*. An interval that includes 0 may come of an
absent effect or of a small cohort. If it includes the published effect too, and the data had less
than 80 % power to find that effect, they speak neither for nor against it: *not enough data*. If
it excludes the published effect, or the power was there, it is *not replicated*. Without a
published effect there is no power to speak of: it is *not replicated*, and the smallest effect
that would have been found stands in the reason, so that the reader can judge.

Nothing is judged, *no conclusion*, on volumes of masks that failed too often (see `learning`).

Power is that of the published effect, never of the observed one, which only repeats the p value
(Hoenig and Heisey 2001, doi:10.1198/000313001300339897).
"""

import math
from typing import NamedTuple

from scipy.stats import nct, t

from neurotarget.stats.interval import LEVEL

REPLICATED = "replicated"
NOT_REPLICATED = "not replicated"
NOT_ENOUGH = "not enough data"
NO_CONCLUSION = "no conclusion"  # too many of the masks failed, or the network has not learnt
OPPOSITE = "the opposite is found"
POWER = 0.8  # Cohen 1988, doi:10.4324/9780203771587


class Verdict(NamedTuple):
    """One of the words, and why it is not the first."""

    word: str
    reason: str = ""


def power_to_find(effect: float, error: float, freedom: float) -> float:
    """Chance, in [0, 1], that a two-sided test at 5 % finds an effect of this size."""
    if math.isnan(effect):
        return math.nan
    critical = float(t.ppf((1 + LEVEL) / 2, freedom))
    shift = abs(effect) / error
    # the wrong tail is 0 or beyond what nct can compute for a large shift
    wrong = float(nct.cdf(-critical, freedom, shift)) if shift < 5 else 0.0
    right = float(nct.sf(critical, freedom, shift)) if shift < 30 + 2 * critical else 1.0
    return min(right + wrong, 1.0)


def detectable(error: float, freedom: float) -> float:
    """Smallest effect that a two-sided test at 5 % finds with 80 % power, in the unit of error."""
    return float(t.ppf((1 + LEVEL) / 2, freedom) + t.ppf(POWER, freedom)) * error


def judge(
    low: float, high: float, *, sign: int, expected: float, power: float, least: float, unit: str
) -> Verdict:
    """Judge an interval by the rule at the head of this file.

    `sign` is the expected direction, 0 where either counts; `expected` the published effect, NaN
    where there is none; `power` the chance to find it and `least` the detectable effect.
    """
    if low > 0 or high < 0:
        found = 1 if low > 0 else -1
        is_expected = sign in (0, found)
        return Verdict(REPLICATED) if is_expected else Verdict(NOT_REPLICATED, OPPOSITE)
    if math.isnan(expected):
        return Verdict(
            NOT_REPLICATED, f"with 80 % power it would find {_amount(least, unit, '')} or more"
        )
    published = f"the expected effect of {_amount(expected, unit, '+')}"
    if not low <= expected <= high:
        return Verdict(NOT_REPLICATED, f"the interval excludes {published}")
    if power < POWER:
        return Verdict(
            NOT_ENOUGH, f"the power to find {published} was {_percent(power)}, wanted 80 %"
        )
    return Verdict(NOT_REPLICATED, f"the power to find {published} was {_percent(power)}")


def _percent(share: float) -> str:
    return f"{math.floor(100 * share)} %"


def _amount(value: float, unit: str, sign: str) -> str:
    text = f"{float(f'{value:.3g}'):{sign}g}".replace("-", "−")  # three figures
    return f"{text} {unit.replace('mm3', 'mm³')}"
