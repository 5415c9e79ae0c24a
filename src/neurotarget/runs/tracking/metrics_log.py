"""logs/metrics.csv: Lightning's table of logged metrics, safe against kills and broken lines."""

import csv
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter

from neurotarget.files.writing import written
from neurotarget.problems import DataError

UNREAD = "metrics-unread.csv"  # copy of a table with broken lines
Rows = list[dict[str, str]]


def metrics_log(folder: Path, resumed_step: int) -> CSVLogger:
    """The logger of a run; rows before `resumed_step` of a resumed run are kept.

    A table with broken lines is also copied, and the lines are counted.

    Args:
        folder: of the run; the table is logs/metrics.csv in it.
        resumed_step: step from which training continues; 0 starts a new table.
    """
    logger = MetricsLogger(str(folder), name="logs", version="")
    path = Path(logger.log_dir) / MetricsTable.NAME_METRICS_FILE
    if not path.is_file():  # the folder does not exist before the first log either
        return logger
    table = logger.experiment
    content = path.read_bytes()
    keys, rows, dropped = read_metrics(content)
    if dropped:
        with written(path.with_name(UNREAD)) as draft:
            draft.write_bytes(content)
        print(
            f"{path}: lines that were cut or broken are left out ({dropped} of them); the table "
            f"as it was is kept in {UNREAD}",
            flush=True,
        )
    kept = [row for row in rows if int(row["step"]) < resumed_step]
    if kept:
        table.metrics_keys = sorted(keys)
        table.rewrite(kept)
    else:
        path.unlink()
    return logger


def read_metrics(content: bytes) -> tuple[list[str], Rows, int]:
    """Parse the table: names, complete rows, and the number of broken lines.

    A killed process leaves a truncated line, and a power loss may leave NUL bytes. The last line
    counts only with its line end: a truncated number is still a number. A table whose head is
    broken has no names and no rows.
    """
    *lines, rest = content.decode("utf-8", "replace").split("\n")
    header, *others = lines or [""]
    try:
        keys = next(csv.reader([header]), [])
    except csv.Error:
        keys = []
    if len(set(keys)) < len(keys) or "step" not in keys or "\0" in header:
        return [], [], len(lines) + bool(rest)
    rows = [row for line in others if (row := _row(line, keys))]
    return keys, rows, len(others) - len(rows) + bool(rest)


def _row(line: str, keys: list[str]) -> dict[str, str] | None:
    """Parse a line; None if it is broken."""
    try:
        row = dict(zip(keys, next(csv.reader([line]), []), strict=True))
        for value in row.values():
            float(value or 0)
        return row if "\0" not in line and int(row["step"]) >= 0 else None
    except (ValueError, csv.Error):
        return None


class MetricsTable(ExperimentWriter):
    """Lightning's writer in UTF-8, whose file always exists with all its rows.

    Raises:
        DataError: the file cannot be written.
    """

    header: tuple[str, ...] = ()  # of the file

    def _check_log_dir_exists(self) -> None:
        """Keep existing files; Lightning would delete them."""

    def rewrite(self, rows: Rows) -> None:
        """Replace the table by these rows, with all names known so far."""
        path = self.metrics_file_path
        with written(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, self.metrics_keys)
            table.writeheader()
            table.writerows(rows)
        self.header = tuple(self.metrics_keys)

    def save(self) -> None:
        """Append what was logged since the last call.

        A name that is new rewrites the table with a longer head.

        Raises:
            DataError: the file cannot be written.
        """
        if not self.metrics:
            return
        path = Path(self.metrics_file_path)
        self._record_new_keys()
        if self.header != tuple(self.metrics_keys) or not path.is_file():
            before = read_metrics(path.read_bytes())[1] if path.is_file() else []
            self.rewrite([*before, *self.metrics])
        else:
            self._append(path)
        self.metrics = []

    def _append(self, path: Path) -> None:
        try:
            with path.open("a", newline="", encoding="utf-8") as stream:
                csv.DictWriter(stream, self.metrics_keys).writerows(self.metrics)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror}); make room") from error


class MetricsLogger(CSVLogger):
    """Lightning's CSV logger with `MetricsTable`."""

    @property
    def experiment(self) -> MetricsTable:
        """The writer of the file; creates its folder."""
        if self._experiment is None:
            Path(self.root_dir).mkdir(parents=True, exist_ok=True)
            self._experiment = MetricsTable(log_dir=self.log_dir)
        return self._experiment
