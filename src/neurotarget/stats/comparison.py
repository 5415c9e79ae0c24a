"""All that a comparison says of its arms, as tables; the page shows them and computes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from neurotarget.types import Target


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tables by name, as they are written to `compare/<name>.tsv`.

    `sentence` says in plain words which arm is best and which cannot be told apart from it.
    `notes` are sentences on what was left out, with counts; `facts` say where the numbers come
    from (experiment, commit, command).
    """

    target: Target
    tables: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    sentence: str = ""
