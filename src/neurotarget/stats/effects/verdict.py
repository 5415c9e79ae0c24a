"""The verdict on a hypothesis from an interval: one of six labels, and a reason.

An estimate is compared with two values. The comparison with 0 answers whether there is an effect,
and on the expected side. The comparison with the smallest effect of interest answers whether every
effect that matters is ruled out. It uses two one-sided tests at 5 % each: the 90 % interval has to
lie within the smallest effect of interest on both sides. So an effect is

- *shown* where the 95 % interval excludes 0 on the expected side,
- *shown, smaller than published* where it also excludes the published size from below,
- *opposite* where it excludes 0 on the other side,
- *absent* where it includes 0, and the 90 % interval lies within the smallest effect of interest,
- *inconclusive* otherwise: the data support neither presence nor absence,
- *no conclusion* where too many masks failed (see `learning`).

The smallest effect of interest is stated by the hypothesis, or is half of the published effect.
Without either, no effect is ever absent, since an interval that includes 0 is no evidence of
absence (Altman and Bland 1995, doi:10.1136/bmj.311.7003.485).

Values that show only a share of an effect, because a network shrinks all masks towards the mean
(see `attenuation`), are compared with the published size and the smallest effect of interest
times that share.

Power is computed for a stated effect, never for the observed one, which only repeats the p value
(Hoenig and Heisey 2001, doi:10.1198/000313001300339897).

Source: Schuirmann 1987, doi:10.1007/BF01068419 (two one-sided tests); Lakens 2018,
doi:10.1177/2515245918770963 (the smallest effect of interest).
"""

import math
from typing import NamedTuple

from scipy.special import stdtrit
from scipy.stats import nct

from neurotarget.number_text import interval, stated, unit_text
from neurotarget.stats.core.interval import LEVEL

SHOWN = "shown"
SMALLER = "shown, smaller than published"
ABSENT = "absent"
OPPOSITE = "opposite"
INCONCLUSIVE = "inconclusive"
NO_CONCLUSION = "no conclusion"  # too many masks failed, or the network has not learnt
SHOWN_KINDS = (SHOWN, SMALLER)
POWER = 0.8  # Cohen 1988, doi:10.4324/9780203771587
TWO_TESTS = 0.9  # level of the interval that is equivalent to two one-sided tests at 5 %


class Verdict(NamedTuple):
    """One of the six verdicts, and its reason."""

    kind: str
    reason: str = ""


class Interval(NamedTuple):
    """Ends of the 95 % and 90 % intervals, in the unit of the effect."""

    low: float
    high: float
    low_90: float
    high_90: float

    @classmethod
    def of(cls, estimate: float, error: float, freedom: float) -> "Interval":
        """Build Student's intervals from an estimate and its standard error.

        The 90 % interval stands for two one-sided tests at 5 % each.
        """
        half, half_90 = (
            float(stdtrit(freedom, (1 + level) / 2)) * error for level in (LEVEL, TWO_TESTS)
        )
        return cls(estimate - half, estimate + half, estimate - half_90, estimate + half_90)


def power_to_find(effect: float, error: float, freedom: float) -> float:
    """Return the power in [0, 1] of a two-sided test at 5 % for an effect of this size.

    Args:
        effect: a stated effect, never the observed one; NaN gives NaN.
        error: standard error of the estimate, in the same unit.
        freedom: degrees of freedom of Student's t.
    """
    if math.isnan(effect):
        return math.nan
    critical = float(stdtrit(freedom, (1 + LEVEL) / 2))
    shift = abs(effect) / error
    # the other tail is 0, or nct cannot compute it for a large shift
    wrong = float(nct.cdf(-critical, freedom, shift)) if shift < 5 else 0.0
    right = float(nct.sf(critical, freedom, shift)) if shift < 30 + 2 * critical else 1.0
    return min(right + wrong, 1.0)


def detectable(error: float, freedom: float) -> float:
    """Return the smallest effect found with 80 % power at two-sided 5 %, in the unit of error."""
    return float(stdtrit(freedom, (1 + LEVEL) / 2) + stdtrit(freedom, POWER)) * error


def judge(
    ends: Interval,
    *,
    sign: int,
    expected: float,
    matters: float,
    power: float,
    least: float,
    unit: str,
    share: float = 1.0,
    plural: str = "volumes",
) -> Verdict:
    """Return the verdict on an interval, by the rule at the head of this file.

    `sign` is the expected direction, 0 for either. `expected` is the published effect and `matters`
    the smallest effect of interest, NaN if unknown. `power` is the power for the published effect
    and `least` the effect found with 80 % power. `share` in [0, 1] is the smallest share of an
    effect that these values show, and `plural` is the noun for the values.
    """
    low, high = ends.low, ends.high
    margin, of_share = matters * share, ""
    if share != 1:
        of_share = f", of which these {plural} show {share:.2g}"
    is_small = -margin < ends.low_90 and ends.high_90 < margin
    within = f"lies within the smallest effect of interest, {_amount(matters, unit)}{of_share}"
    published = f"the published {_amount(expected, unit, sign=True)}"
    furthest = max(math.copysign(1.0, expected) * end for end in (low, high))
    too_large = []  # reasons: a published effect that the interval excludes from below
    if furthest < abs(expected) * share:
        too_large.append(f"the interval excludes {published}{of_share}")
    if low > 0 or high < 0:
        small = [f"it {within}"] if is_small else []
        return _excluding_zero(low, high, sign, expected, published, too_large, small)
    if is_small:
        return Verdict(ABSENT, f"the 90 % interval {interval(ends.low_90, ends.high_90)} {within}")
    could = _detectable(expected, power, least, unit)
    return Verdict(INCONCLUSIVE, "; ".join([*too_large, could]))


def _excluding_zero(
    low: float,
    high: float,
    sign: int,
    expected: float,
    published: str,
    too_large: list[str],
    small: list[str],
) -> Verdict:
    """Verdict on an interval that excludes 0."""
    direction = 1 if low > 0 else -1
    if sign not in (0, direction):
        return Verdict(OPPOSITE)
    if expected * direction < 0:
        return Verdict(SHOWN, "; ".join([*small, f"{published} points the other way"]))
    if too_large:
        return Verdict(SMALLER, "; ".join([*too_large, *small]))
    if min(abs(low), abs(high)) > abs(expected):
        small = [*small, f"larger than {published}"]
    return Verdict(SHOWN, "; ".join(small))


def _detectable(expected: float, power: float, least: float, unit: str) -> str:
    """Sentence on the effects that the data could have found."""
    sentence = f"these data would show an effect of {_amount(least, unit)} with 80 % power"
    if math.isnan(expected):
        return sentence
    return (
        f"the power to find the published {_amount(expected, unit, sign=True)} was "
        f"{math.floor(100 * power)} %; {sentence}"
    )


def _amount(value: float, unit: str, *, sign: bool = False) -> str:
    return f"{stated(value, sign=sign)} {unit_text(unit)}".rstrip()
