"""volumes.tsv: the result of each case of an output folder, shared by its processes."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from neurotarget.files.reading import opened_text
from neurotarget.files.writing import written
from neurotarget.printable import cells, encodable, uncells


class Outcome(NamedTuple):
    """Result of one case; a line of volumes.tsv."""

    case_id: str
    status: str  # done | failed
    volumes_mm3: dict[str, float]
    note: str  # flags of a prediction, or the reason of a failure
    made_from: str  # hash of the scan, the weights and the settings


class Ledger:
    """The table of a folder; lines are changed under a lock, so that processes do not lose any."""

    def __init__(self, folder: Path, label_names: Sequence[str]) -> None:
        self.path = Path(folder) / "volumes.tsv"
        self.lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        self.label_names = tuple(label_names)
        volumes = [f"{name}_mm3" for name in self.label_names]
        self.columns = ["case_id", "status", *volumes, "total_mm3", "note", "made_from"]

    def finished(self) -> dict[str, Outcome]:
        """Cases with status `done`, by case_id."""
        return {
            case_id: Outcome(
                case_id,
                "done",
                {name: float(line[f"{name}_mm3"]) for name in self.label_names},
                line["note"],
                line["made_from"],
            )
            for case_id, line in self._lines().items()
            if line["status"] == "done"
        }

    def case_ids(self) -> list[str]:
        """Ids of all cases in the table."""
        return list(self._lines())

    def record(self, outcome: Outcome) -> None:
        """Add or replace the line of one case."""
        volumes = {f"{name}_mm3": f"{v:.1f}" for name, v in outcome.volumes_mm3.items()}
        if volumes:
            volumes["total_mm3"] = f"{sum(outcome.volumes_mm3.values()):.1f}"
        names = ("case_id", "status", "note", "made_from")
        fixed = {name: encodable(getattr(outcome, name)) for name in names}
        line = dict.fromkeys(self.columns, "n/a") | volumes | fixed
        with self.lock:
            self._write(self._lines() | {fixed["case_id"]: line})

    def forget(self, case_ids: Iterable[str]) -> None:
        """Remove the lines of cases that will be predicted again."""
        dropped = set(case_ids)
        with self.lock:
            lines = self._lines()
            if dropped & set(lines):
                self._write({name: line for name, line in lines.items() if name not in dropped})

    def _lines(self) -> dict[str, dict[str, str]]:
        """Complete lines as text, by case_id; empty if the table is missing or foreign."""
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
            return all(float(line[f"{name}_mm3"]) >= 0 for name in self.label_names)
        except ValueError:
            return False

    def _write(self, lines: dict[str, dict[str, str]]) -> None:
        with written(self.path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, self.columns, delimiter="\t", lineterminator="\n")
            table.writeheader()
            table.writerows(map(cells, lines.values()))
