"""Recalibration of predicted probabilities: intercept and slope on the logit scale, thresholds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import expit, log_softmax, logit, softmax

from neurotarget.outcome import Outcome

Probabilities = Float[ndarray, "*cases labels"]
SMALLEST = 1e-6  # probabilities are clipped to [SMALLEST, 1 − SMALLEST] before the logit


class Line(NamedTuple):
    """Line on the logit scale: logit p' = intercept + slope · logit p.

    For several classes, p' is proportional to p to the power of `slope`, and the intercept is 0.
    """

    intercept: float = 0.0
    slope: float = 1.0

    def apply(self, outcome: Outcome, p: Probabilities) -> Probabilities:
        """Return the corrected probabilities of the labels of one outcome.

        Args:
            outcome: binary, or of several classes.
            p: along the last axis one probability of a binary outcome, else one per class; NaN
                stays NaN.
        """
        cut = np.clip(p, SMALLEST, 1 - SMALLEST)
        if outcome.kind == "binary":
            return expit(self.intercept + self.slope * logit(cut))
        return softmax(self.slope * log_softmax(np.log(cut), axis=-1), axis=-1)


@dataclass(frozen=True, slots=True)
class Recalibration:
    """Corrections of predicted probabilities, by outcome. The default changes nothing.

    Attributes:
        lines: correction by the name of the outcome; other outcomes are not corrected.
        thresholds: by the name of a binary outcome, on the scale of corrected probabilities: cases
            above it are positive. For other outcomes it is 0.5.
    """

    lines: Mapping[str, Line] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lines = {str(name): Line(**_plain(line)) for name, line in dict(self.lines).items()}
        values = {str(name): float(one) for name, one in dict(self.thresholds).items()}
        if any(line.slope <= 0 for line in lines.values()):
            raise ValueError("found a slope of 0 or below, which reverses the order of cases")
        object.__setattr__(self, "lines", lines)
        object.__setattr__(self, "thresholds", values)

    def __bool__(self) -> bool:
        return bool(self.lines or self.thresholds)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `Recalibration(**values)` makes it again."""
        lines = {name: line._asdict() for name, line in self.lines.items()}
        return asdict(self) | {"lines": lines}

    def apply(self, outcomes: Sequence[Outcome], values: Probabilities) -> Probabilities:
        """Return corrected values of the labels of all outcomes; numbers stay as they are.

        Args:
            outcomes: of the target, in its order.
            values: probabilities and numbers of their labels along the last axis.
        """
        result, start = np.array(values, dtype=np.float64), 0
        for outcome in outcomes:
            part = slice(start, start := start + len(outcome.labels))
            if outcome.name in self.lines:
                result[..., part] = self.lines[outcome.name].apply(outcome, result[..., part])
        return result


def mean_thresholds(several: Sequence[Recalibration]) -> Recalibration:
    """Thresholds of an ensemble: the mean of its members', where all have one.

    The lines are left out, since each member corrects its own probabilities.
    """
    shared = set.intersection(*(set(one.thresholds) for one in several))
    means = {name: float(np.mean([one.thresholds[name] for one in several])) for name in shared}
    return Recalibration(thresholds=dict(sorted(means.items())))


def _plain(line: Line | Mapping[str, float]) -> dict[str, float]:
    values = line._asdict() if isinstance(line, Line) else dict(line)
    return {name: float(value) for name, value in values.items()}
