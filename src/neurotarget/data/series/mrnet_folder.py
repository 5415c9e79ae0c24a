"""The folders of MRNet: series as NumPy files by split and plane, tables without header.

`train/axial/0000.npy` and `valid/…` hold (slices, 256, 256); `train-acl.csv` lists `0000,1`. As the
test exams of the competition are not public, `valid` is held out, and validation exams are sampled
from `train`. MRNet does not identify people, so each exam counts as a person of its own.

Source: Bien et al. 2018, doi:10.1371/journal.pmed.1002699.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from neurotarget.data.scans.planes import PLANES
from neurotarget.data.scans.volume import SCANS, file_stem
from neurotarget.files.reading import read_text
from neurotarget.problems import Problem, error, some

FINDINGS = ("abnormal", "acl", "meniscus")
SPLITS = {"train": "train", "valid": "test"}  # folder → split
CODES = {"0": "absent", "1": "present", "0.0": "absent", "1.0": "present"}


class Exam(NamedTuple):
    """An exam of one knee.

    Attributes:
        case_id: name of its files, or of its row.
        series: file by plane: sagittal, coronal or axial; planes that it lacks are absent.
        cells: further columns of its row, such as `split` and findings, as text.
    """

    case_id: str
    series: Mapping[str, Path]
    cells: Mapping[str, str]


def is_mrnet(folder: Path) -> bool:
    """Return whether a folder has folders of series in `train` or `valid`."""
    return any((folder / split / plane).is_dir() for split in SPLITS for plane in PLANES)


def read_mrnet(folder: Path) -> tuple[list[Exam], list[Problem]]:
    """Exams of both splits with their findings, and problems of files and tables.

    Cells of an exam are its `split`, train or test, and each finding, absent or present; a finding
    that no table states has no cell. An exam that only tables name is an error.
    """
    exams, problems = [], []
    for split, called in SPLITS.items():
        found, wrong = _series_of(folder / split)
        findings, odd = _findings_of(folder, split)
        problems += wrong + odd
        without = [name for name in findings if name not in found]
        if without:
            text = f"no series of {len(without)} exams of its tables ({some(without)})"
            problems.append(error(text, "files", "add them, or remove the rows", file=folder))
        for name, series in found.items():
            cells = {"split": called, **findings.get(name, {})}
            exams.append(Exam(name, series, cells))
    return exams, problems


def _series_of(folder: Path) -> tuple[dict[str, dict[str, Path]], list[Problem]]:
    """Files by exam and plane; an exam with two files of a plane is a problem."""
    found: dict[str, dict[str, Path]] = {}
    problems = []
    for plane, path in _files(folder):
        own = found.setdefault(file_stem(path), {})
        if plane in own:
            text, todo = f"two {plane} series ({own[plane].name} and {path.name})", "keep one"
            where = {"case_id": file_stem(path), "file": path.parent}
            problems.append(error(text, "one file per series", todo, **where))
        own[plane] = path
    return dict(sorted(found.items())), problems


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for plane in PLANES:
        for path in sorted((folder / plane).glob("*")):
            if path.name.lower().endswith(SCANS) and not path.name.startswith("."):
                yield plane, path


def _findings_of(folder: Path, split: str) -> tuple[dict[str, dict[str, str]], list[Problem]]:
    """Findings by exam; a cell that is neither 0 nor 1 is a problem."""
    found: dict[str, dict[str, str]] = {}
    problems = []
    for finding in FINDINGS:
        path = folder / f"{split}-{finding}.csv"
        rows = csv.reader(read_text(path).splitlines()) if path.is_file() else []
        for cells in rows:
            name, value = [*cells, "", ""][:2]
            if not name.strip():
                continue
            if value.strip() not in CODES:
                todo, where = "correct the cell", {"case_id": name.strip(), "file": path}
                problems.append(error(f"{finding} {value!r}", "0 or 1", todo, **where))
                continue
            found.setdefault(name.strip(), {})[finding] = CODES[value.strip()]
    return found, problems
