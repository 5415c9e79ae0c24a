"""The table of an output folder with the result of each case, shared by several processes.

volumes.tsv holds the volumes of labels, areas.tsv their areas in pictures, and outcomes.tsv the
predicted outcomes.
"""

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from neurotarget.files.reading import opened_text
from neurotarget.files.writing import written
from neurotarget.printable import cells, encodable, uncells
from neurotarget.size_units import VOLUMES, SizeUnits


class CaseResult(NamedTuple):
    """Result of one case; a row of the table."""

    case_id: str
    status: str  # done | failed
    values: dict[str, float]  # volumes or areas of labels, or values of outcomes
    note: str  # flags of a prediction, or the reason of a failure
    made_from: str  # hash of the scan, the weights and the settings


class Form(NamedTuple):
    """Form of a table: its file and the column of each value.

    Attributes:
        file: name of the table in its folder.
        column_of: name of the column by the name of a value, such as a label.
        total: column of the sum of all values; "" for none.
        digits: number of digits after the decimal point.
        least: a row with a smaller value is left out when the table is read.
    """

    file: str
    column_of: Mapping[str, str]
    total: str = ""
    digits: int = 1
    least: float = 0.0


def volume_form(label_names: Iterable[str], units: SizeUnits = VOLUMES) -> Form:
    """Form of the volumes of label maps, or of the areas of pictures.

    Columns are `<label>_mm3` (or mm2, px) and their sum, `total_mm3`; the file is volumes.tsv or
    areas.tsv.
    """
    columns = {name: f"{name}_{units.unit}" for name in label_names}
    return Form(units.table, columns, f"total_{units.unit}")


class Ledger:
    """The table of a folder; rows are changed under a lock, so that processes do not lose any.

    Args:
        folder: of the predictions; the table need not exist.
        form: names the file and its columns.
    """

    def __init__(self, folder: Path, form: Form) -> None:
        self.path, self.form = Path(folder) / form.file, form
        self.lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        values = [*form.column_of.values(), *([form.total] if form.total else [])]
        self.columns = ["case_id", "status", *values, "note", "made_from"]

    def finished(self) -> dict[str, CaseResult]:
        """Cases with status `done`, by case_id.

        A row is left out if it is incomplete, or if a value is not a number or is below
        `Form.least`; its case is then predicted again. A table with other columns counts as empty.
        """
        return {
            case_id: CaseResult(
                case_id,
                "done",
                {name: float(line[column]) for name, column in self.form.column_of.items()},
                line["note"],
                line["made_from"],
            )
            for case_id, line in self._lines().items()
            if line["status"] == "done"
        }

    def failed(self) -> dict[str, CaseResult]:
        """Cases with status `failed`, by case_id; they have no values."""
        return {
            case_id: CaseResult(case_id, "failed", {}, line["note"], line["made_from"])
            for case_id, line in self._lines().items()
            if line["status"] == "failed"
        }

    def case_ids(self) -> list[str]:
        """Ids of all cases in the table."""
        return list(self._lines())

    def record(self, result: CaseResult) -> None:
        """Add or replace the row of one case, under the lock.

        Values are rounded to `Form.digits`; a failed case has `n/a`. Texts are made safe for
        spreadsheets.
        """
        digits = self.form.digits
        values = {
            self.form.column_of[name]: f"{value:.{digits}f}"
            for name, value in result.values.items()
        }
        if values and self.form.total:
            values[self.form.total] = f"{math.fsum(result.values.values()):.{digits}f}"
        names = ("case_id", "status", "note", "made_from")
        fixed = {name: encodable(getattr(result, name)) for name in names}
        line = dict.fromkeys(self.columns, "n/a") | values | fixed
        with self.lock:
            self._write(self._lines() | {fixed["case_id"]: line})

    def forget(self, case_ids: Iterable[str]) -> None:
        """Remove the rows of cases that will be predicted again; other ids are ignored."""
        dropped = set(case_ids)
        with self.lock:
            lines = self._lines()
            if dropped & set(lines):
                self._write({name: line for name, line in lines.items() if name not in dropped})

    def _lines(self) -> dict[str, dict[str, str]]:
        """Complete lines as text, by case_id; empty if there is no table with our columns."""
        try:
            with opened_text(self.path) as stream:
                table = csv.DictReader(stream, delimiter="\t", strict=True)
                if table.fieldnames != self.columns:
                    return {}
                whole = [uncells(line) for line in table if self._is_whole(line)]
                return {line["case_id"]: line for line in whole}
        except (OSError, UnicodeDecodeError, csv.Error):
            return {}

    def _is_whole(self, line: dict[str, str]) -> bool:
        if set(line) != set(self.columns) or None in line.values():
            return False
        if line["status"] != "done":
            return True
        try:
            columns = self.form.column_of.values()
            return all(float(line[column]) >= self.form.least for column in columns)
        except ValueError:
            return False

    def _write(self, lines: dict[str, dict[str, str]]) -> None:
        with written(self.path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, self.columns, delimiter="\t", lineterminator="\n")
            table.writeheader()
            table.writerows(map(cells, lines.values()))
