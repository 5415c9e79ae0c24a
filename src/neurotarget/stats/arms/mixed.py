"""Mixed model of the scores of several arms, with random effects of the case and of the training.

score = arm + fold + case + (case × arm) + run + residual, where a run is one training. All cases of
a run share its weights, so 200 cases of one training are not 200 independent observations of its
architecture. Arms and folds are fixed effects, the other terms random. Case × arm can be separated
from the residual if an arm was trained with several seeds. The model is fitted by REML. In a
complete design (every run of a fold scores the same cases) the likelihood depends on a few sums of
squares only; results equal those of statsmodels' MixedLM, in 2 ms instead of 100.

The error of a difference of two arms includes the spread between the runs of both arms. Its
interval is Student's t with Satterthwaite's degrees of freedom, as in lmerTest. Where an arm was
trained once per fold, only the spread between folds shows the variance of trainings; as folds share
most of their training data, this variance is multiplied by Nadeau and Bengio's factor. Where arms
differ more between folds than their seeds explain, the error is that of folds, with the same
factor; where a seed is good or bad in all folds, it is that of the seeds' means. With a single
training per arm the model has cases only, 40 % of the intervals of equal arms exclude 0, and there
is no conclusion. tests/oracles/mixed_arms.py measures how often equal arms are found to differ.

Source: Patterson and Thompson 1971, doi:10.1093/biomet/58.3.545 (REML); Satterthwaite 1946,
doi:10.2307/3002019, as in Kuznetsova et al. 2017, doi:10.18637/jss.v082.i13 (degrees of freedom);
Nadeau and Bengio 2003, doi:10.1023/A:1024068626366 (folds); Bouthillier et al. 2021,
arXiv:2103.03098 (runs as a source of variance).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import minimize
from scipy.special import fdtrc, stdtr, stdtrit

from neurotarget.stats.arms.arm_scores import SAME, Scored
from neurotarget.stats.core.interval import LEVEL
from neurotarget.stats.core.split_plot import (
    FLOOR,
    Block,
    Sums,
    arm_contrasts,
    deviance,
    satterthwaite,
    sum_blocks,
)

POOLED = 0.5  # from this p on, seeds and folds are pooled as estimates of the same variance
NOTHING = 1e-8  # a component below this share counts as 0, as the optimiser stops close to 0

CASES_ONLY = "one training per arm: the model has cases only, not the spread between trainings"
IN_RESIDUAL = "with one training per arm and fold the residual includes case × arm"


class Difference(NamedTuple):
    """Difference of two arms by the model, with its 95 % interval."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class MixedFit:
    """Means of arms by the model (they differ from plain means where folds differ in size).

    `error` is the standard error of the difference of any two arms, and `freedom` its degrees of
    freedom; both are NaN without an estimate, and `reason` explains this. `has_runs` is True if the
    error includes the spread between trainings, `shares_training` if it is estimated from folds,
    which share training data.
    """

    means: dict[str, float]
    error: float
    freedom: float
    variances: dict[str, float] = field(default_factory=dict)
    has_runs: bool = False
    shares_training: bool = False
    n_cases: int = 0
    n_folds: int = 0
    n_seeds: int = 0
    reason: str = ""

    def difference(self, arm: str, other: str) -> Difference:
        """Return the difference `arm` − `other`, in the unit of the score.

        All values are NaN if the model lacks the mean of an arm, or an error. Where neither
        trainings nor cases differ, the interval has no width.
        """
        value = self.means.get(arm, math.nan) - self.means.get(other, math.nan)
        if math.isnan(value) or math.isnan(self.error):
            return Difference(math.nan, math.nan, math.nan, math.nan)
        half = float(stdtrit(self.freedom, (1 + LEVEL) / 2)) * self.error
        if self.error < SAME:
            return Difference(value, value, value, float(abs(value) < SAME))
        p = 2 * float(stdtr(self.freedom, -abs(value) / self.error))
        return Difference(value, value - half, value + half, p)


class Blocks(NamedTuple):
    """Scores of the cases of each fold; `has_runs` is True if the model can include runs."""

    blocks: list[Block]
    has_runs: bool
    notes: tuple[str, ...]


def fit_arms(scored: Scored, label: str, arms: Sequence[str]) -> MixedFit:
    """Fit the model to the main score of one label, over the runs of all `arms`.

    Only cases with a score by all runs of a fold count. With one arm, means and error are
    undefined.
    """
    if len(arms) < 2:
        return MixedFit({}, math.nan, math.nan, reason="there is one arm")
    return fit_blocks(_gather(scored, label, arms), arms)


def fit_blocks(gathered: Blocks, arms: Sequence[str]) -> MixedFit:
    """Fit the model to blocks of cases that were scored by the same runs.

    Args:
        gathered: scores (N, A, S) of each fold, with `has_runs`.
        arms: names of the A arms, in their order.

    Returns:
        The fit; without means and error if cases outnumber folds by less than two.
    """
    blocks = [block for block in gathered.blocks if len(block)]
    n_cases = sum(len(block) for block in blocks)
    notes = gathered.notes
    if n_cases - len(blocks) < 2:
        why = (*notes, "too few cases with a score by all arms")
        return MixedFit({}, math.nan, math.nan, n_cases=n_cases, reason="; ".join(why))
    sums = sum_blocks(blocks)
    run_freedom = (sums.arms - 1) * (len(blocks) - 1)
    run_freedom += sums.arms * len(blocks) * (sums.seeds - 1)
    has_runs = gathered.has_runs and run_freedom > 0
    scale = max(float(np.concatenate([block.ravel() for block in blocks]).var()), FLOOR**2)
    residual, case_arm, run = _reml(sums, scale, has_runs=has_runs)
    spread = _block_variances(sums, residual, case_arm, run)
    means = (sums.means / spread[:, None]).sum(axis=0) / (1 / spread).sum()
    variance = 1 / float((1 / spread).sum())
    freedom, of_folds = float((sums.arms - 1) * (n_cases - len(blocks))), False
    if has_runs:
        freedom = float(run_freedom)
        if sums.seeds > 1:
            freedom = satterthwaite(sums, (residual, case_arm, run), run_freedom)
        variance, freedom, of_folds = _guarded(sums, variance, freedom, run_freedom)
    variance *= training_overlap(len(blocks)) if of_folds else 1.0
    case = max(sums.case_square - (case_arm + residual / sums.seeds) / sums.arms, 0.0)
    variances = {"case": case}
    variances |= {"case_arm": case_arm} if sums.seeds > 1 else {}
    variances |= {"run": run} if has_runs else {}
    return MixedFit(
        dict(zip(arms, means.tolist(), strict=True)),
        math.sqrt(2 * variance),
        freedom,
        variances | {"residual": residual},
        has_runs,
        of_folds,
        n_cases,
        len(blocks),
        sums.seeds,
        "; ".join(notes if has_runs or not gathered.has_runs else (*notes, CASES_ONLY)),
    )


def variance_table(fits: dict[str, MixedFit]) -> pd.DataFrame:
    """Return the variance components of each label's model, as SD and as share of their sum.

    One row per label and component (`case`, `case_arm`, `run`, `residual`); NaN, with the reason,
    if the design cannot estimate it.
    """
    rows = []
    for label, fit in fits.items():
        total = sum(fit.variances.values())
        for name in ("case", "case_arm", "run", "residual"):
            variance = fit.variances.get(name, math.nan)
            if name == "case_arm" and math.isnan(variance):
                continue  # the residual includes it
            is_joint = name == "residual" and "case_arm" not in fit.variances
            reason = fit.reason if math.isnan(variance) else IN_RESIDUAL if is_joint else ""
            share = variance / total if total else math.nan
            rows.append((label, name, math.sqrt(variance), share, reason))
    return pd.DataFrame(rows, columns=["label", "component", "sd", "share", "reason"])


def _gather(scored: Scored, label: str, arms: Sequence[str]) -> Blocks:
    """Return the blocks of the design; if it is incomplete, runs are averaged, with a note."""
    runs = {arm: scored.runs_of(arm) for arm in arms}
    seeds = scored.arms.runs["seed"].to_dict()
    groups: dict[bytes, list[str]] = {}
    for run in (run for own in runs.values() for run in own):
        groups.setdefault(scored.held_out[run].to_numpy().tobytes(), []).append(run)
    places = [scored.held_out[own[0]].to_numpy() for own in groups.values()]
    own = [
        [sorted((run for run in runs[arm] if run in set(group)), key=seeds.get) for arm in arms]
        for group in groups.values()
    ]
    if np.sum(places, axis=0).max(initial=0) > 1 or not all(all(one) for one in own):
        why = "arms or folds share only some of their cases: the model has cases only"
        return Blocks(_without_runs(scored, label, arms), False, (why,))
    is_even = len({len(names) for one in own for names in one}) == 1
    blocks = [
        _block(scored, label, place, one, is_even=is_even)
        for place, one in zip(places, own, strict=True)
    ]
    notes = () if is_even else ("arms have unequal numbers of trainings, which are averaged",)
    return Blocks(blocks, True, notes)


def _block(
    scored: Scored, label: str, place: ndarray, runs: list[list[str]], *, is_even: bool
) -> Block:
    """Scores of a block's cases, by subject; cases with a missing score are left out."""
    names = [run for own in runs for run in own]
    table = scored.by_run[label].loc[place, names].dropna()
    if scored.has_repeats:
        table = scored.per_subject(table)
    if is_even:
        return table.to_numpy().reshape(len(table), len(runs), len(runs[0]))
    means = [table[own].mean(axis=1).to_numpy() for own in runs]
    return np.stack(means, axis=1)[:, :, None]


def _without_runs(scored: Scored, label: str, arms: Sequence[str]) -> list[Block]:
    table = scored.complete(label, arms)
    if scored.has_repeats:
        table = scored.per_subject(table)
    return [table.to_numpy()[:, :, None]]


def _reml(sums: Sums, scale: float, *, has_runs: bool) -> tuple[float, float, float]:
    """REML estimates of the variances of residual, case × arm and run."""
    start = _moments(sums)
    if max(start) + _between_blocks(sums) <= NOTHING**2 * scale:
        return 0.0, 0.0, 0.0  # differences of arms do not vary: no variance to fit
    free = [True, sums.seeds > 1, has_runs]

    def variances(sds: ndarray) -> tuple[float, float, float]:
        values = np.zeros(3)
        values[free] = scale * sds**2
        return tuple(values.tolist())

    def loss(sds: ndarray) -> float:
        return deviance(sums, *variances(sds), floor=FLOOR * scale)

    sds = np.sqrt(np.maximum(np.array(start)[free] / scale, 1e-4))
    optimum = minimize(loss, sds, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-8})
    return tuple(one if one > NOTHING * scale else 0.0 for one in variances(optimum.x))


def _moments(sums: Sums) -> tuple[float, float, float]:
    """Variances from mean squares; exact if folds have equal size and no variance is negative."""
    free, n = float(sums.n.sum() - len(sums.n)), float(sums.n.mean())
    within = sums.within / ((sums.arms - 1) * free)
    if sums.seeds == 1:
        between = _between_blocks(sums) * len(sums.n) - within / n
        return within, 0.0, max(between, 0.0)
    rest = sums.rest / (sums.arms * (sums.seeds - 1) * free)
    run = float(sums.runs.sum()) / (sums.arms * (sums.seeds - 1) * len(sums.n))
    return rest, max(within - rest / sums.seeds, 0.0), max(run - rest / n, 0.0)


def _block_variances(
    sums: Sums, residual: float, case_arm: float, run: float
) -> Float[ndarray, " B"]:
    """Variance of an arm's mean in each block, without the part that is common to all arms."""
    variances = run / sums.seeds + (case_arm + residual / sums.seeds) / sums.n
    return np.maximum(variances, FLOOR**2)


def training_overlap(folds: int) -> float:
    """Return the factor on the variance of a mean over folds for their shared training data.

    The factor is 1 + k · n_test / n_train, with n_test / n_train = 1 / (k − 1) for k folds.

    Source: Nadeau and Bengio 2003, doi:10.1023/A:1024068626366; Bouckaert and Frank 2004,
    doi:10.1007/978-3-540-24775-3_3 (cross-validation).
    """
    return 1 + folds / (folds - 1)


def _guarded(
    sums: Sums, variance: float, freedom: float, run_freedom: int
) -> tuple[float, float, bool]:
    """Return error variance of an arm's mean, degrees of freedom, and True for the error of folds.

    The variance is at least that of folds or seeds. A seed may be good or bad in all folds, since
    they start from the same weights; then seeds alone estimate the variance. Where arms differ
    between folds more than their seeds explain, folds estimate it; seeds and folds are pooled
    unless a lenient test separates them. With one seed only folds are used.
    """
    if len(sums.n) < 2:
        return variance, freedom, False
    if sums.seeds == 1:
        return variance, freedom, True
    of_folds, own = _between_blocks(sums), (sums.arms - 1) * (len(sums.n) - 1)
    if sums.of_seeds > max(variance, of_folds):
        return sums.of_seeds, float(sums.arms * (sums.seeds - 1)), False
    if of_folds <= variance:
        return variance, freedom, False
    is_apart = fdtrc(own, freedom, of_folds / max(variance, FLOOR**2)) < POOLED
    if is_apart:
        return of_folds, float(own), True
    return of_folds, min(freedom, float(run_freedom)), False


def _between_blocks(sums: Sums) -> float:
    """Variance of an arm's mean over blocks, from differences of arms between blocks."""
    blocks = len(sums.n)
    if blocks < 2:
        return 0.0
    contrasts = arm_contrasts(sums.means - sums.means.mean(axis=0))
    return float((contrasts**2).sum()) / ((sums.arms - 1) * (blocks - 1)) / blocks
