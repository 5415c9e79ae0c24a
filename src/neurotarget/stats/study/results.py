"""The result of a study: all tables, which the report shows without further computation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from neurotarget.stats.cohort.learning import Learning
from neurotarget.stats.cohort.measured import Measured


@dataclass(frozen=True, slots=True)
class Study:
    """Tables of a study by name, as they are written to `study/<name>.tsv`.

    `notes` are sentences on left-out cases, with counts. `facts` state the origin of the numbers
    (experiment, model, commit, command) and stand at the end of the page. `learning` is the verdict
    whether the network has learnt; None without a network.
    """

    measured: Measured
    tables: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    learning: Learning | None = None
