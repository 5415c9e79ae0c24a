"""The result of a study: all tables, as the report shows them without further computation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from neurotarget.stats.cohort.learning import Learning
from neurotarget.stats.cohort.measured import Measured


@dataclass(frozen=True, slots=True)
class Study:
    """Tables of a study by name, as they are written to `study/<name>.tsv`.

    `notes` are sentences on what was left out, with counts; `facts` are the origin of the numbers
    (experiment, model, commit, command), shown at the end of the page. `learning` is the judgement
    whether the network behind the masks has learnt, where there is one.
    """

    measured: Measured
    tables: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    learning: Learning | None = None
