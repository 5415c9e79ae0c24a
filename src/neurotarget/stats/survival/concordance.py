"""Concordance of risks with times: Harrell's and Uno's C, and the AUC at a time, as pair weights.

A statistic is a weighted share of pairs of people, so that bootstrap draws over people are two
matrix products. N people, R draws.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from neurotarget.stats.core.interval import Estimate
from neurotarget.stats.core.resample import DRAWS, ends, replicates
from neurotarget.stats.survival.kaplan_meier import censoring_survival

Cases = Float[ndarray, " N"]
Pairs = Float[ndarray, "N N"]
Codes = Integer[ndarray, " N"]  # number of each case's subject, from 0

MANY, FEW_DRAWS = 600, 500


class PairShares(NamedTuple):
    """Weight of each usable pair (i, j), and the concordant part of this weight.

    Person i has the event and must have the higher risk.
    """

    usable: Pairs
    concordant: Pairs

    @property
    def value(self) -> float:
        """Return the share of concordant pairs; NaN without a usable pair."""
        total = float(self.usable.sum())
        return float(self.concordant.sum()) / total if total > 0 else math.nan


def harrell_pairs(days: Cases, event: Cases, risk: Cases) -> PairShares:
    """Return the pairs in which it is known who had the event first; equal risks count half.

    At equal times, a person with the event is first if the other person's follow-up ends without
    it. Two events at the same time are no pair.

    Source: Harrell et al. 1982, doi:10.1001/jama.1982.03320430047030.
    """
    return _shares(_earlier(days, event).astype(float), risk)


def uno_pairs(days: Cases, event: Cases, risk: Cases, until: float | None = None) -> PairShares:
    """Return Harrell's pairs with events before `until` days, weighted against censoring.

    The weight is 1 / G², where G is the probability of being followed up until the event. So C does
    not depend on the length of follow-up.

    Source: Uno et al. 2011, doi:10.1002/sim.4154.
    """
    followed = censoring_survival(days, event, days)
    early = (event == 1) & (days < (math.inf if until is None else until))
    weight = np.zeros(len(days))
    weight[early] = followed[early] ** -2.0
    return _shares(weight[:, None] * _earlier(days, event), risk)


def time_auc_pairs(days: Cases, event: Cases, risk: Cases, day: float) -> PairShares:
    """Return pairs of a person with the event by a day and a person without it until after the day.

    Source: Uno et al. 2007, doi:10.1198/016214507000000149 (weights 1 / G of the first person).
    """
    followed = censoring_survival(days, event, days)
    early = (event == 1) & (days <= day)
    weight = np.zeros(len(days))
    weight[early] = 1 / followed[early]
    return _shares(weight[:, None] * (days > day)[None, :], risk)


def class_pairs(is_positive: Cases, score: Cases) -> PairShares:
    """Return pairs of a positive and a negative case, whose share is the AUC; ties count half.

    Source: Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    return _shares(np.equal.outer(is_positive, 1 - is_positive) * is_positive[:, None], score)


def share(pairs: PairShares, seed: int, subject: Codes | None = None) -> Estimate:
    """Return a share of pairs with its BCa interval over people; `subject` is each case's person.

    Without `subject` each case is another person. In a draw, a pair has the product of its two
    people's counts as weight.
    """
    return _estimated(_ratios(pairs, _weights(pairs, seed, subject)), pairs, subject)


def share_difference(
    first: PairShares, second: PairShares, seed: int, subject: Codes | None = None
) -> Estimate:
    """Return the share of `second` minus that of `first` in the same people, with its interval.

    Both shares are computed in the same draws, so their common variation cancels. Without `subject`
    each case is another person.
    """
    weights = _weights(first, seed, subject)
    return _estimated(_ratios(second, weights) - _ratios(first, weights), first, subject)


def mean_pairs(several: list[PairShares]) -> PairShares:
    """Return the mean weights of several sets of pairs of the same people, such as of repeats.

    The share of the result is one statistic over all repeats; its interval is over people and not
    over repeats.
    """
    return PairShares(*(sum(each) / len(several) for each in zip(*several, strict=True)))


def within(pairs: PairShares, same: Bool[ndarray, "N N"]) -> PairShares:
    """Return the pairs of people of the same fold, whose risks come from one model.

    `same` is True where i and j are in the same fold.
    """
    return PairShares(pairs.usable * same, pairs.concordant * same)


def _earlier(days: Cases, event: Cases) -> Bool[ndarray, "N N"]:
    """Return True where i is known to have the event before j."""
    later = days[:, None] < days[None, :]
    tied = (days[:, None] == days[None, :]) & (event[None, :] == 0)
    return (event[:, None] == 1) & (later | tied)


def _shares(usable: Pairs, risk: Cases) -> PairShares:
    higher = (np.sign(risk[:, None] - risk[None, :]) + 1) / 2
    return PairShares(usable, usable * higher)


def _weights(pairs: PairShares, seed: int, subject: Codes | None) -> Float[ndarray, "R N"]:
    n = _people(pairs, subject)
    weights = replicates(n, seed, draw_count(n))
    return weights if subject is None else weights[:, subject]


def _people(pairs: PairShares, subject: Codes | None) -> int:
    return len(pairs.usable) if subject is None else int(subject.max()) + 1


def draw_count(n: int) -> int:
    """Return the number of draws over n people: fewer for many people, whose intervals are narrow.

    A draw over pairs costs n² products.
    """
    return DRAWS if n <= MANY else FEW_DRAWS


def _ratios(pairs: PairShares, weights: Float[ndarray, "R N"]) -> Float[ndarray, " R"]:
    above, below = (((weights @ each) * weights).sum(axis=1) for each in pairs[::-1])
    return np.divide(above, below, out=np.full(len(above), math.nan), where=below > 0)


def _estimated(
    replicated: Float[ndarray, " R"], pairs: PairShares, subject: Codes | None
) -> Estimate:
    found = ends(replicated, count=draw_count(_people(pairs, subject)))
    return Estimate(float(replicated[0]), *found, len(pairs.usable))
