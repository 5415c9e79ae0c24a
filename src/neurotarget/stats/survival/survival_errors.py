"""Errors of predicted survival: Brier score weighted for censoring, errors of predicted days."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.stats import spearmanr

from neurotarget.stats.survival.kaplan_meier import (
    censoring_survival,
    survival_at,
    survival_curve,
)

Cases = Float[ndarray, " N"]

CLASS_DAYS = (300.0, 450.0)  # BraTS: short survivors below the first, long ones above the second


class DayErrors(NamedTuple):
    """Errors of predicted days of people with the event; `accuracy` is that of BraTS's classes."""

    n: int
    mse_days2: float
    rmse_days: float
    median_squared_days2: float
    median_absolute_days: float
    sd_squared_days2: float
    spearman: float
    accuracy: float


def day_errors(days: Cases, predicted: Cases) -> DayErrors:
    """Compare predicted with observed days, as BraTS does; Spearman is NaN without spread.

    Source: Bakas et al. 2018, arXiv:1811.02629 (accuracy, MSE, median and SD of squared errors,
    Spearman's rho).
    """
    squared = (predicted - days) ** 2
    has_spread = len(days) > 2 and np.ptp(predicted) > 0 and np.ptp(days) > 0
    return DayErrors(
        n=len(days),
        mse_days2=float(squared.mean()),
        rmse_days=math.sqrt(float(squared.mean())),
        median_squared_days2=float(np.median(squared)),
        median_absolute_days=float(np.median(np.abs(predicted - days))),
        sd_squared_days2=float(squared.std()),
        spearman=float(spearmanr(days, predicted).statistic) if has_spread else math.nan,
        accuracy=float((survivor_class(days) == survivor_class(predicted)).mean()),
    )


def survivor_class(days: Cases) -> Integer[ndarray, " N"]:
    """BraTS's class of each time: 0 below 300 days, 1 from 300 to 450, 2 above."""
    return (days >= CLASS_DAYS[0]).astype(int) + (days > CLASS_DAYS[1]).astype(int)


def brier_parts(days: Cases, event: Cases, risk: Cases, day: float) -> Cases:
    """Return the weighted squared error of each person's risk of the event by a day.

    The mean over people is the Brier score. People whose follow-up ends before that day have weight
    0, and the other people have larger weights instead.

    Source: Graf et al. 1999, Statistics in Medicine 18:2529-2545; inverse probability weights:
    Gerds and Schumacher 2006, doi:10.1002/bimj.200610301.
    """
    early, later = (days <= day) & (event == 1), days > day
    parts = np.zeros(len(days))
    parts[early] = (1 - risk[early]) ** 2 / censoring_survival(days, event, days[early])
    if later.any():
        beyond = censoring_survival(days, event, np.array([float(day)]), after=True)[0]
        parts[later] = risk[later] ** 2 / beyond
    return parts


def brier_score(days: Cases, event: Cases, risk: Cases, day: float) -> tuple[float, float]:
    """Return the Brier score at a day, and the score if all people have the average observed risk.

    A model is useful if its score is lower than the second. Both are NaN where follow-up ends
    before the day.
    """
    null = 1 - survival_at(survival_curve(days, event), day).value
    if not math.isfinite(null):
        return math.nan, math.nan
    flat = np.full(len(days), null)
    scores = (brier_parts(days, event, each, day).mean() for each in (risk, flat))
    return tuple(map(float, scores))
