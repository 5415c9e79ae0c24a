"""A built-in cohort as a source of cases: generated on disk, one folder per plan.

A folder contains a subfolder for each kind of scan, `checks/` with one file per case, and
`planted.json`, which marks it as ours. Files are written atomically and kept as long as the plan is
the same; an interrupted generation is resumed.
"""

import errno
import json
import math
import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import nibabel as nib
import numpy as np
import pandas as pd
from filelock import FileLock
from numpy import ndarray
from tqdm import tqdm

from neurotarget.data.cases.sources import Files
from neurotarget.files.drafts import sweep
from neurotarget.files.ownership import link_out
from neurotarget.files.reading import read_bytes, read_plain
from neurotarget.files.remembered import remembered
from neurotarget.files.writing import expand_home, write_text, written
from neurotarget.phantom.plan import CohortPlan
from neurotarget.problems import DataError, error, some

Scans = Mapping[str, nib.Nifti1Image]  # folder name → scan of one case
Render = Callable[[int], Scans]
SumOf = Callable[[Path], int]
ELSEWHERE = "set data.source.folder to another one"
SUMS = ".sums.json"  # checksums of files, until they change


@dataclass(frozen=True)
class GeneratedCohort(ABC):
    """A built-in cohort, or with `root` the user's own data instead.

    Each plan has its own folder in `folder`, so that runs with different plans do not overwrite
    each other's cases. `workers` threads render at a time; their number does not change the voxels.
    """

    columns: ClassVar[Mapping[str, str]]  # of the manifest → folder of its files
    covariates: ClassVar[Sequence[str]]  # fields of a subject that become columns
    bar_text: ClassVar[str]  # label of the progress bar
    warm: ClassVar[Callable[[], object]]  # fills shared caches, once before the threads start

    folder: str
    plan: CohortPlan
    workers: int = 2

    @abstractmethod
    def render(self, number: int) -> Scans:
        """Make the scans of subject `number` (from 0), by folder name.

        The same plan and number give the same voxels, in whichever order and thread cases are made.
        """

    def obtain(self, root: str | None) -> Path:
        """Manifest of the cohort, generated if missing; or the path of the user's data.

        Raises:
            DataError: `root` does not exist, or the cohort cannot be written.
        """
        if root:
            return Files().obtain(root)
        return self.generate(expand_home(self.folder) / self.plan.key)

    def planted(self, root: str | None) -> Mapping[str, float]:
        """Planted effects of the cohort by hypothesis; none for the user's own data."""
        return {} if root else self.plan.planted()

    def generate(self, folder: Path, *, progress: bool = True) -> Path:
        """Generate the people of the plan in a folder and return their manifest.

        Writes a folder for each kind of scan, `manifest.csv` and `planted.json` (the plan, the
        planted values and those of each person). Complete cases of the same plan are kept, all
        others are made again. Without `progress` there is no progress bar.

        Raises:
            DataError: the folder cannot be written, or contains foreign files.
        """
        plan, people = self.plan, self.plan.subjects()
        cases = CaseFolder(folder, key=plan.key, places=tuple(self.columns.values()))
        with FileLock(folder / ".lock"):
            record = {"key": plan.key, "planted": plan.planted(), "plan": asdict(plan)}
            record["cases"] = [person._asdict() for person in people]
            # first, as it marks the folder as ours
            write_text(folder / "planted.json", json.dumps(record, indent=1))
            names = [person.case_id for person in people]
            todo = {names[number]: number for number in cases.missing(names)}
            if todo:
                self.warm()
            bar_text = self.bar_text if progress and todo else ""
            cases.make(todo, self.render, workers=self.workers, bar_text=bar_text)
            rows = [
                {"case_id": name, "subject_id": getattr(person, "subject_id", name)}
                | {column: f"{place}/{name}.nii.gz" for column, place in self.columns.items()}
                | {field: getattr(person, field) for field in self.covariates}
                for name, person in zip(names, people, strict=True)
            ]
            write_text(folder / "manifest.csv", pd.DataFrame(rows).to_csv(index=False))
        return folder / "manifest.csv"


class CaseFolder:
    """Cases of one plan in one folder; the caller holds the folder's lock.

    Args:
        folder: created if it is missing.
        key: fingerprint of the plan; cases of another key are made again.
        places: subfolders of scans and label maps, of which each case has a file.

    Raises:
        DataError: the folder cannot be written, or holds other files or a link out of it.
    """

    def __init__(self, folder: Path, *, key: str, places: Sequence[str]) -> None:
        self.folder, self.key, self.places = folder, key, tuple(places)
        self._open()

    def _open(self) -> None:
        """Create the folder; refuse one with other content, or one that cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            names = sorted(p.name for p in self.folder.iterdir() if not p.name.startswith("."))
            if not os.access(self.folder, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as reason:
            found = f"no folder to write the built-in cohort to ({reason.strerror})"
            wanted = "a folder that can be written"
            raise DataError(error(found, wanted, ELSEWHERE, file=self.folder)) from reason
        if (path := link_out(self.folder)) is not None:
            found = f"the link {path.relative_to(self.folder)}, which leads to {path.resolve()}"
            raise DataError(error(found, "scans of its own", ELSEWHERE, file=self.folder))
        marked = read_plain(self.folder / "planted.json").keys()
        if names and not {"key", "plan", "planted"} <= marked:
            found = f"files that are not of the built-in cohort ({some(names, 3)})"
            wanted = "an empty folder to write it into"
            raise DataError(error(found, wanted, ELSEWHERE, file=self.folder))

    def scan(self, place: str, case_id: str) -> Path:
        """Path of a scan: `<folder>/<place>/<case_id>.nii.gz`."""
        return self.folder / place / f"{case_id}.nii.gz"

    def missing(self, case_ids: Sequence[str]) -> list[int]:
        """Indices of the cases to generate: absent, broken or of another plan.

        Our files of cases that are no longer needed are removed; other files stay.
        """
        self._sweep(case_ids)
        with remembered(checksum, self.folder / SUMS) as sum_of:
            return [n for n, name in enumerate(case_ids) if not self._is_complete(name, sum_of)]

    def make(
        self, cases: Mapping[str, int], render: Render, *, workers: int, bar_text: str
    ) -> None:
        """Make cases and record that they are complete; the first error ends the work.

        Args:
            cases: number of each case in the plan, by case_id.
            render: makes the scans of a number.
            workers: number of threads.
            bar_text: label of the progress bar; "" for no bar.
        """
        with ThreadPoolExecutor(max(workers, 1)) as pool:
            jobs = [pool.submit(self._make, name, render, number) for name, number in cases.items()]
            try:
                done = as_completed(jobs)
                for job in tqdm(done, bar_text, len(jobs), unit="case", disable=not bar_text):
                    job.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _check(self, case_id: str) -> Path:
        return self.folder / "checks" / f"{case_id}.json"

    def _sums(self, case_id: str, sum_of: SumOf) -> dict[str, int | None]:
        paths = {place: self.scan(place, case_id) for place in self.places}
        return {place: sum_of(path) if path.is_file() else None for place, path in paths.items()}

    def _is_complete(self, case_id: str, sum_of: SumOf) -> bool:
        """Whether all files exist and match the checksums recorded when they were written."""
        noted = read_plain(self._check(case_id))
        return noted.get("key") == self.key and noted.get("sums") == self._sums(case_id, sum_of)

    def _sweep(self, case_ids: Sequence[str]) -> None:
        for place in (*self.places, "checks", "."):
            sweep(self.folder / place, now_s=math.inf)  # the lock excludes other writers
        for check in (self.folder / "checks").glob("*.json"):
            if check.stem not in case_ids or read_plain(check).get("key") != self.key:
                for place in self.places:
                    self.scan(place, check.stem).unlink(missing_ok=True)
                check.unlink()

    def _make(self, case_id: str, render: Render, number: int) -> None:
        self._check(case_id).unlink(missing_ok=True)
        for place, scan in render(number).items():
            with written(self.scan(place, case_id)) as draft:
                nib.save(scan, draft)
        note = {"key": self.key, "sums": self._sums(case_id, checksum)}
        write_text(self._check(case_id), json.dumps(note))


def checksum(path: Path) -> int:
    """CRC-32 of a file's content."""
    return zlib.crc32(read_bytes(path))


def nifti(array: ndarray, affine: ndarray, *, step: float | None = None) -> nib.Nifti1Image:
    """Make a NIfTI image in mm, with the affine as sform and qform.

    Args:
        array: voxels.
        affine: (4, 4) to RAS+, mm.
        step: stores real numbers as multiples of it (int16), cut to ±32767 steps; None stores the
            array as it is.
    """
    if step is not None:
        array = np.rint(array / step).clip(-32767, 32767).astype(np.int16)
    scan = nib.Nifti1Image(array, affine)
    scan.header.set_xyzt_units("mm")
    scan.set_qform(affine, code=1)
    scan.set_sform(affine, code=1)
    if step is not None:
        scan.header.set_slope_inter(step, 0)
    return scan
