"""Calibration: agreement of predicted probabilities with the observed shares of positive cases.

p are probabilities of N cases, y is 1 for positive cases, else 0. Where subjects have several
cases, standard errors are cluster-robust.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.special import logit
from scipy.stats import norm
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.nonparametric.smoothers_lowess import lowess
from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

from neurotarget.stats.core.interval import LEVEL, Estimate, wilson_interval
from neurotarget.stats.core.probability_scores import cut

Cases = Float[ndarray, " N"]
Codes = Integer[ndarray, " N"]

MOST_BINS, FEWEST_OF_BIN = 10, 10
FEWEST_OF_KIND = 3  # a regression needs this many subjects with, and without, the condition
SMOOTHED = 0.75  # share of cases in each local fit of the curve
LARGEST = 30.0  # a larger slope or intercept means that the fit has not converged
MIDDLE = (0.025, 0.975)


class Recalibration(NamedTuple):
    """Calibration intercept (in the large) and slope; `reason` where they are NaN."""

    intercept: Estimate
    slope: Estimate
    reason: str = ""


class Bin(NamedTuple):
    """Cases of similar probability: their mean probability and the observed share of positive ones,
    with Wilson's interval for the number of people.
    """

    low_p: float
    high_p: float
    probability: float
    observed: float
    low: float
    high: float
    n: int
    n_positive: int


def recalibration(p: Cases, y: Cases, subject: Codes) -> Recalibration:
    """Return the calibration intercept and slope, by logistic regression on the log odds of p.

    The intercept is a of logit P(y = 1) = a + logit p; the slope is b of a second fit, a + b ·
    logit p. Perfect values are 0 and 1. An intercept above 0 means that probabilities are too low
    on average; a slope below 1 means that they are too extreme, as after overfitting.

    Both are NaN with fewer than three people with or without the condition. The slope is also NaN
    where all probabilities are equal or separate positive from negative cases. Intervals are
    Wald's, with cluster-robust errors where a subject has several cases.

    Source: Cox 1958, doi:10.2307/2333203; Van Calster et al. 2019, doi:10.1186/s12916-019-1466-7.
    """
    n, nothing = len(p), Estimate.undefined(len(p))
    people = min(len(np.unique(subject[y == kind])) for kind in (0, 1))
    if people < FEWEST_OF_KIND:
        few = f"fewer than {FEWEST_OF_KIND} people with or without the condition"
        return Recalibration(nothing, nothing, few)
    place = logit(cut(p))
    intercept = _fitted(y, np.ones((n, 1)), subject, 0, offset=place)
    if np.ptp(place) == 0:
        return Recalibration(intercept or nothing, nothing, "all probabilities are equal")
    slope = _fitted(y, np.column_stack([np.ones(n), place]), subject, 1)
    reason = "" if slope else "the probabilities separate positive from negative: no finite slope"
    return Recalibration(intercept or nothing, slope or nothing, reason)


def _fitted(
    y: Cases, terms: Float[ndarray, "N T"], subject: Codes, which: int, offset: Cases | None = None
) -> Estimate | None:
    """One coefficient of a logistic regression with Wald's interval; None if the fit fails."""
    clusters = {"cov_type": "cluster", "cov_kwds": {"groups": subject}}
    has_repeats = len(np.unique(subject)) < len(y)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error", PerfectSeparationWarning)
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        try:
            fit = GLM(y, terms, family=Binomial(), offset=offset).fit(
                **(clusters if has_repeats else {})
            )
        except (PerfectSeparationWarning, np.linalg.LinAlgError):
            return None
    value, error = float(fit.params[which]), float(fit.bse[which])
    if not fit.converged or not math.isfinite(error) or abs(value) > LARGEST:
        return None
    half = float(norm.ppf((1 + LEVEL) / 2)) * error
    return Estimate(value, value - half, value + half, len(y))


def calibration_bins(p: Cases, y: Cases, subject: Codes, most: int = MOST_BINS) -> list[Bin]:
    """Group cases into up to `most` bins of equal counts; equal probabilities share a bin.

    Bins come in the order of their probability. Each has about ten cases or more, so few cases make
    fewer bins. The interval of the observed share counts people, not cases.
    """
    count = max(1, min(most, len(p) // FEWEST_OF_BIN))
    order = np.argsort(p, kind="stable")
    edges = {round(len(p) * number / count) for number in range(1, count)}
    # an edge between equal probabilities moves behind the last of them
    moved = {int(np.searchsorted(p[order], p[order][edge - 1], "right")) for edge in edges}
    cuts = sorted(moved - {0, len(p)})
    return [_bin(p[part], y[part], subject[part]) for part in np.split(order, cuts)]


def _bin(p: Cases, y: Cases, subject: Codes) -> Bin:
    share, people = float(y.mean()), len(np.unique(subject))
    ends, counts = wilson_interval(share, people), (len(p), int(y.sum()))
    return Bin(float(p.min()), float(p.max()), float(p.mean()), share, *ends, *counts)


def expected_calibration_error(bins: list[Bin]) -> float:
    """Mean over cases of |observed share − mean probability| of their bin.

    Chance alone makes it larger than 0, even with perfect calibration, and more so with few cases.

    Source: Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602.
    """
    n = sum(one.n for one in bins)
    return sum(one.n * abs(one.observed - one.probability) for one in bins) / n


def smooth_calibration(
    p: Cases, y: Cases, count: int = 101
) -> tuple[Float[ndarray, " T"], Float[ndarray, " T"]]:
    """Local linear estimate of the observed share over the probability, cut to [0, 1].

    The curve spans the middle 95 % of the probabilities, as a few cases at the ends would bend it.

    Returns:
        Probabilities at `count` equal steps, and the estimated share at each.

    Source: Austin and Steyerberg 2014, doi:10.1002/sim.5941; Cleveland 1979,
    doi:10.1080/01621459.1979.10481038.
    """
    places = np.linspace(*np.quantile(p, MIDDLE), count)
    with np.errstate(all="ignore"):
        curve = lowess(y, p, frac=SMOOTHED, it=0, xvals=places)
    return places, np.clip(curve, 0.0, 1.0)
