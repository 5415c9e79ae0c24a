"""Rows of a table whose outcome is known: a class or a number."""

from collections.abc import Mapping
from typing import NamedTuple

from jaxtyping import Float
from numpy import ndarray

from neurotarget.data.tables.follow_up import LeftOut
from neurotarget.problems import Problem


class OutcomeRows(NamedTuple):
    """Rows with an outcome, in the table's order, and those without; a person may have several.

    Attributes:
        case_ids: ids as the table spells them; of a table without ids, `row` with the line in the
            file. One id may have several rows.
        outcome: a number; for classes 1 for the positive class and 0 for all others.
        rows: all cells of each row by column.
        left_out: rows without a known outcome, with the reason.
        problems: warnings about the table.
        file: path of the table, for messages.
        column: name of the outcome's column.
        positive: values of the positive class, joined by `|`; "" for numbers.
    """

    case_ids: list[str]
    outcome: Float[ndarray, " N"]
    rows: list[dict[str, str]]
    left_out: list[LeftOut]
    problems: list[Problem]
    file: str
    column: str
    positive: str = ""

    @property
    def is_number(self) -> bool:
        """Whether the outcome is a number."""
        return not self.positive

    @property
    def text(self) -> str:
        """The column and, for classes, its positive value, as the table spells them."""
        if self.is_number:
            return self.column
        spelt = (row[self.column] for row, one in zip(self.rows, self.outcome, strict=True) if one)
        return f"{self.column} = {' or '.join(dict.fromkeys(spelt))}"

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.case_ids)

    def without(self, reasons: Mapping[int, str]) -> "OutcomeRows":
        """Leave out rows by place, with the reason."""
        keep = [place for place in range(self.n) if place not in reasons]
        return self._replace(
            case_ids=[self.case_ids[place] for place in keep],
            outcome=self.outcome[keep],
            rows=[self.rows[place] for place in keep],
            left_out=[*self.left_out,
                      *(LeftOut(self.case_ids[place], why) for place, why in reasons.items())],
        )  # fmt: skip
