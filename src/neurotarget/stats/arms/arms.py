"""What a comparison starts from: scores and costs of the runs of several arms.

An arm is one way to make masks: an architecture, an ensemble of its runs, the average of their
weights. Each (arm, fold, seed) is one run, scored on the cases that its fold holds out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from neurotarget.types import Target

NET = "net"  # trained by itself; the other kinds are made of nets
KINDS = (NET, "ensemble", "soup")
NO_SEED = -1  # of arms made from runs of several seeds
SHOWN = 5  # names that a sentence lists before it counts the rest

Group = tuple[int, int]  # fold and seed


@dataclass(frozen=True, slots=True)
class Arms:
    """Scores of all runs, long as rows.csv is, and what each run cost.

    `scores` has the columns arm, kind (`net`, `ensemble`, `soup`), run, fold, seed (−1 for arms
    that are made of several), case_id, subject_id, label, metric, value and unit. `runs` (index
    `run`) has arm, kind, fold and seed, then what is known of the cost, NaN where it is not.
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
        """Arms that were trained by themselves, in order of appearance."""
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
    """Sentences of what differs between the nets; empty where they can be compared.

    They need the same pairs of fold and seed, the same cases in each fold and the same labels,
    those of the target. A run may score no case twice.
    """
    scores = arms.scores[arms.scores["kind"] == NET]
    told = list(_unscored(arms, scores))
    told += _missing_runs(arms)
    told += _other_cases(scores)
    told += _other_labels(arms, scores)
    told += _twice(arms.scores)
    return told


def listed(names: Iterable[object], shown: int = SHOWN) -> str:
    """The first names, and how many more there are: `a, b and 3 more`."""
    every = [str(name) for name in names]
    if len(every) <= shown:
        return ", ".join(every)
    return f"{', '.join(every[:shown])} and {len(every) - shown} more"


def _unscored(arms: Arms, scores: pd.DataFrame) -> Iterator[str]:
    nets, scored = arms.runs[arms.runs["kind"] == NET], set(scores["run"])
    if missing := [run for run in nets.index if run not in scored]:
        yield f"found no scores of {listed(missing)}; evaluate these runs, or leave them out."


def _missing_runs(arms: Arms) -> Iterator[str]:
    """Pairs of fold and seed that some net lacks and another has."""
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
    named = {*wanted, *arms.target.regions}  # sums of labels may be scored too
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
