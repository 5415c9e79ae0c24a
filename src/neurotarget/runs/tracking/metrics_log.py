"""logs/metrics.csv: Lightning's table of what was logged, which no kill and no odd line ends."""

import csv
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter

from neurotarget.files.writing import written
from neurotarget.problems import DataError

UNREAD = "metrics-unread.csv"  # a copy of a table that was not read whole
Rows = list[dict[str, str]]


def metrics_log(folder: Path, resumed_step: int) -> CSVLogger:
    """The logger of a run; of an earlier sitting the rows before `resumed_step` stay.

    A table with lines that cannot be read is kept beside as well, and the lines are counted.
    """
    logger = MetricsLogger(str(folder), name="logs", version="")
    path = Path(logger.log_dir) / MetricsTable.NAME_METRICS_FILE
    if not path.is_file():  # nor is there a folder for it, until something is logged
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
    """Names, whole rows, and the number of lines that are none.

    A process that is killed leaves a line cut short, and a machine that loses power may leave NUL
    bytes. The last line counts only with its end: a number cut short is still a number.
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
    """The row of a line; None where the line is none."""
    try:
        row = dict(zip(keys, next(csv.reader([line]), []), strict=True))
        for value in row.values():
            float(value or 0)
        return row if "\0" not in line and int(row["step"]) >= 0 else None
    except (ValueError, csv.Error):
        return None


class MetricsTable(ExperimentWriter):
    """Lightning's writer in UTF-8, whose file is at no moment absent or without its old rows.

    Raises:
        DataError: the disk refuses it.
    """

    header: tuple[str, ...] = ()  # that the file has

    def _check_log_dir_exists(self) -> None:
        """Delete nothing, as Lightning would."""

    def rewrite(self, rows: Rows) -> None:
        """Replace the table by one with these rows under all names known by now."""
        path = self.metrics_file_path
        with written(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, self.metrics_keys)
            table.writeheader()
            table.writerows(rows)
        self.header = tuple(self.metrics_keys)

    def save(self) -> None:
        """Add what was logged since the last time."""
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
    """Lightning's logger with a table of ours."""

    @property
    def experiment(self) -> MetricsTable:
        """What writes the file, and makes its folder."""
        if self._experiment is None:
            Path(self.root_dir).mkdir(parents=True, exist_ok=True)
            self._experiment = MetricsTable(log_dir=self.log_dir)
        return self._experiment
