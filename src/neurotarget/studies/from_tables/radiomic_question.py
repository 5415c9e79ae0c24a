"""The question that a user puts to a table of people with image features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Radiomics:
    """Columns, terms and tables; `names` maps columns and terms to those of `external`.

    With `is_number` the outcome is a column of numbers. Each table of `second` has the same
    features of another mask or scan of some of the people; features with an ICC(A,1) over all of
    them below `stable` are left out.
    """

    outcome: str
    is_number: bool = False
    time: str = ""
    unit: str = "days"
    case_id: str = ""
    where: str = ""
    clinical: Sequence[str] = ()
    image: Sequence[str] = ()
    site: str = ""
    second: Sequence[Path] = ()
    stable: float = 0.75
    external: Path | None = None
    external_where: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
