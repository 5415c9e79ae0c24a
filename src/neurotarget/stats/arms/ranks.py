"""Mean ranks of arms over cases, and letters for arms that cannot be distinguished.

Friedman's test looks for any difference between arms. Arms whose mean ranks differ by less than
Nemenyi's critical difference are not distinguished by ranks alone. The letters are based on the
tests of pairs, as mean ranks depend on the other arms in the comparison.

Source: Demšar 2006, jmlr.org/papers/v7/demsar06a.html (ranks, critical difference); Benavoli et
al. 2016, jmlr.org/papers/v17/benavoli16a.html (pairs instead of mean ranks); Piepho 2004,
doi:10.1198/1061860043515 (letters).
"""

import math
from collections.abc import Collection, Sequence
from functools import lru_cache
from string import ascii_lowercase

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare, studentized_range

from neurotarget.problems import join_reasons
from neurotarget.stats.arms.arm_scores import SAME, Scored
from neurotarget.stats.arms.paired import ONE_TRAINING, distinguished, order

ALPHA = 0.05
COLUMNS = [
    *("label", "arm", "mean_rank", "friedman_p", "critical_difference", "group"),
    *("n_cases", "reason"),
]

TWO_ARMS = "Friedman's test needs three arms, see the differences of the two"
ONE_ARM = "there is one arm"
UNTESTED = "all share a letter, as one training does not show the spread between trainings"
NO_CASES = "no case has a score by all arms"


def ranks_table(scored: Scored, differences: pd.DataFrame) -> pd.DataFrame:
    """Return the mean rank of every net over the cases with a score by all nets; 1 is best.

    Where subjects have several cases, the subjects' mean scores are ranked. `group` holds the
    letters of an arm: arms that share a letter are not distinguished in `differences`.
    """
    nets = [arm for arm in order(scored) if arm in set(scored.arms.nets)]
    rows, headline = [], scored.arms.headline
    for label in scored.labels:
        table = scored.complete(label, nets)
        n_cases = len(table)
        reasons = [] if n_cases else [NO_CASES]
        if scored.has_repeats:
            table = scored.per_subject(table)
            reasons.append(f"ranks of the means of {len(table)} subjects")
        # rounded, so that rounding errors do not break ties
        ranks = (-headline.sign * table / SAME).round().rank(axis=1).mean()
        p, why = friedman_p(table)
        critical = critical_difference(len(nets), len(table))
        own = differences.loc[differences["label"] == label, "told_apart"]
        if len(own) and (own == ONE_TRAINING).all():
            reasons.append(UNTESTED)
        named = letters(
            list(ranks.sort_values(kind="stable").index),
            distinguished(differences, label, headline.metric),
        )
        reason = join_reasons(*reasons, why)
        rows += [
            (label, arm, ranks[arm], p, critical, named[arm], n_cases, reason) for arm in named
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def friedman_p(table: pd.DataFrame) -> tuple[float, str]:
    """Return p of Friedman's test for equal columns, corrected for ties, and a reason for NaN.

    Source: Friedman 1937, doi:10.1080/01621459.1937.10503522.
    """
    if table.shape[1] < 3:
        return math.nan, TWO_ARMS if table.shape[1] == 2 else ONE_ARM
    if len(table) < 2:
        return math.nan, "fewer than two cases"
    values = (table / SAME).round().to_numpy()
    if not np.ptp(values, axis=1).any():
        return 1.0, "no case differs"
    return float(friedmanchisquare(*values.T).pvalue), ""


def critical_difference(n_arms: int, n_cases: int) -> float:
    """Return Nemenyi's critical difference of mean ranks at 5 %; NaN for one arm or no case.

    Two arms are not distinguished if their mean ranks differ by less.

    Source: Demšar 2006, section 3.2.2.
    """
    if n_arms < 2 or not n_cases:
        return math.nan
    return _nemenyi(n_arms) * math.sqrt(n_arms * (n_arms + 1) / (6 * n_cases))


@lru_cache(maxsize=64)  # the quantile takes a while
def _nemenyi(n_arms: int) -> float:
    return float(studentized_range.ppf(1 - ALPHA, n_arms, math.inf)) / math.sqrt(2)


def letters(arms: Sequence[str], distinct: Collection[frozenset[str]]) -> dict[str, str]:
    """Return the letters of each arm: two arms share a letter unless they are distinguished.

    `arms` are sorted, the best first, which has the letter a. `distinct` are the distinguished
    pairs. No arm gets a redundant letter.

    Source: Piepho 2004, doi:10.1198/1061860043515 (insert and absorb).
    """
    groups = [frozenset(arms)] if arms else []
    for pair in sorted(distinct, key=sorted):
        parted: list[frozenset[str]] = []
        for group in groups:
            parted += [group - {one} for one in pair] if pair <= group else [group]
        parted = list(dict.fromkeys(parted))
        groups = [group for group in parted if not any(group < other for other in parted)]
    places = {arm: place for place, arm in enumerate(arms)}
    groups.sort(key=lambda group: sorted(places[arm] for arm in group))
    return {
        arm: "".join(_letter(number) for number, group in enumerate(groups) if arm in group)
        for arm in arms
    }


def _letter(number: int) -> str:
    """Letters from a to z, then a1 to z1 and so on."""
    lap, place = divmod(number, len(ascii_lowercase))
    return ascii_lowercase[place] + (str(lap) if lap else "")
