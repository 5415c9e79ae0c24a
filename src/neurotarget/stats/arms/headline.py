"""The result of a comparison in one to three sentences."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from neurotarget.stats.arms.arm_scores import MEAN, SAME
from neurotarget.stats.arms.arms import NET
from neurotarget.stats.arms.main_score import DICE_HEADLINE, Headline
from neurotarget.stats.arms.paired import ALPHA, APART, NOT_APART, SPLIT, distinguished
from neurotarget.stats.cohort.learning import NOT_LEARNT

VISIBLE = 0.0005  # a smaller SD would be printed as 0.000

Tables = Mapping[str, pd.DataFrame]


def headline(tables: Tables, score: Headline = DICE_HEADLINE) -> str:
    """Return sentences on the best net, its lead, nets that do not differ, and the uncertainty.

    `score` orders the arms; its metric is a column of the table of arms.
    """
    arms, unlearnt = tables["arms"], _not_learnt(tables["arms"])
    arms = arms.drop(unlearnt.index)
    nets = arms[(arms["kind"] == NET) & arms[score.metric].notna()]
    if len(unlearnt) and not len(nets):
        return (
            f"No network has learnt, so this comparison does not show which is best: "
            f"{join_names([_score_of(row, score) for _, row in unlearnt.iterrows()])}."
        )
    if not len(nets):
        return "No arm has a score, so there is nothing to compare."
    return " ".join(
        part
        for part in (_comparison(tables, arms, nets, score), _left_out(unlearnt, score))
        if part
    )


def _not_learnt(arms: pd.DataFrame) -> pd.DataFrame:
    return arms[arms["learnt"] == NOT_LEARNT] if "learnt" in arms else arms[:0]


def _score_of(row: pd.Series, score: Headline) -> str:
    return f"{row['arm']} has a mean {score.title} of {row[score.metric]:.3f}"


def _left_out(unlearnt: pd.DataFrame, score: Headline) -> str:
    if not len(unlearnt):
        return ""
    verb = "has" if len(unlearnt) == 1 else "have"
    named = join_names(
        [f"{row['arm']} ({score.title} {row[score.metric]:.3f})" for _, row in unlearnt.iterrows()]
    )
    return f"{named} {verb} not learnt, and {verb} no rank."


def _comparison(tables: Tables, arms: pd.DataFrame, nets: pd.DataFrame, score: Headline) -> str:
    values, made = nets[score.metric], _made(arms, nets, score)
    if len(nets) == 1:
        only = nets.iloc[0]
        others = (tables["arms"]["kind"] == NET).sum() > 1
        scored = " with a score" if others else ""
        scored = " that has learnt" if others and len(_not_learnt(tables["arms"])) else scored
        sentence = f"{only['arm']} is the only architecture{scored}: its mean {score.title} is "
        sentence += f"{only[score.metric]:.3f}"
        return f"{sentence} over {_amounts(nets)}, so there is nothing to compare{made}."
    if values.max() - values.min() < SAME:
        return (
            f"All {len(nets)} architectures have the same mean {score.title}, "
            f"{values.iloc[0]:.3f}, over {_amounts(nets)}{made}."
        )
    return " ".join(
        (
            _lead(tables, nets, score),
            _ties(tables, nets, score, f"{made}."),
            _spread(tables, nets, score),
        )
    )


def join_names(names: Sequence[str]) -> str:
    """Return one name or more as a list in a sentence: `a, b and c`."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _lead(tables: Tables, nets: pd.DataFrame, score: Headline) -> str:
    best, second = nets["arm"].iloc[:2]
    row = _pair(tables, best, second, score)
    first = nets[score.metric].iloc[0]
    sentence = f"{best} has the {score.superlative} mean {score.title}, {first:.3f}"
    shift, side = score.sign * row["mean_difference"], "above" if score.sign > 0 else "below"
    if math.isnan(shift):
        return f"{sentence}, but no case has a score by both it and {second}."
    ends = _interval(row)
    turned = shift * score.sign < 0  # the sentence states a positive difference
    low, high = (-end for end in reversed(ends)) if turned else ends
    over = "" if _is_tested(row) else " over cases"
    interval = (
        "" if math.isnan(low) else f" (95 % interval{over} {_signed(low)} to {_signed(high)})"
    )
    if shift < 0:  # means of arms are over their own cases
        return (
            f"{sentence}, but on the {row['n_cases']} cases with a score by both, {second} is "
            f"{-shift:.3f} {side} it{interval}."
        )
    return (
        f"{sentence}, which is {shift:.3f} {side} {second}{', the next' if len(nets) > 2 else ''}"
        f"{interval}."
    )


def _ties(tables: Tables, nets: pd.DataFrame, score: Headline, end: str) -> str:
    best, *others = nets["arm"]
    if not any(_is_tested(_pair(tables, best, arm, score)) for arm in others):
        reason = _pair(tables, best, others[0], score)["told_apart"]
        between = "the two" if len(nets) == 2 else f"the {len(nets)}"
        return f"Whether {between} differ by more than two trainings of one net is {reason}{end}"
    distinct = distinguished(tables["differences"], metric=score.metric)
    tied = [arm for arm in others if frozenset((best, arm)) not in distinct]
    why = _why_tied(_pair(tables, best, tied[0], score), tied[0], len(nets), score) if tied else ""
    if len(others) == 1:
        return f"The two can{f'not be distinguished{why}' if tied else ' be distinguished'}{end}"
    if not tied:
        both = "both" if len(others) == 2 else "all"
        return f"It can be distinguished from {both} others{end}"
    if len(tied) == len(others):
        return f"None of the other {len(others)} can be distinguished from it{why}{end}"
    rest = [arm for arm in others if arm not in tied]
    is_behind = all(
        score.sign * _pair(tables, best, arm, score)["mean_difference"] > 0 for arm in rest
    )
    verb = f"{'is' if len(rest) == 1 else 'are'} behind" if is_behind else "can be distinguished"
    behind = f"the other {'one' if len(rest) == 1 else len(rest)} {verb}"
    return f"{join_names(tied)} cannot be distinguished from it{why}; {behind}{end}"


def _is_tested(row: pd.Series) -> bool:
    return row["told_apart"] in (APART, NOT_APART)


def _why_tied(row: pd.Series, other: str, n_nets: int, score: Headline) -> str:
    """Return why two arms are not distinguished although the interval of their difference excludes
    0; "" if it includes 0.
    """
    low, high = _interval(row)
    if not (low > 0 or high < 0):
        return ""
    if math.isnan(row["model_low"]):
        return ", as there are too few cases"
    if not row["wilcoxon_p"] < ALPHA:
        return " by Wilcoxon's test"
    if SPLIT in row["reason"]:
        side = "higher" if score.sign > 0 else "lower"
        return f": its mean is {side}, but {other} is better on most cases"
    return f" after correction for the {math.comb(n_nets, 2)} compared pairs"


def _pair(tables: Tables, best: str, other: str, score: Headline) -> pd.Series:
    rows = tables["differences"]
    rows = rows[(rows["label"] == MEAN) & (rows["metric"] == score.metric)]
    return rows[(rows["arm"] == best) & (rows["other"] == other)].iloc[0]


def _interval(row: pd.Series) -> tuple[float, float]:
    """Interval by the mixed model; the interval over cases if the model has no trainings."""
    by_model = _is_tested(row) and not math.isnan(row["model_low"])
    ends = ("model_low", "model_high") if by_model else ("low", "high")
    return float(row[ends[0]]), float(row[ends[1]])


def _made(arms: pd.DataFrame, nets: pd.DataFrame, score: Headline) -> str:
    """Return a part of a sentence on the best ensemble or soup, if it is better than the best net.

    It must have at least as many cases as the best net.
    """
    best = (score.sign * nets[score.metric]).max()
    made = arms[(arms["kind"] != NET) & (score.sign * arms[score.metric] > best + SAME)]
    made = made[made["n_cases"] >= nets["n_cases"].iloc[0]]
    if not len(made):
        return ""
    first = made.iloc[0]
    return f"; {first['arm']}, made of several trainings, reaches {first[score.metric]:.3f}"


def _spread(tables: Tables, nets: pd.DataFrame, score: Headline) -> str:
    counts = f"over {_amounts(nets)}"
    if nets["case_sd"].isna().all():
        return f"That is {counts}."
    cases = f"cases differ by {_size(nets['case_sd'])}"
    whose = "an architecture" if nets["n_folds"].max() == 1 else "an architecture on a fold"
    if nets["seed_sd"].notna().any():
        seeds = _size(nets["seed_sd"])
        what = f"the mean {score.title} of {whose}"
        return f"Another seed changes {what} by {seeds}, {cases}, {counts}."
    run = _run_sd(tables)
    if run.notna().any() and run.max() < VISIBLE:
        return (
            "With one seed, the spread between trainings is too small to be seen next to that "
            f"between cases, {_size(nets['case_sd'])}, {counts}."
        )
    if run.notna().any():
        return (
            f"Another training changes the mean {score.title} of {whose} by {_size(run)}, as "
            f"estimated from its folds, {cases}, {counts}."
        )
    once = "once" if nets["n_runs"].max() == 1 else "once per fold"
    return (
        f"Each architecture was trained {once}, so another training could change the order; "
        f"{cases}, {counts}."
    )


def _run_sd(tables: Tables) -> pd.Series:
    """SD between trainings by the mixed model; NaN if the model has cases only."""
    rows = tables["variance"]
    return rows[(rows["label"] == MEAN) & (rows["component"] == "run")]["sd"]


def _size(sds: pd.Series) -> str:
    """Root mean square of SDs."""
    return f"{math.sqrt(float(np.square(sds.dropna()).mean())):.3f} (SD)"


def _signed(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _amounts(nets: pd.DataFrame) -> str:
    cases, runs = int(nets["n_cases"].max()), int(nets["n_runs"].sum())
    trained = "1 training" if runs == 1 else f"{runs} trainings"
    return f"{'1 case' if cases == 1 else f'{cases} cases'} and {trained}"
