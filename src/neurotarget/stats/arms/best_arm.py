"""Probability that each net has the highest mean score for other cases and trainings.

Means are sampled from the mixed model, whose error includes the variance between trainings. The
best observed net is often best by luck, so means are first shrunk towards their common mean, by the
spread that chance alone explains. Then, for two equal nets, a probability above 95 % is as rare as
an interval of their difference that excludes 0.

Source: Efron and Morris 1975, doi:10.1080/01621459.1975.10479864 (shrinkage); Gelman et al. 2012,
doi:10.1080/19345747.2011.618213 (instead of a correction for the number of pairs).
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import stdtrit

from neurotarget.stats.arms.arm_scores import SAME
from neurotarget.stats.arms.mixed import MixedFit

DRAWS = 20_000
FEWEST_SEEDS, FEWEST_FOLDS = 2, 3
FEW_TRAININGS = (
    "the probability of being best needs two seeds or three folds of each net, as one training "
    "does not show the spread between trainings"
)
NOTHING_SHARED = "no case has a score by all arms"


def best_probabilities(
    fit: MixedFit, nets: Sequence[str], *, seed: int = 0, is_higher_better: bool = True
) -> tuple[dict[str, float], str]:
    """Return the share of draws in which each net has the best mean, and a reason for NaN.

    NaN with one net, or with fewer than two seeds and fewer than three folds. If several nets have
    the best mean of a draw, each gets an equal part of the draw.
    """
    none = dict.fromkeys(nets, math.nan)
    if len(nets) < 2:
        return none, ""
    if not fit.n_cases:
        return none, NOTHING_SHARED
    if not fit.has_runs or (fit.n_seeds < FEWEST_SEEDS and fit.n_folds < FEWEST_FOLDS):
        return none, FEW_TRAININGS
    means = np.array([fit.means[net] for net in nets]) * (1 if is_higher_better else -1)
    samples = means[None] if fit.error < SAME else _sampled(means, fit.error, fit.freedom, seed)
    is_best = samples >= samples.max(axis=1, keepdims=True) - SAME
    shares = (is_best / is_best.sum(axis=1, keepdims=True)).mean(axis=0)
    return dict(zip(nets, shares.tolist(), strict=True)), ""


def _sampled(
    means: Float[ndarray, " A"], error: float, freedom: float, seed: int
) -> Float[ndarray, "D A"]:
    """Sample shrunk means plus Student's errors; means are equal if chance explains the spread."""
    own = error**2 / 2  # variance of one mean
    two_sided, one_sided = (float(stdtrit(freedom, p)) for p in (0.975, 0.95))
    by_chance = (two_sided**2 - one_sided**2) * own
    kept = max(0.0, 1 - by_chance / max(float(means.var(ddof=1)), SAME**2))
    generator = np.random.default_rng(seed)
    scale = np.sqrt(kept * own * freedom / generator.chisquare(freedom, (DRAWS, 1)))
    return kept * (means - means.mean()) + scale * generator.normal(size=(DRAWS, len(means)))
