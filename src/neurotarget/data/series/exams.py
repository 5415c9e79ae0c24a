"""Exams of several series, of which a network reads one: each series gets a table of its exams.

An exam may lack any series. The network of that series then does without the exam, which is
reported, and a fusion takes the mean over the series there.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from neurotarget.data.cases.sources import Files, Source
from neurotarget.data.formats.formats import NIFTI, read_grid
from neurotarget.data.formats.npy import NPY, npy_head
from neurotarget.data.scans.planes import PLANES, across, plane_of
from neurotarget.data.scans.volume import UNREADABLE
from neurotarget.data.series.mrnet_folder import Exam, is_mrnet, read_mrnet
from neurotarget.data.tables.text_table import is_missing, read_text_table
from neurotarget.files.hashes import digest, hash_of_text
from neurotarget.files.reading import is_there, opened
from neurotarget.files.writing import expand_home, table_text, write_text
from neurotarget.files.written_paths import place
from neurotarget.problems import DataError, Problem, error, refuse_errors, some

ROLES = ("case_id", "subject_id", "split", "fold")
TABLES = (".csv", ".tsv", ".txt")
HEAD_BYTES = 1024
MIDDLE_BYTES = 4096  # compared before two files of one size are read whole

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exams(Source):
    """One series of the exams in MRNet's folder, or in a table with a column of paths per series.

    The columns are `sagittal`, `coronal` and `axial`; other columns stay. Exams without splits or
    folds are divided into `n_folds` folds of whole people here, so that the networks of all series
    hold out the same people. Tables are written to `folder`, which must not be that of the exams.
    """

    folder: str
    series: str
    n_folds: int = 5
    split_seed: int = 1

    def obtain(self, root: str | None) -> Path:
        """Table of the exams that have the series; data of another layout are returned as given.

        Raises:
            DataError: an exam has two equal series, one in another plane, or one of a single
                slice, a finding is neither 0 nor 1, or no exam has the series; all are listed.

        Exams without the series are left out of its table with a warning. Paths in the table are
        absolute.
        """
        given = Files().obtain(root)
        if given.is_dir() and is_mrnet(given):
            exams, problems = read_mrnet(given)
        elif given.suffix.lower() in TABLES:
            exams, problems = read_exams(given)
            if not any(exam.series for exam in exams) and not problems:
                return given
        else:
            return given
        problems += [item for exam in exams for item in series_problems(exam)]
        refuse_errors(problems)
        return self._written(given, exams)

    def planted(self, root: str | None) -> dict[str, float]:  # noqa: ARG002
        """No effects: real data have none planted."""
        return {}

    def _written(self, given: Path, exams: Sequence[Exam]) -> Path:
        there = [exam for exam in exams if self.series in exam.series]
        if not there:
            wanted, todo = (
                f"a {self.series} series",
                f"one of {', '.join(PLANES)} as target.contrasts",
            )
            raise DataError(error(f"none in {len(exams)} exams", wanted, todo, file=given))
        if absent := [exam.case_id for exam in exams if self.series not in exam.series]:
            lacking = f"{len(absent)} of {len(exams)} exams have no {self.series} series"
            log.warning("%s and are left out of its network (%s)", lacking, some(absent))
        folds = self._folds(exams)
        rows = [
            {"case_id": exam.case_id, self.series: str(exam.series[self.series].resolve())}
            | dict(exam.cells)
            | ({"fold": str(folds[exam.case_id])} if folds else {})
            for exam in there
        ]
        folder = expand_home(self.folder) / hash_of_text(str(given.resolve()), 12)
        path = folder / f"{self.series}.tsv"
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, table_text(pd.DataFrame(rows).fillna("").astype(str)))
        return path

    def _folds(self, exams: Sequence[Exam]) -> dict[str, int]:
        """Fold of each exam, by the person; none where the data set has splits or folds."""
        if any(name in exam.cells for exam in exams for name in ("split", "fold")):
            return {}
        person = {exam.case_id: exam.cells.get("subject_id") or exam.case_id for exam in exams}
        people = sorted(set(person.values()))
        order = np.random.default_rng(self.split_seed).permutation(len(people))
        fold = {people[place]: number % self.n_folds for number, place in enumerate(order)}
        return {name: fold[owner] for name, owner in person.items()}


def read_exams(path: Path) -> tuple[list[Exam], list[Problem]]:
    """Exams of a table with columns of paths named as planes; empty cells are missing series.

    Args:
        path: CSV or TSV with `case_id` and any of `sagittal`, `coronal` and `axial`, in any case;
            paths are relative to its folder.

    Returns:
        Exams in the order of the table, whose `cells` have all other columns; and problems of
        reading.
    """
    table = read_text_table(path)
    known = {name.casefold(): name for name in table.columns}
    columns = {plane: known[plane] for plane in PLANES if plane in known}
    roles = {
        known[name]: name for name in ("case_id", "subject_id", "split", "fold") if name in known
    }
    exams = []
    for row in table.rows:
        texts = {plane: row[column] for plane, column in columns.items()}
        files = {
            plane: place(path.parent, text) for plane, text in texts.items() if not is_missing(text)
        }
        rest = {name: text for name, text in row.items() if name not in columns.values()}
        cells = {roles.get(name, name): text for name, text in rest.items()}
        exams.append(Exam(cells.pop("case_id", ""), files, cells))
    return exams, list(table.problems)


def series_problems(exam: Exam) -> Iterator[Problem]:
    """Report series of an exam that are equal, have one slice, or lie in another plane than named.

    Files that cannot be read are reported when they are prepared. Only the heads of NIfTI and NumPy
    files are read, and whole files only where two have the same size and the same bytes in the
    middle.
    """
    yield from _equal(exam)
    for plane, path in exam.series.items():
        where = {"case_id": exam.case_id, "file": path}
        if (grid := _grid(path)) is None:
            continue
        shape, affine = grid
        if shape[across(shape, affine)] < 2:
            todo = "give the whole series, or leave its cell empty"
            yield error(f"one slice as {plane} series", "a series of slices", todo, **where)
        taken = plane_of(shape, affine)
        if taken not in (None, plane):
            found, todo = f"{taken} slices as {plane} series", "move the file to its own column"
            yield error(found, f"{plane} slices", todo, **where)


def _equal(exam: Exam) -> Iterator[Problem]:
    """Two series of an exam with the same content."""
    files = [(plane, path) for plane, path in exam.series.items() if is_there(path)]
    sizes = Counter(path.stat().st_size for _, path in files if path.is_file())
    alike = [(plane, path) for plane, path in files if sizes[path.stat().st_size] > 1]
    for number, (plane, path) in enumerate(alike):
        for other, second in alike[number + 1 :]:
            if _middle(path) == _middle(second) and digest(path) == digest(second):
                found, todo = f"the same voxels as {plane} and {other} series", "give each its own"
                yield error(found, "series that differ", todo, case_id=exam.case_id, file=second)


def _middle(path: Path) -> bytes:
    with opened(path) as stream:
        stream.seek(path.stat().st_size // 2)
        return stream.read(MIDDLE_BYTES)


def _grid(path: Path) -> tuple[tuple[int, ...], np.ndarray] | None:
    """Shape and affine from the head of a file; None for another format or a broken file.

    A NumPy file states no orientation: its voxels count as cubes, which fit any plane.
    """
    name = path.name.lower()
    try:
        if name.endswith(NPY):
            with opened(path) as stream:
                shape, affine = npy_head(stream.read(HEAD_BYTES)).shape[::-1], np.eye(4)
        elif name.endswith(NIFTI):
            shape, affine = read_grid(path)
        else:
            return None
    except UNREADABLE:
        return None
    shape = tuple(int(side) for side in shape)
    return (shape, affine) if len(shape) == 3 and np.isfinite(affine).all() else None
