"""Paired differences of arms on the same cases: in Dice, volume error and a boundary score.

Two tests are used, as they cover different sources of chance. Wilcoxon's signed rank test and the
bootstrap take the trainings as given and test whether the difference holds for other cases; the
mixed model tests whether it holds for other trainings, too. Two arms are distinguished if both
tests are significant, each corrected by Holm for the number of pairs, and favour the same arm; they
do not if an arm is a little better on most cases and fails on some. With one training per arm there
is no test, since most pairs of equal networks would seem to differ.

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
FEWEST_SIGNED = 6  # with fewer, Wilcoxon's two-sided p is always above 0.05: 2 / 2⁵

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
MOST_SIGNED = 13  # 8,192 combinations of signs

UNDONE = "clear on these trainings, but others could undo it: the model's p after Holm is {:.2g}"
SPLIT = "better in the mean, but worse by ranks: the other is better on most subjects"
ALL_SAME = "no case differs"
NO_WORST = "cases in which either lost a mask are left out, as HD95 has no worst value"
TOO_FEW_SIGNED = f"fewer than {FEWEST_SIGNED} subjects differ, Wilcoxon's p cannot be below 0.05"


def differences_table(
    scored: Scored,
    fits: Mapping[str, MixedFit],
    *,
    metric: str = "",
    pairs: Sequence[tuple[str, str]] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return differences of a score, arm − other, of each pair of nets, and of some made arms.

    `metric` names the score, by default the headline's. `pairs` are those of `compared_pairs`
    unless given. `fits` are the mixed models by label; for an arm that is made of nets the model is
    fitted to the pair. Wins are cases in which `arm` is better (smaller, for errors and distances).
    Holm's correction is within each label, separately for pairs of nets and for other pairs.
    `told_apart` is yes, no, or the reason why it cannot be tested.
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
    """Return the arms by mean score, the best first and those without any last.

    Arms are averaged over their own cases, so the order is that of the table of arms and no test.
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
        metric: name of the score, such as that of the headline.
    """
    rows = differences[(differences["label"] == label) & (differences["metric"] == metric)]
    rows = rows[rows["told_apart"] == APART]
    return {frozenset(pair) for pair in zip(rows["arm"], rows["other"], strict=True)}


def compared_pairs(scored: Scored) -> list[tuple[str, str]]:
    """Return all pairs of nets, and some pairs with made arms; the better mean is first.

    An ensemble or a soup is compared with the best net and with the arms that `runs` lists in its
    column `parts`, if there is one; the best of all arms is compared with every other.
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
    """Arms that a made arm consists of, from the column `parts` of `runs` (one name per line)."""
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
    """Reason why the trainings of two arms cannot be tested; "" where they can."""
    if fit.has_runs:
        return ""
    few = min(len(scored.runs_of(arm)) for arm in pair)
    return ONE_TRAINING if few < 2 else OTHER_DESIGN


def _wilcoxon(differences: Float[ndarray, " N"]) -> tuple[float, str]:
    """Two-sided p of the signed rank test with one difference per subject, and its limitation."""
    differences = np.where(np.abs(differences) < SAME, 0.0, differences)
    n_signed = int(np.count_nonzero(differences))
    if not len(differences):
        return math.nan, "no case has a score by both"
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
    scipy's enumeration takes seconds. For more, the p is exact without ties up to 50,
    else by the normal approximation.
    """
    n = len(differences)
    if n > MOST_SIGNED:
        return float(wilcoxon(differences).pvalue)
    ranks = rankdata(np.abs(differences))
    rank_sum = ranks[differences > 0].sum()
    sums = (np.arange(2**n)[:, None] >> np.arange(n) & 1) @ ranks
    return float(min(1.0, 2 * min(np.mean(sums <= rank_sum), np.mean(sums >= rank_sum))))
