"""A search over settings: what was tried, what came out, what is best."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pandas as pd

Direction = Literal["maximize", "minimize"]
STATUSES = ("done", "failed", "pruned", "running")
TRIAL_COLUMNS = ("trial", "status", "seconds", "folder", "reason")


class Objective(NamedTuple):
    """A value that the search optimises, by its column in `trials`."""

    name: str
    direction: Direction = "maximize"


class Parameter(NamedTuple):
    """A setting that was searched, by its column in `trials`, which is its key on the command."""

    name: str
    is_log: bool = False  # sampled, and so shown, on a logarithmic scale


@dataclass(frozen=True)
class Sweep:
    """A search as its page reads it, finished or not.

    `trials`: a row a trial with trial (int, from 0), status (one of STATUSES), a column for each
    of `parameters` (number or text; NaN where the trial did not have it) and of `objectives` (NaN
    unless done; a pruned trial may hold its last value), seconds (NaN where unknown), folder and
    reason (text, "" where there is none).
    `importances`: objective, parameter, importance (a share of 1); no row where there were too few
    trials. `best`: the best trial, or with several objectives the Pareto front, as numbers of
    trials; empty where none is done. `space`: the search space as written, one parameter a line.
    `command`: trains with the settings of the best trial; "" where there is none.
    """

    target: str
    objectives: tuple[Objective, ...]
    parameters: tuple[Parameter, ...]
    trials: pd.DataFrame
    importances: pd.DataFrame
    best: tuple[int, ...]
    space: str
    command: str
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Say which column is missing while it is known who made the table."""
        named = [one.name for one in (*self.parameters, *self.objectives)]
        if lacking := [name for name in (*TRIAL_COLUMNS, *named) if name not in self.trials]:
            raise ValueError(
                f"Sweep: trials have no column {', '.join(lacking)}; wanted one for each of "
                f"{', '.join((*TRIAL_COLUMNS, *named))}"
            )
