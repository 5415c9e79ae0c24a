"""The main score of a comparison, which orders the arms; the rows decide which score it is."""

from typing import NamedTuple

import pandas as pd

from neurotarget.types import Target


class Headline(NamedTuple):
    """A score of a case; its columns in tables are `metric`, `<metric>_low` and `<metric>_high`."""

    metric: str
    title: str  # in a sentence, after "mean"
    unit: str
    is_higher_better: bool

    @property
    def sign(self) -> int:
        """1 where higher values are better, else −1."""
        return 1 if self.is_higher_better else -1

    @property
    def superlative(self) -> str:
        """Word for the best mean."""
        return "highest" if self.is_higher_better else "lowest"


DICE_HEADLINE = Headline("dice", "Dice", "", True)
BRIER_HEADLINE = Headline("brier", "Brier score", "", False)
ERROR_HEADLINE = Headline("error_abs", "absolute error", "", False)


def headline_of(target: Target, scores: pd.DataFrame) -> Headline:
    """Return Dice for a target with labels, else the Brier score, else the absolute error.

    Of the latter two, the first that has rows is used; if neither has rows, Dice. The unit of an
    absolute error is that of its rows, or "" if they have several units.
    """
    if target.labels or "metric" not in scores:
        return DICE_HEADLINE
    known = set(scores["metric"].unique())
    if BRIER_HEADLINE.metric in known:
        return BRIER_HEADLINE
    if ERROR_HEADLINE.metric not in known:
        return DICE_HEADLINE
    units = scores.loc[scores["metric"] == ERROR_HEADLINE.metric, "unit"].unique()
    return ERROR_HEADLINE._replace(unit=str(units[0]) if len(units) == 1 else "")


def labels_of(target: Target, headline: Headline) -> tuple[str, ...]:
    """Return the labels whose rows hold the score: structures, or outcomes of its kind."""
    if headline.metric == DICE_HEADLINE.metric:
        return target.label_names
    is_class = headline.metric == BRIER_HEADLINE.metric
    return tuple(one.name for one in target.outcomes if one.is_class == is_class)
