"""Input of a comparison: scores and costs of the runs of several arms.

An arm is one method to make masks: an architecture, an ensemble of its runs, or the average of
their weights. Each (arm, fold, seed) is one run, scored on the cases that its fold holds out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

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
    that are made of several), case_id, subject_id, label, metric, value and unit. `runs` (index
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
    def labels(self) -> tuple[str, ...]:
        """Labels of the target."""
        return self.target.label_names

    @property
    def _of_nets(self) -> pd.DataFrame:
        return self.runs[self.runs["kind"] == NET]


def check_design(arms: Arms) -> list[str]:
    """Return sentences on differences between the nets; empty where they can be compared.

    Nets need the same pairs of fold and seed, the same cases in each fold and the labels of the
    target. No run may score a case twice.
    """
    scores = arms.scores[arms.scores["kind"] == NET]
    problems = list(_unscored(arms, scores))
    problems += _missing_runs(arms)
    problems += _other_cases(scores)
    problems += _other_labels(arms, scores)
    problems += _twice(arms.scores)
    return problems


def listed(names: Iterable[object], shown: int = SHOWN) -> str:
    """Return the first names and the number of the rest: `a, b and 3 more`."""
    every = [str(name) for name in names]
    if len(every) <= shown:
        return ", ".join(every)
    return f"{', '.join(every[:shown])} and {len(every) - shown} more"


def _unscored(arms: Arms, scores: pd.DataFrame) -> Iterator[str]:
    nets, scored = arms.runs[arms.runs["kind"] == NET], set(scores["run"])
    if missing := [run for run in nets.index if run not in scored]:
        yield f"found no scores of {listed(missing)}; evaluate these runs, or leave them out."


def _missing_runs(arms: Arms) -> Iterator[str]:
    """Pairs of fold and seed that one net lacks and another has."""
    nets = arms.runs[arms.runs["kind"] == NET]
    own: dict[str, set[Group]] = {
        arm: set(zip(rows["fold"].astype(int), rows["seed"].astype(int), strict=True))
        for arm, rows in nets.groupby("arm", sort=False)
    }
    every = set().union(*own.values())
    for arm, groups in own.items():
        if lacking := sorted(every - groups):
            named = [f"fold {fold} seed {seed}" for fold, seed in lacking]
            yield f"{arm} has no run of {listed(named)}; train it, or leave the others' out."


def _other_cases(scores: pd.DataFrame) -> Iterator[str]:
    """Cases of a fold that a net did not score and another did."""
    for fold, rows in scores.groupby("fold"):
        cases = {run: set(part["case_id"]) for run, part in rows.groupby("run", sort=False)}
        every = set().union(*cases.values())
        for run, own in cases.items():
            if lacking := sorted(every - own):
                yield (
                    f"{run} has no scores of {len(lacking)} of the {len(every)} cases of fold "
                    f"{fold}: {listed(lacking)}; use the same data and folds for all."
                )


def _other_labels(arms: Arms, scores: pd.DataFrame) -> Iterator[str]:
    wanted = arms.labels
    named = {*wanted, *arms.target.regions}  # regions may be scored too
    known: Mapping[str, set[str]] = {
        arm: set(rows["label"]) for arm, rows in scores.groupby("arm", sort=False)
    }
    for arm, labels in known.items():
        if labels - named or set(wanted) - labels:
            yield (
                f"{arm} has scores of {listed(sorted(labels))}, wanted those of target "
                f"{arms.target.name}: {listed(wanted)}; compare runs of one target."
            )


def _twice(scores: pd.DataFrame) -> Iterator[str]:
    twice = scores[scores.duplicated(["run", "case_id", "label", "metric"])]
    for run, rows in twice.groupby("run", sort=False):
        cases = list(dict.fromkeys(rows["case_id"]))
        yield f"{run} has two rows of one score for {listed(cases)}; keep one row of each."
