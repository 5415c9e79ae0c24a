"""Paired differences of arms on the same cases: in Dice, volume error and a boundary score.

Two tests are used, as they cover different sources of chance. Wilcoxon's signed rank test takes the
trainings as given and tests whether the difference holds for other cases, as does the bootstrap
interval. The mixed model tests whether it holds for other trainings, too. Two arms are
distinguished if both tests are significant, each corrected by Holm for the number of pairs, and
favour the same arm; the tests disagree if an arm is a little better on most cases and fails on
some. With one training per arm there is no test, since most pairs of equal networks would seem to
differ.

Source: Wilcoxon 1945, doi:10.2307/3001968; Holm 1979, jstor:4615733; Benavoli et al. 2016,
jmlr.org/papers/v17/benavoli16a.html (pairwise tests instead of mean ranks).
"""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import rankdata, wilcoxon

from neurotarget.problems import join_reasons
from neurotarget.stats.arms.arm_scores import DICE, HD95S, LESS_IS_BETTER, MEAN, SAME, Scored
from neurotarget.stats.arms.arms import NET
from neurotarget.stats.arms.mixed import MixedFit, fit_arms
from neurotarget.stats.core.interval import FEWEST
from neurotarget.stats.core.multiple_tests import corrected
from neurotarget.stats.core.resample import codes, ends, replicates, weighted_mean

ALPHA = 0.05
FEWEST_SIGNED = 6  # with five, Wilcoxon's two-sided p is at least 2 / 2⁵, above 0.05

COLUMNS = [
    *("arm", "other", "label", "metric", "n_cases", "n_subjects"),
    *("mean_difference", "low", "high", "median_difference", "wins", "ties", "losses"),
    *("wilcoxon_p", "holm_p", "model_difference", "model_low", "model_high", "model_p"),
    *("model_holm_p", "told_apart", "reason"),
]

APART, NOT_APART = "yes", "no"
ONE_TRAINING = "not testable from one training"
OTHER_DESIGN = "not testable, as not every arm was scored on the same cases"
TOO_FEW = "fewer than 3 subjects"
MOST_SIGNED = 13  # with more, there are over 8,192 combinations of signs

UNDONE = "not significant over trainings: the mixed model's p after Holm is {:.2g}"
SPLIT = "better in the mean, but worse by ranks: the other arm is better on most subjects"
ALL_SAME = "no case differs"
NO_WORST = "cases with a missing or empty mask are left out, as HD95 has no worst value"
TOO_FEW_SIGNED = f"fewer than {FEWEST_SIGNED} subjects differ, Wilcoxon's p cannot be below 0.05"


def differences_table(
    scored: Scored,
    fits: Mapping[str, MixedFit],
    *,
    metric: str = "",
    pairs: Sequence[tuple[str, str]] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return differences of a score, arm − other, of pairs of nets and some ensembles and soups.

    `metric` names the score, by default the main score. `pairs` are by default those of
    `compared_pairs`. `fits` are the mixed models by label; for an ensemble or soup the model is
    fitted to the pair. Wins are cases in which `arm` is better (smaller, for errors and distances).
    Holm's correction is within each label, separately for pairs of nets and for other pairs.
    `told_apart` is yes if the arms are distinguished, else no, or the reason why there is no test.
    """
    pairs = compared_pairs(scored) if pairs is None else pairs
    metric = metric or scored.arms.headline.metric
    rows = [
        _row(scored, pair, label, fits[label], metric, seed)
        for label in scored.labels
        for pair in pairs
    ]
    table = pd.DataFrame(rows, columns=[*COLUMNS, "is_made", "is_split"])
    for _, family in table.groupby(["label", "is_made"], sort=False):
        for p, p_holm in (("wilcoxon_p", "holm_p"), ("model_p", "model_holm_p")):
            table.loc[family.index, p_holm] = corrected(family[p].to_numpy(float))
    is_clear = (table["holm_p"] < ALPHA) & (table["told_apart"] == "")
    is_sure = (table["model_holm_p"] < ALPHA) & ~table["is_split"].astype(bool)
    for place in table.index[is_clear & ~is_sure]:
        why = SPLIT if table.at[place, "is_split"] else UNDONE
        why = why.format(table.at[place, "model_holm_p"])
        table.at[place, "reason"] = join_reasons(table.at[place, "reason"], why)
    verdicts = np.where(is_clear & is_sure, APART, NOT_APART)
    table["told_apart"] = table["told_apart"].mask(table["told_apart"] == "", verdicts)
    return table[COLUMNS]


def order(scored: Scored) -> list[str]:
    """Return the arms by mean score, the best first and arms without a score last.

    Each arm is averaged over its own cases, as in the table of arms, so the order is no test.
    """
    means = scored.arms.headline.sign * scored.by_arm[MEAN].mean()
    means = means.reindex(list(scored.arms.names))
    return list(means.sort_values(ascending=False, kind="stable", na_position="last").index)


def distinguished(
    differences: pd.DataFrame, label: str = MEAN, metric: str = DICE
) -> set[frozenset[str]]:
    """Return the pairs of arms whose scores are distinguished, by one metric and label.

    Args:
        differences: the table of `differences_table`.
        label: `mean` over labels, or one label.
        metric: name of the score, by default Dice.
    """
    rows = differences[(differences["label"] == label) & (differences["metric"] == metric)]
    rows = rows[rows["told_apart"] == APART]
    return {frozenset(pair) for pair in zip(rows["arm"], rows["other"], strict=True)}


def compared_pairs(scored: Scored) -> list[tuple[str, str]]:
    """Return all pairs of nets, and some pairs with ensembles or soups; the better mean is first.

    An ensemble or a soup is compared with the best net and with the arms that `runs` lists in its
    column `parts`, if it has one. The best of all arms is compared with every other arm.
    """
    kinds, ordered = scored.arms.kinds, order(scored)
    nets = [arm for arm in ordered if kinds[arm] == NET]
    wanted = {frozenset(pair) for pair in combinations(nets, 2)}
    wanted |= {frozenset((ordered[0], other)) for other in ordered[1:]}
    for arm in ordered:
        if kinds[arm] != NET:
            wanted |= {frozenset((arm, part)) for part in (*nets[:1], *_parts(scored, arm))}
    return [pair for pair in combinations(ordered, 2) if frozenset(pair) in wanted]


def _parts(scored: Scored, arm: str) -> list[str]:
    """Arms that an ensemble or soup consists of, from the column `parts` (one name per line)."""
    runs = scored.arms.runs
    if "parts" not in runs:
        return []
    listed = "\n".join(runs.loc[runs["arm"] == arm, "parts"].dropna().astype(str))
    named = set(listed.splitlines())
    return [name for name in scored.arms.names if name in named and name != arm]


def _row(
    scored: Scored, pair: tuple[str, str], label: str, fit: MixedFit, metric: str, seed: int
) -> dict:
    arm, other = pair
    is_made = any(scored.arms.kinds[name] != NET for name in pair)
    table = scored.complete(label, pair)
    differences = (table[arm] - table[other]).to_numpy()
    differences = np.where(np.abs(differences) < SAME, 0.0, differences)
    subject, n_subjects = codes(scored.subjects[table.index])
    low = high = math.nan
    reasons = [TOO_FEW] if n_subjects < FEWEST else []
    if not reasons:
        low, high = ends(weighted_mean(replicates(n_subjects, seed), differences, subject))
    of_subject = np.bincount(subject, differences) / np.bincount(subject)
    p, why = _wilcoxon(of_subject)
    reasons.append(why)
    if metric in HD95S and len(table) < len(scored.subjects):
        reasons.append(NO_WORST)
    fit = fit_arms(scored, label, pair) if is_made else fit
    model = fit.difference(arm, other)
    sign = -1 if metric in LESS_IS_BETTER else 1
    return {
        **{"arm": arm, "other": other, "label": label, "metric": metric},
        **{"n_cases": len(table), "n_subjects": n_subjects},
        **{
            "mean_difference": differences.mean() if len(differences) else math.nan,
            "low": low,
            "high": high,
        },
        "median_difference": float(np.median(differences)) if len(differences) else math.nan,
        "wins": int((sign * differences > 0).sum()),
        "ties": int((differences == 0).sum()),
        "losses": int((sign * differences < 0).sum()),
        "wilcoxon_p": p,
        **{"model_difference": model.value, "model_low": model.low, "model_high": model.high},
        **{"model_p": model.p, "is_made": is_made},
        "told_apart": _why_untested(scored, pair, fit),
        "is_split": _signed_rank_sum(of_subject) * differences.sum() < 0,
        "reason": join_reasons(*reasons, fit.reason),
    }


def _why_untested(scored: Scored, pair: tuple[str, str], fit: MixedFit) -> str:
    """Return why the trainings of two arms cannot be tested; "" if they can."""
    if fit.has_runs:
        return ""
    few = min(len(scored.runs_of(arm)) for arm in pair)
    return ONE_TRAINING if few < 2 else OTHER_DESIGN


def _wilcoxon(differences: Float[ndarray, " N"]) -> tuple[float, str]:
    """Return the two-sided p of the signed rank test, one difference per subject, and a reason."""
    differences = np.where(np.abs(differences) < SAME, 0.0, differences)
    n_signed = int(np.count_nonzero(differences))
    if not len(differences):
        return math.nan, "no case has a score by both arms"
    if not n_signed:
        return 1.0, ALL_SAME
    # differences that are equal up to rounding share a rank
    p = signed_rank_p(np.round(differences[differences != 0], 12))
    return p, TOO_FEW_SIGNED if n_signed < FEWEST_SIGNED else ""


def _signed_rank_sum(differences: Float[ndarray, " N"]) -> float:
    """Sum of the signed ranks of the differences: above 0 if the first arm is higher."""
    signed = np.round(differences[np.abs(differences) >= SAME], 12)
    return float(np.sign(signed) @ rankdata(np.abs(signed)))


def signed_rank_p(differences: Float[ndarray, " N"]) -> float:
    """Return the two-sided p of Wilcoxon's signed rank test on nonzero differences.

    For up to 13 differences all combinations of signs are enumerated, which also handles ties;
    SciPy's enumeration takes seconds. For 14 to 50 differences without ties, the p is exact, else
    by the normal approximation.
    """
    n = len(differences)
    if n > MOST_SIGNED:
        return float(wilcoxon(differences).pvalue)
    ranks = rankdata(np.abs(differences))
    rank_sum = ranks[differences > 0].sum()
    sums = (np.arange(2**n)[:, None] >> np.arange(n) & 1) @ ranks
    return float(min(1.0, 2 * min(np.mean(sums <= rank_sum), np.mean(sums >= rank_sum))))
