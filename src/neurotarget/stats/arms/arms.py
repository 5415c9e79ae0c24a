"""Input of a comparison: scores and costs of the runs of several arms.

An arm is one method: an architecture, an ensemble of its runs, or a soup, the average of their
weights. Each (arm, fold, seed) is one run, scored on the cases that its fold holds out.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

import pandas as pd

from neurotarget.stats.arms.main_score import Headline, headline_of, labels_of
from neurotarget.types import Target

NET = "net"  # a trained network; the other kinds are made of nets
KINDS = (NET, "ensemble", "soup")
NO_SEED = -1  # seed of arms made from runs of several seeds
SHOWN = 5  # names that a sentence lists before "and n more"

Group = tuple[int, int]  # fold and seed


@dataclass(frozen=True, slots=True)
class Arms:
    """Scores of all runs in the long format of rows.csv, and the cost of each run.

    `scores` has the columns arm, kind (`net`, `ensemble`, `soup`), run, fold, seed (−1 for arms
    made of several seeds), case_id, subject_id, label, metric, value and unit. `runs` (index
    `run`) has arm, kind, fold and seed, then columns of costs, NaN where unknown.
    `covariates` (index `case_id`) begins with `subject_id`; it may have no rows.
    """

    target: Target
    scores: pd.DataFrame
    runs: pd.DataFrame
    covariates: pd.DataFrame

    @property
    def names(self) -> tuple[str, ...]:
        """Arms in order of appearance."""
        return tuple(dict.fromkeys(self.runs["arm"]))

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of each arm."""
        return dict(zip(self.runs["arm"], self.runs["kind"], strict=True))

    @property
    def nets(self) -> tuple[str, ...]:
        """Arms that are trained networks, in order of appearance."""
        return tuple(name for name, kind in self.kinds.items() if kind == NET)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the nets."""
        return tuple(sorted({int(seed) for seed in self._of_nets["seed"]}))

    @property
    def folds(self) -> tuple[int, ...]:
        """Folds of the nets."""
        return tuple(sorted({int(fold) for fold in self._of_nets["fold"]}))

    @property
    def headline(self) -> Headline:
        """The score that orders the arms."""
        return headline_of(self.target, self.scores)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the target that have the headline's score."""
        return labels_of(self.target, self.headline)

    def only(self, names: Collection[str]) -> "Arms":
        """Return a copy with these arms only; `covariates` keep all cases."""
        scores, runs = (table[table["arm"].isin(names)] for table in (self.scores, self.runs))
        return replace(self, scores=scores, runs=runs)

    @property
    def _of_nets(self) -> pd.DataFrame:
        return self.runs[self.runs["kind"] == NET]


def check_design(arms: Arms) -> list[str]:
    """Return sentences on missing runs (a fold and seed that another net has) and repeated scores.

    `comparison.read_run` and `comparison.design` check the cases and labels of runs.
    """
    return [*_missing_runs(arms), *_twice(arms.scores)]


def listed(names: Iterable[object], shown: int = SHOWN) -> str:
    """Return the first names and the number of further ones: `a, b and 3 more`; "" if empty."""
    every = [str(name) for name in names]
    if len(every) <= shown:
        return ", ".join(every)
    return f"{', '.join(every[:shown])} and {len(every) - shown} more"


def _missing_runs(arms: Arms) -> Iterator[str]:
    """Yield a sentence for each net that lacks a fold and seed which another net has."""
    nets = arms.runs[arms.runs["kind"] == NET]
    own: dict[str, set[Group]] = {
        arm: set(zip(rows["fold"].astype(int), rows["seed"].astype(int), strict=True))
        for arm, rows in nets.groupby("arm", sort=False)
    }
    every = set().union(*own.values())
    for arm, groups in own.items():
        if lacking := sorted(every - groups):
            named = [f"fold {fold} seed {seed}" for fold, seed in lacking]
            yield f"{arm} has no run of {listed(named)}; train it, or leave out that of other nets."


def _twice(scores: pd.DataFrame) -> Iterator[str]:
    twice = scores[scores.duplicated(["run", "case_id", "label", "metric"])]
    for run, rows in twice.groupby("run", sort=False):
        cases = list(dict.fromkeys(rows["case_id"]))
        yield f"{run} has two rows of the same score for {listed(cases)}; keep one row per score."
