"""Choice of a recalibration: corrections that make the probabilities of unseen cases better.

The corrections are an intercept ("in the large"), then intercept and slope, of several classes one
slope (temperature). Each is tried on the validation cases in cross-validation, in which no case is
corrected by a line that it was fitted to. It is kept if the mean log loss falls.

Source: Van Calster et al. 2019, doi:10.1186/s12916-019-1466-7 (levels of recalibration); Platt 1999
(smoothed targets); Guo et al. 2017, arXiv:1706.04599 (temperature); Youden 1950,
doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3 (threshold).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.optimize import minimize
from scipy.special import logit

from neurotarget.inference.case_predictor import Chosen
from neurotarget.inference.recalibration import SMALLEST, Line, Recalibration
from neurotarget.outcome import Outcome

FEWEST = 10  # fewest validation cases of each class, below which nothing is tried
FOLDS = 10  # of the cross-validation
ROUNDING = 1e-4  # nats; smaller differences of the log loss are those of the fit
FLATTEST, STEEPEST = 0.1, 10.0  # range of the slope
NO_GAIN = "the log loss of cases that it was not fitted to does not fall"

P = Float[ndarray, "N labels"]
Classes = Integer[ndarray, " N"]


class Known(NamedTuple):
    """Validation cases of one outcome: probabilities by label, class of the reference, subject."""

    outcome: Outcome
    p: P
    classes: Classes
    subjects: Classes  # number of the subject of each case

    @property
    def targets(self) -> P:
        """Reference as probabilities of the labels.

        1 in the column of the reference's class; of a binary outcome the only column is the
        positive class.
        """
        if self.outcome.kind == "binary":
            return (self.classes == 1).astype(np.float64)[:, None]
        return np.eye(len(self.outcome.classes))[self.classes]

    def take(self, which: ndarray) -> "Known":
        """The cases of an index or a mask."""
        return Known(self.outcome, self.p[which], self.classes[which], self.subjects[which])


class Trial(NamedTuple):
    """One correction tried for an outcome; log loss (nats) in cross-validation."""

    step: str  # intercept, slope (with an intercept), or temperature
    label: str  # name of the outcome
    kept: bool
    reason: str  # why it is not kept; "" if it is kept
    n: int
    log_loss_before: float
    log_loss_after: float


class Change(NamedTuple):
    """Effect of the kept correction of an outcome on the validation cases.

    Of several classes the probability is that of the reference's class, and the share is NaN.
    """

    label: str
    n: int
    observed: float  # share of positive cases
    mean_before: float  # mean probability of the positive class
    mean_after: float
    log_loss_before: float
    log_loss_after: float


Fit = Callable[[Known], Line]


def choose(cases: Sequence[Known]) -> Chosen:
    """Try corrections for each outcome, and take the threshold of its corrected probabilities.

    Args:
        cases: validation cases of each outcome of classes. An outcome with fewer than `FEWEST`
            cases of a class is left as it is and has neither trials nor a threshold.

    Returns:
        The recalibration, all trials, and the effect of the kept corrections; a threshold is
        Youden's and exists for binary outcomes alone.
    """
    lines: dict[str, Line] = {}
    thresholds: dict[str, float] = {}
    trials, changes = [], []
    for known in cases:
        name = known.outcome.name
        counts = np.bincount(known.classes, minlength=len(known.outcome.classes))
        if counts.min() < FEWEST:
            continue
        line, tried = _best_line(known)
        trials += tried
        corrected = line.apply(known.outcome, known.p)
        if line != Line():
            lines[name] = line
        if known.outcome.kind == "binary":
            thresholds[name] = youden_threshold(corrected[:, 0], known.classes)
        changes.append(_change(known, corrected, tried))
    return Chosen(Recalibration(lines, thresholds), tuple(trials), tuple(changes))


def _best_line(known: Known) -> tuple[Line, list[Trial]]:
    """The last correction that improves on the one kept before it; fitted to all cases."""
    line, trials = Line(), []
    before = losses(known.targets, known.p)
    for step, fit in _fits(known.outcome).items():
        after = losses(known.targets, _cross_validated(known, fit))
        means = float(before.mean()), float(after.mean())
        is_kept = means[1] < means[0] - ROUNDING
        reason = "" if is_kept else NO_GAIN
        trials.append(Trial(step, known.outcome.name, is_kept, reason, len(after), *means))
        if is_kept:
            line, before = fit(known), after
    return line, trials


def _fits(outcome: Outcome) -> Mapping[str, Fit]:
    if outcome.kind == "binary":
        return {"intercept": lambda known: fit_line(known, has_slope=False), "slope": fit_line}
    return {"temperature": fit_line}


def fit_line(known: Known, *, has_slope: bool = True) -> Line:
    """Fit intercept and slope by the least log loss, with the smoothed targets of Platt.

    The smoothing keeps the line finite where a score separates the classes. Without `has_slope` the
    slope is 1. Of several classes only the slope is fitted.
    """
    binary = known.outcome.kind == "binary"
    y = _smoothed(known) if binary else known.targets

    def loss(values: ndarray) -> float:
        """Mean log loss in nats of a line with these parameters."""
        line = _line(values, binary, has_slope)
        return float(losses(y, line.apply(known.outcome, known.p)).mean())

    start = [0.0] * binary + [0.0] * has_slope  # the logarithm of the slope
    return _line(minimize(loss, start, method="Nelder-Mead").x, binary, has_slope)


def _line(values: ndarray, binary: bool, has_slope: bool) -> Line:
    slope = float(np.clip(np.exp(values[-1]), FLATTEST, STEEPEST)) if has_slope else 1.0
    return Line(float(values[0]) if binary else 0.0, slope)


def _smoothed(known: Known) -> P:
    positive = int((known.classes == 1).sum())
    negative = len(known.classes) - positive
    high, low = (positive + 1) / (positive + 2), 1 / (negative + 2)
    return np.where(known.targets > 0.5, high, low)


def _cross_validated(known: Known, fit: Fit) -> P:
    """Probabilities of each case, corrected by a line fitted to the other folds.

    Folds hold whole subjects, and the classes of their first cases in equal shares.
    """
    _, first, own_subject = np.unique(known.subjects, return_index=True, return_inverse=True)
    order = np.argsort(known.classes[first], kind="stable")
    fold = np.empty(len(order), dtype=int)
    fold[order] = np.arange(len(order)) % FOLDS
    result = np.empty_like(known.p)
    for number in np.unique(fold):
        own = fold[own_subject] == number
        line = fit(known.take(~own))
        result[own] = line.apply(known.outcome, known.p[own])
    return result


def losses(targets: P, p: P) -> Float[ndarray, " N"]:
    """Log loss of each case, nats.

    Args:
        targets: 0 and 1, or Platt's smoothed targets, of each label.
        p: predicted probabilities; they are clipped to [SMALLEST, 1 − SMALLEST].
    """
    p = np.clip(p, SMALLEST, 1 - SMALLEST)
    if p.shape[1] == 1:
        return -(targets * np.log(p) + (1 - targets) * np.log(1 - p))[:, 0]
    return -(targets * np.log(p)).sum(axis=1)


def youden_threshold(p: Float[ndarray, " N"], classes: Classes) -> float:
    """Probability above which cases are called positive, with the largest Youden index.

    The index is sensitivity + specificity − 1. The threshold lies halfway, on the logit scale,
    between two neighbouring probabilities; of several with the same index, the middle one is taken.
    If all probabilities are equal, it is that probability.

    Args:
        p: of the positive class.
        classes: 1 of positive and 0 of negative cases; both occur.

    Source: Youden 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.
    """
    values = np.unique(np.clip(p, SMALLEST, 1 - SMALLEST))
    if len(values) < 2:
        return float(values[0])
    middles = 1 / (1 + np.exp(-(logit(values[1:]) + logit(values[:-1])) / 2))
    positive, negative = np.sort(p[classes == 1]), np.sort(p[classes == 0])
    sensitivity = 1 - np.searchsorted(positive, middles, "right") / len(positive)
    specificity = np.searchsorted(negative, middles, "right") / len(negative)
    index = sensitivity + specificity
    best = np.flatnonzero(index > index.max() - 1e-12)
    return float(middles[best[len(best) // 2]])


def _change(known: Known, corrected: P, tried: Sequence[Trial]) -> Change:
    column = 0 if known.outcome.kind == "binary" else known.classes
    rows = np.arange(len(known.p))
    means = [float(p[rows, column].mean()) for p in (known.p, corrected)]
    kept = [one.log_loss_after for one in tried if one.kept]
    before = tried[0].log_loss_before
    observed = float((known.classes == 1).mean()) if known.outcome.kind == "binary" else math.nan
    return Change(known.outcome.name, len(rows), observed, *means, before, (kept or [before])[-1])
