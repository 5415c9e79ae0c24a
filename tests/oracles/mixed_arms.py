"""Reference for the mixed model of arms, by statsmodels, and its error rates.

`python -m oracles.mixed_arms` in tests/ prints, for equal arms, the share of pairs whose 95 %
interval excludes 0; in brackets the share of comparisons in which any pair is found to differ,
and in which any arm has a chance above 95 % to be best. With 500 comparisons each (case SD 0.03,
case × arm 0.015, residual 0.013; 20 cases a fold and an SD of runs of 0.005 unless stated):

    5 arms × 3 folds × 1 seed                           0.003 (0.000, 0.000)
    5 arms × 3 folds × 1 seed, 67 cases a fold          0.008 (0.004, 0.000)
    5 arms × 3 folds × 1 seed, run SD 0                 0.000 (0.000, 0.000)
    2 arms × 3 folds × 1 seed                           0.000 (0.000, 0.000)
    2 arms × 5 folds × 1 seed, 40 cases a fold          0.010 (0.010, 0.010)
    5 arms × 3 folds × 2 seeds                          0.018 (0.010, 0.000)
    2 arms × 3 folds × 2 seeds                          0.040 (0.040, 0.040)
    5 arms × 1 fold × 3 seeds, 67 cases                 0.044 (0.030, 0.002)
    5 arms × 3 folds × 2 seeds, arm × fold SD 0.005     0.019 (0.022, 0.004)
    2 arms × 3 folds × 2 seeds, arm × fold SD 0.005     0.056 (0.056, 0.056)
    5 arms × 3 folds × 2 seeds, arm × seed SD 0.005     0.051 (0.068, 0.006)
    2 arms × 3 folds × 2 seeds, arm × seed SD 0.005     0.030 (0.030, 0.030)
    5 arms × 1 fold × 1 seed, 67 cases                  0.398 (0.000, 0.000): not tested

With one seed the folds here are independent, so the variance that is raised for their shared
training data leaves fewer than 5 % false positives; real folds share training data.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy.stats import wilcoxon

from neurotarget.stats.arms.best_arm import best_probabilities
from neurotarget.stats.arms.mixed import Blocks, MixedFit, fit_blocks
from neurotarget.stats.core.multiple_tests import corrected

NAMES = tuple("abcdefgh")


def blocks(
    rng: np.random.Generator,
    *,
    arms: int = 5,
    sizes: Sequence[int] = (20, 20, 20),
    seeds: int = 1,
    run: float = 0.005,
    arm_fold: float = 0.0,
    arm_seed: float = 0.0,
    means: Sequence[float] | None = None,
) -> list[np.ndarray]:
    """Scores of each fold, cases × arms × seeds, drawn from the model.

    `arm_seed` is the SD of what a seed does to an arm in all folds alike.
    """
    alike = rng.normal(0, arm_seed, (1, arms, seeds)) if arm_seed else 0.0
    fixed = np.zeros(arms) if means is None else np.asarray(means, dtype=float)
    return [
        fixed[:, None]
        + alike
        + rng.normal(0, 0.03, (n, 1, 1))
        + rng.normal(0, 0.015, (n, arms, 1))
        + rng.normal(0, arm_fold, (1, arms, 1))
        + rng.normal(0, run, (1, arms, seeds))
        + rng.normal(0, 0.013, (n, arms, seeds))
        for n in sizes
    ]


def fitted(folds: Sequence[np.ndarray]) -> MixedFit:
    return fit_blocks(Blocks(list(folds), True, ()), NAMES[: folds[0].shape[1]])


def statsmodels_fit(folds: Sequence[np.ndarray]) -> object:
    """The same model by statsmodels; its arm[T.b] is b − a."""
    rows = [
        (f"f{fold}", f"c{fold}-{case}", NAMES[arm], f"r{fold}-{arm}-{seed}", score)
        for fold, scores in enumerate(folds)
        for (case, arm, seed), score in np.ndenumerate(scores)
    ]
    table = pd.DataFrame(rows, columns=["fold", "case", "arm", "run", "score"])
    table["case_arm"] = table["case"] + table["arm"]
    parts = {"case": "0 + C(case)", "run": "0 + C(run)"}
    if folds[0].shape[2] > 1:
        parts["case_arm"] = "0 + C(case_arm)"
    model = smf.mixedlm("score ~ arm + fold", table, groups=np.ones(len(table)), vc_formula=parts)
    found = model.fit(reml=True, method=["lbfgs"])
    found.components = dict(zip(model.exog_vc.names, found.vcomp, strict=True))
    return found


def false_rates(count: int, seed: int = 0, **design: object) -> tuple[float, float, float]:
    """Of equal arms: share of intervals that exclude 0, and of comparisons with a false find.

    A find is a pair that is distinguished, by trainings and by Wilcoxon's test of cases after Holm,
    or an arm with a chance above 95 % to be best.
    """
    rng = np.random.default_rng(seed)
    pairs, finds, bests = [], [], []
    for _ in range(count):
        folds = blocks(rng, **design)
        fit = fitted(folds)
        between = [fit.difference(*pair) for pair in combinations(fit.means, 2)]
        pairs.append(np.mean([one.low > 0 or one.high < 0 for one in between]))
        by_cases = np.concatenate([scores.mean(axis=2) for scores in folds])
        p = wilcoxon([one - two for one, two in combinations(by_cases.T, 2)], axis=1).pvalue
        is_sure = [corrected(np.array(every)) < 0.05 for every in (p, [one.p for one in between])]
        finds.append(fit.has_runs and bool(np.logical_and(*is_sure).any()))
        chances, _ = best_probabilities(fit, tuple(fit.means))
        bests.append(max(chances.values()) > 0.95)
    return float(np.mean(pairs)), float(np.mean(finds)), float(np.mean(bests))


if __name__ == "__main__":
    large = (67, 67, 66)
    for design in (
        {},
        {"sizes": large},
        {"run": 0.0},
        {"arms": 2},
        {"arms": 2, "sizes": (40,) * 5},
        {"seeds": 2},
        {"arms": 2, "seeds": 2},
        {"sizes": (67,), "seeds": 3},
        {"seeds": 2, "arm_fold": 0.005},
        {"arms": 2, "seeds": 2, "arm_fold": 0.005},
        {"seeds": 2, "arm_seed": 0.005},
        {"arms": 2, "seeds": 2, "arm_seed": 0.005},
        {"sizes": (67,)},
    ):
        print(design, *(f"{rate:.3f}" for rate in false_rates(500, **design)))
