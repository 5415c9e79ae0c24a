"""Knee films with Kellgren–Lawrence grades, as a table of cases of osteoarthritis.

Source: Chen, Knee Osteoarthritis Severity Grading Dataset, 2018, doi:10.17632/56rmx5bjcr.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from filelock import FileLock

from neurotarget.data.cases.sources import Files
from neurotarget.data.tables.text_table import read_text_table
from neurotarget.files.hashes import hash_of_text
from neurotarget.files.reading import is_there
from neurotarget.files.writing import expand_home, table_text, write_text
from neurotarget.problems import DataError, Problem, error, refuse_errors

TABLE = "labels.csv"
COLUMNS = ("split", "image", "participant", "side", "kl")
SPLITS = ("train", "val", "test")
GRADES = ("0", "1", "2", "3", "4")
# osteoarthritis from grade 2, a definite osteophyte: Kellgren and Lawrence 1957,
# doi:10.1136/ard.16.4.494
ILL = ("2", "3", "4")


@dataclass(frozen=True)
class GradedKnees:
    """Films in the folders `train`, `val` and `test`, listed with their grades in `labels.csv`.

    The columns of `labels.csv` are `split`, `image` (a file's name in the folder of its split),
    `participant`, `side` and `kl`. If no film is in `test`, those of `val` are held out, and a
    training takes its validation cases from `train`. The table of cases is written to `folder`.
    """

    folder: str

    def obtain(self, root: str | None) -> Path:
        """Return the table of the films; data without `labels.csv` are returned as given.

        Raises:
            DataError: columns or films are missing, a film is listed twice, or a split or grade is
                unknown; all are listed.
        """
        given = Files().obtain(root)
        labels = given / TABLE
        if not labels.is_file():
            return given
        table = read_text_table(labels, ids=("image", "participant"))
        refuse_errors(table.problems)
        if absent := [name for name in COLUMNS if name not in table.columns]:
            found, todo = f"no column {' and no '.join(absent)}", "add it"
            raise DataError(error(found, f"the columns {', '.join(COLUMNS)}", todo, file=labels))
        refuse_errors(_problems(table.rows, given))
        path = expand_home(self.folder) / hash_of_text(str(given.resolve()), 12) / "films.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(".lock")):
            write_text(path, table_text(pd.DataFrame(_cases(table.rows, given))))
        return path

    def planted(self, root: str | None) -> Mapping[str, float]:  # noqa: ARG002
        """No effects: real data have none planted."""
        return {}


def _problems(rows: list[dict[str, str]], folder: Path) -> list[Problem]:
    problems, seen = [], set()
    for row in rows:
        film = folder / row["split"] / row["image"]
        where = {"case_id": film.stem, "file": folder / TABLE}
        if row["split"] not in SPLITS:
            wanted = f"one of {', '.join(SPLITS)}"
            problems.append(error(f"split {row['split']!r}", wanted, "correct the cell", **where))
        elif not is_there(film):
            found, todo = "no film", "add the file, or remove the row"
            problems.append(error(found, str(film), todo, **where))
        if row["kl"] not in GRADES:
            found, wanted = f"grade {row['kl']!r}", f"one of {', '.join(GRADES)}"
            problems.append(error(found, wanted, "correct the cell", **where))
        if film in seen:
            problems.append(error("two rows", "one for each film", "remove one", **where))
        seen.add(film)
    return problems


def _cases(rows: list[dict[str, str]], folder: Path) -> list[dict[str, str]]:
    held_out = "test" if any(row["split"] == "test" for row in rows) else "val"
    return [
        {
            "case_id": Path(row["image"]).stem,
            "subject_id": row["participant"],
            "film": str((folder / row["split"] / row["image"]).resolve()),
            "osteoarthritis": "present" if row["kl"] in ILL else "absent",
            "kl": row["kl"],
            "side": row["side"],
            "split": "test" if row["split"] == held_out else row["split"],
        }
        for row in rows
    ]
