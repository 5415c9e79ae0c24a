"""All that a study says of a cohort, as tables; the report shows them and computes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from neurotarget.stats.cohort.learning import Learning
from neurotarget.stats.cohort.measured import Measured


@dataclass(frozen=True, slots=True)
class Study:
    """Tables by name, as they are written to `study/<name>.tsv`.

    `notes` are sentences on what was left out, with counts; `facts` say where the numbers come
    from (experiment, model, commit, command), shown at the end of the page. `learning` says whether
    the network behind the masks has learnt, where there is one.
    """

    measured: Measured
    tables: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    learning: Learning | None = None
