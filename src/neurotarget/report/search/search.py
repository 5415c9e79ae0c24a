"""Record of a hyperparameter search: trials, parameters, objectives and best trials."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pandas as pd

Direction = Literal["maximize", "minimize"]
STATUSES = ("done", "failed", "pruned", "running")
TRIAL_COLUMNS = ("trial", "status", "seconds", "folder", "reason")


class Objective(NamedTuple):
    """An optimised value, by its column in `trials`, and which of its values is best."""

    name: str
    direction: Direction = "maximize"


class Parameter(NamedTuple):
    """A searched setting, by its column in `trials`, which is its override key."""

    name: str
    is_log: bool = False  # sampled and shown on a logarithmic scale


@dataclass(frozen=True)
class Sweep:
    """A finished or running search, as input of its page.

    `trials`: one row per trial with trial (int, from 0), status (one of STATUSES), a column for
    each of `parameters` (number or text; NaN where the trial did not use it) and of `objectives`
    (NaN unless done; a pruned trial may have its last value), seconds (NaN where unknown), folder
    and reason (both text, "" where there is none).
    `importances`: objective, parameter, importance (a share of 1); no rows with too few trials.
    `best`: numbers of the best trial, or with several objectives of the Pareto front; empty where
    none is done. `space`: the search space as written, one parameter per line. `command`: trains
    with the settings of the best trial; "" where there is none.
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
        """Raise a ValueError that names missing columns."""
        named = [one.name for one in (*self.parameters, *self.objectives)]
        if lacking := [name for name in (*TRIAL_COLUMNS, *named) if name not in self.trials]:
            raise ValueError(
                f"Sweep: trials have no column {', '.join(lacking)}; wanted one for each of "
                f"{', '.join((*TRIAL_COLUMNS, *named))}"
            )
