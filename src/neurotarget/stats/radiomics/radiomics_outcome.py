"""The outcome that models of image features predict: a class, a number, or the time to an event.

N cases.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer, Shaped
from numpy import ndarray

from neurotarget.stats.survival.concordance import PairShares, class_pairs, harrell_pairs

Cases = Float[ndarray, " N"]
Codes = Integer[ndarray, " N"]  # number of each case's person, from 0


class Outcome(NamedTuple):
    """Outcome of each case: `y` is 1 for the positive class, or if the event was observed, else 0.

    Times to an event also have days until the event or the end of follow-up. With `is_number`, `y`
    is the number itself.
    """

    y: Cases
    subject: Codes
    days: Cases | None = None
    is_number: bool = False

    @property
    def is_class(self) -> bool:
        """True if classes are predicted."""
        return self.days is None and not self.is_number

    @property
    def statistic(self) -> str:
        """Name of the statistic: `auc` for classes, else `c`."""
        return "auc" if self.is_class else "c"

    @property
    def rarer(self) -> int:
        """Number of cases that limits the model: of the rarer class, with the event, or all."""
        if self.is_number:
            return len(self.y)
        count = int(self.y.sum())
        return count if self.is_survival else min(count, len(self.y) - count)

    @property
    def is_survival(self) -> bool:
        """True if times to an event are predicted."""
        return self.days is not None

    @property
    def target(self) -> Float[ndarray, "N ..."]:
        """Target of the estimators: classes or numbers (N,), or days and events (N, 2)."""
        return self.y if self.days is None else np.column_stack([self.days, self.y])

    def take(self, rows: Shaped[ndarray, " M"]) -> "Outcome":
        """Return the outcome of some cases, by mask or index, with people renumbered from 0."""
        people = np.unique(self.subject[rows], return_inverse=True)[1]
        days = None if self.days is None else self.days[rows]
        return Outcome(self.y[rows], people, days, self.is_number)

    def pairs(self, score: Cases) -> PairShares:
        """Return the pairs of cases with a known order; their concordant share is the AUC or C.

        For numbers, the case with the larger number should have the larger prediction.
        """
        if self.is_number:
            return harrell_pairs(-self.y, np.ones(len(self.y)), score)
        if self.days is None:
            return class_pairs(self.y, score)
        return harrell_pairs(self.days, self.y, score)


def parts(target: Float[ndarray, "N ..."]) -> tuple[Cases | None, Cases]:
    """Split `Outcome.target` into days (None unless times are predicted), and class or event.

    For numbers the second part is the number.
    """
    return (None, target) if target.ndim == 1 else (target[:, 0], target[:, 1])


def residuals(target: Float[ndarray, "N ..."]) -> Cases:
    """Residual of each case: its outcome minus the expectation of a model without terms.

    For classes and numbers it is y minus the mean. For times it is the martingale residual: the
    event minus the cumulative hazard (Nelson and Aalen) until then. So a linear method that is
    fitted to residuals serves all three kinds.

    Source: Therneau et al. 1990, doi:10.1093/biomet/77.1.147.
    """
    days, y = parts(target)
    if days is None:
        return y - y.mean()
    order = np.argsort(days, kind="stable")
    ends = np.searchsorted(days[order], days, side="right") - 1
    at_risk = len(days) - np.searchsorted(days[order], days[order], side="left")
    return y - np.cumsum(y[order] / at_risk)[ends]
