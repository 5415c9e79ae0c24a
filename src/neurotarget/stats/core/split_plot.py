"""Split-plot model: sums of squares, likelihood of the variances, and degrees of freedom.

Arms vary within cases; with several seeds, trainings vary within arms. A block holds the cases of
one fold. B blocks, N cases, A arms, S seeds.

Source: Patterson and Thompson 1971, doi:10.1093/biomet/58.3.545 (REML); Kuznetsova et al. 2017,
doi:10.18637/jss.v082.i13 (Satterthwaite's degrees of freedom).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Block = Float[ndarray, "_ A S"]  # scores of the cases of a fold; folds may differ in size
FLOOR = 1e-10  # share of the total variance used instead of 0, so that logarithms exist
LEAST = 1e-6  # smallest residual variance, as a share of the variance of case × arm
STEP = 1e-3  # share of a variance, for second differences of the likelihood


class Sums(NamedTuple):
    """Statistics of the data that the likelihood needs; B blocks, A arms, S seeds."""

    n: Float[ndarray, " B"]  # cases
    means: Float[ndarray, "B A"]
    arms: int
    seeds: int
    case_square: float  # mean square of the cases' means
    within: float  # sum of squares of case × arm, on the mean over seeds
    rest: float  # sum of squares of case × seed within arm
    runs: Float[ndarray, " B"]  # sum of squares of the runs' means about their arm's mean
    of_seeds: float  # variance of an arm's mean, from its differences between seeds


def sum_blocks(blocks: Sequence[Block]) -> Sums:
    """Compute the sums of squares that the likelihood needs, from blocks with the same arms.

    Args:
        blocks: one (N, A, S) array per fold. Every case has a score of every run; arms and seeds
            have the same order in all folds; there are two arms or more.
    """
    _, arms, seeds = blocks[0].shape
    n = np.array([len(block) for block in blocks], dtype=float)
    case = within = rest = 0.0
    runs, means = [], []
    for block in blocks:
        of_arm = block.mean(axis=2)  # (N, A)
        of_run = block.mean(axis=0)  # (A, S)
        of_case = of_arm.mean(axis=1, keepdims=True)
        mean = of_arm.mean(axis=0)
        residuals = of_arm - of_case - mean + mean.mean()
        case += float(((of_case - of_case.mean()) ** 2).sum())
        within += float((residuals**2).sum())
        seed = block - of_arm[:, :, None] - of_run + mean[:, None]
        rest += float((seed**2).sum())
        runs.append(of_run)
        means.append(mean)
    free, by_run, by_arm = float(n.sum() - len(n)), np.array(runs), np.array(means)
    squares = ((by_run - by_arm[:, :, None]) ** 2).sum(axis=(1, 2))
    of_seed = by_run.mean(axis=0)  # (A, S)
    of_seeds = float(of_seed.var(axis=1, ddof=1).mean()) / seeds if seeds > 1 else 0.0
    return Sums(n, by_arm, arms, seeds, case / free, within, rest, squares, of_seeds)


def deviance(sums: Sums, residual: float, case_arm: float, run: float, *, floor: float) -> float:
    """−2 × restricted log likelihood, without constants and the variance between cases.

    The likelihood is a product of independent parts with one variance and one sum of squares each:
    contrasts of arms, and of seeds within an arm, as means of a block and deviations from them.

    Args:
        sums: statistics of the data by `sum_blocks`.
        residual: variance of case × seed within an arm.
        case_arm: variance of case × arm, beyond the residual.
        run: variance between trainings of an arm.
        floor: added to the residual, so that logarithms exist where nothing varies.
    """
    residual += floor
    n, arms, seeds = sums.n, sums.arms, sums.seeds
    free = float(n.sum() - len(n))
    within = case_arm + residual / seeds
    spread = run / seeds + within / n
    centre = (sums.means / spread[:, None]).sum(axis=0) / (1 / spread).sum()
    contrasts = arm_contrasts(sums.means - centre)
    value = (arms - 1) * free * math.log(within) + sums.within / within
    value += (arms - 1) * float(np.log(spread).sum() + np.log((1 / spread).sum()))
    value += float(((contrasts**2).sum(axis=1) / spread).sum())
    if seeds > 1:
        own = arms * (seeds - 1)
        of_runs = run + residual / n
        value += own * free * math.log(residual) + sums.rest / residual
        value += float((own * np.log(of_runs) + sums.runs / of_runs).sum())
    return value


def satterthwaite(sums: Sums, variances: tuple[float, float, float], fewest: int) -> float:
    """Degrees of freedom of the variance V of an arm's mean over several seeds, 2 V² / var V.

    The delta method gives var V from the covariance of the variance components. That covariance is
    twice the inverse curvature of the deviance. Where a component is at the edge of its range and
    the curvature is not positive, it is the inverse of the expected information. The function
    returns `fewest` where nothing varies.
    """
    residual, case_arm, run = variances
    within = case_arm + residual / sums.seeds
    if within <= FLOOR**2:
        return float(fewest)
    residual = max(residual, LEAST * within)  # where all trainings are equal
    at = np.array([residual, case_arm, run])
    # a step may make a component negative, but never the argument of a logarithm
    steps = STEP * np.array([residual, within, run + residual / sums.n.max()])
    scaled = _curvature(sums, at, np.diag(steps))
    if np.linalg.eigvalsh(scaled).min() <= 0:
        scaled = _information(sums, at) * np.outer(steps, steps)
    spread = run / sums.seeds + within / sums.n
    value = 1 / float((1 / spread).sum())
    slope = steps * (_by_spread(sums).T @ spread**-2) * value**2
    freedom = float(value**2 / (slope @ np.linalg.solve(scaled, slope)))
    return max(freedom, float(sums.arms * (sums.seeds - 1) * len(sums.n)))  # from trainings alone


def _curvature(sums: Sums, at: Float[ndarray, "3"], steps: Float[ndarray, "3 3"]) -> ndarray:
    """Second differences of the deviance, for steps along each component."""

    def loss(one: ndarray) -> float:
        return deviance(sums, *one.tolist(), floor=0.0)

    return np.array(
        [
            [
                loss(at + one + two) - loss(at + one - two)
                - loss(at - one + two) + loss(at - one - two)
                for two in steps
            ]
            for one in steps
        ]
    ) / 4  # fmt: skip


def _information(sums: Sums, at: Float[ndarray, "3"]) -> Float[ndarray, "3 3"]:
    """Expected information of the variance components."""
    residual, case_arm, run = at
    n, arms, seeds = sums.n, sums.arms, sums.seeds
    free, own = float(n.sum() - len(n)), arms * (seeds - 1)
    within = case_arm + residual / seeds
    by_within, by_residual = np.array([1 / seeds, 1, 0]), np.array([1.0, 0, 0])
    by_runs = np.column_stack([1 / n, np.zeros(len(n)), np.ones(len(n))])
    by_runs /= (run + residual / n)[:, None]
    by_spread, weights = _by_spread(sums), 1 / (run / seeds + within / n)
    centred = np.diag(weights) - np.outer(weights, weights) / weights.sum()  # one mean per arm
    return (
        (arms - 1) * free * np.outer(by_within, by_within) / within**2
        + (arms - 1) * by_spread.T @ centred**2 @ by_spread
        + own * free * np.outer(by_residual, by_residual) / residual**2
        + own * by_runs.T @ by_runs
    )


def _by_spread(sums: Sums) -> Float[ndarray, "B 3"]:
    """Derivatives of the variance of an arm's mean in each block, by residual, case × arm, run."""
    n, seeds = sums.n, sums.seeds
    return np.column_stack([1 / (seeds * n), 1 / n, np.full(len(n), 1 / seeds)])


def arm_contrasts(means: Float[ndarray, "B A"]) -> Float[ndarray, "B A"]:
    """Return each arm minus the mean over arms, per block; rows sum to 0."""
    return means - means.mean(axis=1, keepdims=True)
