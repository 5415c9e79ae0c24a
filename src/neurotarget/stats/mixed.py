"""Mixed model of the scores of several arms, with random effects of the case and of the training.

score = arm + fold + case + (case × arm) + run + residual, where a run is one training: its weights
are shared by all the cases that it is tested on, so 200 cases of one training are no 200
independent observations of its architecture. Arms and folds are fixed, the others random; case ×
arm can be told from the residual where an arm was trained with several seeds. Fitted by REML. In a
complete design (every run of a fold scores the same cases) the likelihood depends on a few sums of
squares only, and the numbers are those of statsmodels' MixedLM, in 2 ms instead of 100.

A difference of two arms has the error of both arms' mean runs. Its interval is Student's t with
the degrees of freedom that the spread of runs was estimated with, (arms − 1)(folds − 1) +
arms × folds × (seeds − 1), as in the analysis of variance of a split plot; fewer than
Satterthwaite's where the spread of runs is small, so the interval is then too wide, not too
narrow. Where arms differ more between folds than their seeds explain, the error is that of folds;
where a seed is good or bad in all folds alike, it is that of the seeds' means.

In simulations of equal arms (case SD 0.03, run SD 0.005, 5 arms × 3 folds of 20 to 67 cases) the
interval of a pair excludes 0 in 3 to 5 % with one seed or two, and in 6 % where arms differ by fold
or by seed as well; after Holm any pair does in 1 to 6 % of the comparisons. With one training per
arm the model knows the cases alone, and 40 % of the intervals exclude 0.

Source: Patterson and Thompson 1971, doi:10.1093/biomet/58.3.545 (REML); Satterthwaite 1946,
doi:10.2307/3002019 (degrees of freedom); Bouthillier et al. 2021, arXiv:2103.03098 (runs as a
source of variance).
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

from neurotarget.stats.arm_scores import SAME, Scored
from neurotarget.stats.interval import LEVEL

Block = Float[ndarray, "N A S"]  # cases, arms and trainings of each arm on one fold
FLOOR = 1e-10  # share of the whole variance that stands for none, so that logarithms exist
POOLED = 0.25  # p from which seeds and folds are taken to tell of one and the same spread
NOTHING = 1e-8  # a component below this share is none: the search ends near 0, not on it

CASES_ONLY = "one training per arm: the model counts the cases alone, not the chance of training"
IN_RESIDUAL = "with one training per arm and fold it holds case × arm as well"


class Difference(NamedTuple):
    """Difference of two arms by the model, with its 95 % interval."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class MixedFit:
    """Arms' means by the model (they differ from plain means where folds differ in size).

    `error` is the standard error of the difference of any two arms, and `freedom` its degrees of
    freedom; both are NaN where nothing could be estimated, which `reason` explains.
    """

    means: dict[str, float]
    error: float
    freedom: float
    variances: dict[str, float] = field(default_factory=dict)
    has_runs: bool = False
    n_cases: int = 0
    reason: str = ""

    def difference(self, arm: str, other: str) -> Difference:
        """`arm` − `other`."""
        value = self.means.get(arm, math.nan) - self.means.get(other, math.nan)
        if math.isnan(value) or math.isnan(self.error):
            return Difference(math.nan, math.nan, math.nan, math.nan)
        half = float(stdtrit(self.freedom, (1 + LEVEL) / 2)) * self.error
        if self.error < SAME:
            return Difference(value, value, value, float(abs(value) < SAME))
        p = 2 * float(stdtr(self.freedom, -abs(value) / self.error))
        return Difference(value, value - half, value + half, p)


class Blocks(NamedTuple):
    """Scores of the cases of each fold, whether their runs can be modelled, and what to say."""

    blocks: list[Block]
    has_runs: bool
    notes: tuple[str, ...]


class _Sums(NamedTuple):
    """What the likelihood needs of the data; B blocks, A arms, S seeds."""

    n: Float[ndarray, " B"]  # cases
    means: Float[ndarray, "B A"]
    arms: int
    seeds: int
    case_square: float  # mean square of the cases' means
    within: float  # squares of case × arm, on the mean over seeds
    rest: float  # squares of case × seed within arm
    runs: Float[ndarray, " B"]  # squares of the runs' means about their arm's
    of_seeds: float  # variance of an arm's mean, by how its seeds differ over all folds


def fit_arms(scored: Scored, label: str, arms: Sequence[str]) -> MixedFit:
    """Fit the model to the Dice of one label, over the runs of all `arms`."""
    if len(arms) < 2:
        return MixedFit({}, math.nan, math.nan, reason="there is one arm")
    return fit_blocks(_gather(scored, label, arms), arms)


def fit_cases(scored: Scored, label: str, arms: Sequence[str], reason: str) -> MixedFit:
    """Fit a model that knows no runs to the mean scores of `arms`; of two, a paired t test."""
    blocks = Blocks(_without_runs(scored, label, arms), False, (reason,))
    return fit_blocks(blocks, arms)


def fit_blocks(gathered: Blocks, arms: Sequence[str]) -> MixedFit:
    """Fit the model to blocks of cases that were scored by the same runs."""
    blocks = [block for block in gathered.blocks if len(block)]
    n_cases = sum(len(block) for block in blocks)
    notes = gathered.notes
    if n_cases - len(blocks) < 2:
        why = (*notes, "too few cases that all arms have a score of")
        return MixedFit({}, math.nan, math.nan, n_cases=n_cases, reason="; ".join(why))
    sums = _sum(blocks)
    run_freedom = (sums.arms - 1) * (len(blocks) - 1)
    run_freedom += sums.arms * len(blocks) * (sums.seeds - 1)
    has_runs = gathered.has_runs and run_freedom > 0
    scale = max(float(np.concatenate([block.ravel() for block in blocks]).var()), FLOOR**2)
    residual, case_arm, run = _reml(sums, scale, has_runs=has_runs)
    spread = _block_variances(sums, residual, case_arm, run)
    means = (sums.means / spread[:, None]).sum(axis=0) / (1 / spread).sum()
    variance = 1 / float((1 / spread).sum())
    if has_runs and sums.seeds > 1 and len(blocks) > 1:
        variance, run_freedom = _guarded(sums, variance, run_freedom)
    case = max(sums.case_square - (case_arm + residual / sums.seeds) / sums.arms, 0.0)
    variances = {"case": case}
    variances |= {"case_arm": case_arm} if sums.seeds > 1 else {}
    variances |= {"run": run} if has_runs else {}
    within_freedom = (sums.arms - 1) * (n_cases - len(blocks))
    return MixedFit(
        dict(zip(arms, means.tolist(), strict=True)),
        math.sqrt(2 * variance),
        float(run_freedom if has_runs else within_freedom),
        variances | {"residual": residual},
        has_runs,
        n_cases,
        "; ".join(notes if has_runs or not gathered.has_runs else (*notes, CASES_ONLY)),
    )


def variance_table(fits: dict[str, MixedFit]) -> pd.DataFrame:
    """Variance components of each label's model as SD and as a share of their sum."""
    rows = []
    for label, fit in fits.items():
        total = sum(fit.variances.values())
        for name in ("case", "case_arm", "run", "residual"):
            variance = fit.variances.get(name, math.nan)
            if name == "case_arm" and math.isnan(variance):
                continue  # part of the residual
            is_joint = name == "residual" and "case_arm" not in fit.variances
            reason = fit.reason if math.isnan(variance) else IN_RESIDUAL if is_joint else ""
            share = variance / total if total else math.nan
            rows.append((label, name, math.sqrt(variance), share, reason))
    return pd.DataFrame(rows, columns=["label", "component", "sd", "share", "reason"])


def _gather(scored: Scored, label: str, arms: Sequence[str]) -> Blocks:
    """Blocks of the design; where it is not complete, runs are averaged, and a note says so."""
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
        why = "arms or folds share some of their cases only: the model counts cases alone"
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
    """Scores of a block's cases, by subject; cases that lack one of them are left out."""
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


def _sum(blocks: Sequence[Block]) -> _Sums:
    _, arms, seeds = blocks[0].shape
    n = np.array([len(block) for block in blocks], dtype=float)
    case = within = rest = 0.0
    runs, means = [], []
    for block in blocks:
        of_arm = block.mean(axis=2)  # (N, A)
        of_run = block.mean(axis=0)  # (A, S)
        of_case = of_arm.mean(axis=1, keepdims=True)
        mean = of_arm.mean(axis=0)
        apart = of_arm - of_case - mean + mean.mean()
        case += float(((of_case - of_case.mean()) ** 2).sum())
        within += float((apart**2).sum())
        seed = block - of_arm[:, :, None] - of_run + mean[:, None]
        rest += float((seed**2).sum())
        runs.append(of_run)
        means.append(mean)
    free, by_run, by_arm = float(n.sum() - len(n)), np.array(runs), np.array(means)
    squares = ((by_run - by_arm[:, :, None]) ** 2).sum(axis=(1, 2))
    of_seed = by_run.mean(axis=0)  # (A, S)
    of_seeds = float(of_seed.var(axis=1, ddof=1).mean()) / seeds if seeds > 1 else 0.0
    return _Sums(n, by_arm, arms, seeds, case / free, within, rest, squares, of_seeds)


def _reml(sums: _Sums, scale: float, *, has_runs: bool) -> tuple[float, float, float]:
    """Variances of residual, case × arm and run that make the data the likeliest."""
    start = _moments(sums)
    if max(start) + _between_blocks(sums) <= NOTHING**2 * scale:
        return 0.0, 0.0, 0.0  # arms differ by a constant or not at all, there is nothing to fit
    free = [True, sums.seeds > 1, has_runs]

    def variances(sds: ndarray) -> tuple[float, float, float]:
        found = np.zeros(3)
        found[free] = scale * sds**2
        return tuple(found.tolist())

    def loss(sds: ndarray) -> float:
        return _deviance(sums, *variances(sds), floor=FLOOR * scale)

    sds = np.sqrt(np.maximum(np.array(start)[free] / scale, 1e-4))
    found = minimize(loss, sds, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-8})
    return tuple(one if one > NOTHING * scale else 0.0 for one in variances(found.x))


def _moments(sums: _Sums) -> tuple[float, float, float]:
    """Estimates from mean squares, exact where folds are of one size and none is negative."""
    free, n = float(sums.n.sum() - len(sums.n)), float(sums.n.mean())
    within = sums.within / ((sums.arms - 1) * free)
    if sums.seeds == 1:
        apart = _between_blocks(sums) * len(sums.n) - within / n
        return within, 0.0, max(apart, 0.0)
    rest = sums.rest / (sums.arms * (sums.seeds - 1) * free)
    run = float(sums.runs.sum()) / (sums.arms * (sums.seeds - 1) * len(sums.n))
    return rest, max(within - rest / sums.seeds, 0.0), max(run - rest / n, 0.0)


def _deviance(sums: _Sums, residual: float, case_arm: float, run: float, *, floor: float) -> float:
    """−2 × restricted log likelihood, without what is constant or the cases' own.

    Contrasts of arms, contrasts of seeds within an arm, and among each the block's mean and what
    differs from it, are independent: each has one variance and one sum of squares.
    """
    residual += floor
    n, arms, seeds = sums.n, sums.arms, sums.seeds
    free = float(n.sum() - len(n))
    within = case_arm + residual / seeds
    spread = run / seeds + within / n
    centre = (sums.means / spread[:, None]).sum(axis=0) / (1 / spread).sum()
    apart = _arm_contrasts(sums.means - centre)
    value = (arms - 1) * free * math.log(within) + sums.within / within
    value += (arms - 1) * float(np.log(spread).sum() + np.log((1 / spread).sum()))
    value += float(((apart**2).sum(axis=1) / spread).sum())
    if seeds > 1:
        own = arms * (seeds - 1)
        of_runs = run + residual / n
        value += own * free * math.log(residual) + sums.rest / residual
        value += float((own * np.log(of_runs) + sums.runs / of_runs).sum())
    return value


def _block_variances(
    sums: _Sums, residual: float, case_arm: float, run: float
) -> Float[ndarray, " B"]:
    """Variance of an arm's mean in each block, as far as arms differ in it."""
    found = run / sums.seeds + (case_arm + residual / sums.seeds) / sums.n
    return np.maximum(found, FLOOR**2)


def _guarded(sums: _Sums, variance: float, freedom: int) -> tuple[float, int]:
    """Error variance of an arm's mean that is no less than folds or seeds say, and its freedom.

    Where a seed is good or bad in all folds alike, as they begin from the same weights, seeds
    alone estimate it. Where arms differ between folds more than their seeds explain, folds do;
    both are pooled as long as a test, which is easy to fail, does not part them.
    """
    of_folds, own = _between_blocks(sums), (sums.arms - 1) * (len(sums.n) - 1)
    if sums.of_seeds > max(variance, of_folds):
        return sums.of_seeds, sums.arms * (sums.seeds - 1)
    if of_folds <= variance:
        return variance, freedom
    is_apart = fdtrc(own, freedom, of_folds / max(variance, FLOOR**2)) < POOLED
    return of_folds, own if is_apart else freedom


def _between_blocks(sums: _Sums) -> float:
    """Variance of an arm's mean over blocks, by how the arms' differences vary between them."""
    blocks = len(sums.n)
    if blocks < 2:
        return 0.0
    apart = _arm_contrasts(sums.means - sums.means.mean(axis=0))
    return float((apart**2).sum()) / ((sums.arms - 1) * (blocks - 1)) / blocks


def _arm_contrasts(means: Float[ndarray, "B A"]) -> Float[ndarray, "B A"]:
    return means - means.mean(axis=1, keepdims=True)
