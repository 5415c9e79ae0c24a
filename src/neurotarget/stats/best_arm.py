"""How likely each net is to have the highest mean score, were other cases and trainings drawn.

Subjects are drawn with replacement and, where an arm was trained several times on the same fold,
its trainings too, a seed with its runs on all folds. Of few trainings a plain bootstrap would draw
too little spread ((n − 1) / n of the variance), so n − 1 of n are drawn and weighted by
n / (n − 1). Two seeds stay few: of equal arms one is then too often the best for sure.

Source: Efron 1979, doi:10.1214/aos/1176344552; Rao and Wu 1988,
doi:10.1080/01621459.1988.10478591 (draws of n − 1).
"""

import math

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.stats.arm_scores import MEAN, SAME, Scored
from neurotarget.stats.resample import DRAWS, codes, draws

ONE_TRAINING = (
    "each arm was trained once per fold, so the probability of being best counts the chance of "
    "the cases and not that of the training"
)

TWO_TRAININGS = (
    "each arm was trained twice per fold at most, so the probability of being best counts only a "
    "part of the chance of the training"
)


def best_probabilities(scored: Scored, *, seed: int = 0) -> tuple[dict[str, float], str]:
    """Share of draws in which each net has the highest mean score, and what they leave out.

    Arms that tie share a draw. Cases that a net has no score of are left out. NaN where there is
    no other net.
    """
    nets = list(scored.arms.nets)
    if len(nets) == 1:
        return {nets[0]: math.nan}, ""
    table = scored.complete(MEAN, nets)
    if not len(table) or not nets:
        return dict.fromkeys(nets, math.nan), "no case has a score by all arms"
    runs = [run for arm in nets for run in scored.runs_of(arm)]
    strata = _strata(scored, runs)
    times = np.ones((DRAWS, len(runs)))
    generator = np.random.default_rng((seed, len(runs)))  # apart from that of the subjects
    for members in strata:
        times[:, members] = _rescaled(generator, len(members))[:, :, None]
    totals = _totals(scored, table.index, runs, seed) * times
    arm_of = np.array([nets.index(scored.arms.runs.at[run, "arm"]) for run in runs])
    means = np.zeros((DRAWS, len(nets)))
    for column, number in zip(totals.T, arm_of, strict=True):
        means[:, number] += column
    is_best = means >= means.max(axis=1, keepdims=True) - SAME
    shares = (is_best / is_best.sum(axis=1, keepdims=True)).mean(axis=0)
    most = max(len(members) for members in strata)
    why = {1: ONE_TRAINING, 2: TWO_TRAININGS}.get(most, "")
    return dict(zip(nets, shares.tolist(), strict=True)), why


def _strata(scored: Scored, runs: list[str]) -> list[Integer[ndarray, "n F"]]:
    """Places of runs of one arm in rows of which one may stand for another.

    Runs on the same cases may. Where an arm has the same seeds on all folds a row is a seed with
    its runs on all of them, as they begin from the same weights.
    """
    seeds = scored.arms.runs["seed"]
    found: dict[str, dict[bytes, list[int]]] = {}
    for place in sorted(range(len(runs)), key=lambda place: seeds[runs[place]]):
        cases = scored.held_out[runs[place]].to_numpy().tobytes()
        own = found.setdefault(scored.arms.runs.at[runs[place], "arm"], {})
        own.setdefault(cases, []).append(place)
    strata = []
    for own in found.values():
        folds = [np.array(places) for places in own.values()]
        of_folds = {tuple(seeds[runs[place]] for place in places) for places in folds}
        is_joint = len(of_folds) == 1
        strata += [np.column_stack(folds)] if is_joint else [places[:, None] for places in folds]
    return strata


def _rescaled(generator: np.random.Generator, n: int) -> Float[ndarray, "D n"]:
    if n < 2:
        return np.ones((DRAWS, n))
    return generator.multinomial(n - 1, np.full(n, 1 / n), size=DRAWS) * (n / (n - 1))


def _totals(scored: Scored, cases: object, runs: list[str], seed: int) -> Float[ndarray, "D R"]:
    """What each run adds to the mean of its arm in each draw of subjects."""
    subject, n_subjects = codes(scored.subjects[cases])
    values = scored.by_run[MEAN].loc[cases, runs]
    arms = scored.arms.runs.loc[runs, "arm"].to_numpy()
    shared = values.notna().T.groupby(arms).transform("sum").T  # runs of the arm that hold a case
    parts = (values / shared).fillna(0.0).to_numpy()
    weights = draws(n_subjects, seed)
    per_subject = np.zeros((n_subjects, len(runs)))
    np.add.at(per_subject, subject, parts)
    counts = np.bincount(subject, minlength=n_subjects)
    return weights @ per_subject / (weights @ counts)[:, None]
