"""Calibration and net benefit of predicted risks of an event by a day, with censored people."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.stats.core.interval import Estimate
from neurotarget.stats.core.probability_scores import cut
from neurotarget.stats.survival.cox import NoFitError, fit_cox
from neurotarget.stats.survival.kaplan_meier import Z, survival_at, survival_curve

Cases = Float[ndarray, " N"]

MOST_GROUPS, FEWEST_OF_GROUP = 5, 10
THRESHOLDS = np.linspace(0.01, 0.99, 99)


class RiskGroup(NamedTuple):
    """People of similar risk: mean predicted risk, and observed risk by Kaplan and Meier."""

    predicted: float
    observed: float
    low: float
    high: float
    n: int


class RiskCalibration(NamedTuple):
    """Observed over expected share of events by a day (1 is best), and the slope (1 is best)."""

    observed: Estimate
    expected: float
    ratio: float
    slope: Estimate
    groups: list[RiskGroup]


class NetBenefit(NamedTuple):
    """Net benefit of treating people above each threshold of risk, and of treating all people."""

    thresholds: Float[ndarray, " T"]
    model: Float[ndarray, " T"]
    everyone: Float[ndarray, " T"]


def risk_calibration(days: Cases, event: Cases, risk: Cases, day: float) -> RiskCalibration:
    """Compare predicted risks of the event by a day with the observed share of events.

    The slope is that of Cox's hazards over log(−log(1 − risk)); below 1, risks are too extreme. It
    is NaN where it cannot be estimated. There are up to five groups of similar risk, of ten people
    or more each.

    Source: Austin et al. 2020, doi:10.1002/sim.8570; Crowson et al. 2016,
    doi:10.1177/0962280213497434.
    """
    observed, expected = observed_risk(days, event, day), float(risk.mean())
    place = np.log(-np.log(1 - cut(risk)))
    slope = Estimate.undefined(len(days))
    try:
        fit = fit_cox(days, event, place[:, None])
        value, error = float(fit.coefficients[0]), float(fit.errors[0])
        slope = Estimate(value, value - Z * error, value + Z * error, len(days))
    except NoFitError:
        pass
    count = max(1, min(MOST_GROUPS, len(days) // FEWEST_OF_GROUP))
    parts = np.array_split(np.argsort(risk, kind="stable"), count)
    groups = [_group(days[part], event[part], risk[part], day) for part in parts]
    ratio = observed.value / expected if expected > 0 else math.nan
    return RiskCalibration(observed, expected, ratio, slope, groups)


def _group(days: Cases, event: Cases, risk: Cases, day: float) -> RiskGroup:
    observed = observed_risk(days, event, day)
    return RiskGroup(float(risk.mean()), observed.value, observed.low, observed.high, len(days))


def observed_risk(days: Cases, event: Cases, day: float) -> Estimate:
    """Return the share of people with the event by a day, by Kaplan and Meier, with its interval.

    NaN where the last follow-up ends before the day without the event.
    """
    survival = survival_at(survival_curve(days, event), day)
    return Estimate(1 - survival.value, 1 - survival.high, 1 - survival.low, len(days))


def net_benefit(
    days: Cases, event: Cases, risk: Cases, day: float, thresholds: ndarray = THRESHOLDS
) -> NetBenefit:
    """Return the net benefit of acting on risks above a threshold, in true positives per person.

    The share with the event among people above the threshold is Kaplan and Meier's; NaN where their
    follow-up ends before the day.

    Source: Vickers et al. 2008, doi:10.1186/1472-6947-8-53.
    """
    everyone = observed_risk(days, event, day).value
    odds = thresholds / (1 - thresholds)
    model = np.array([_benefit(days, event, risk >= one, day, one) for one in thresholds])
    return NetBenefit(thresholds, model, everyone - (1 - everyone) * odds)


def _benefit(days: Cases, event: Cases, chosen: ndarray, day: float, threshold: float) -> float:
    if not chosen.any():
        return 0.0
    share = float(chosen.mean())
    happens = observed_risk(days[chosen], event[chosen], day).value
    return share * (happens - (1 - happens) * threshold / (1 - threshold))
