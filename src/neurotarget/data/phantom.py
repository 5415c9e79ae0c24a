"""The built-in cohort on disk: drawn heads whose glands carry planted effects of sex and age.

It stands in for a real cohort when the software is tried: what is planted is known, so a study
can be checked for recovering it (`neurotarget.data.phantom_plan`). It says nothing about people.
"""

import errno
import json
import os
import zlib
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

import nibabel as nib
import pandas as pd
from filelock import FileLock
from numpy import ndarray
from tqdm import tqdm

from neurotarget.data.found import error, some
from neurotarget.data.phantom_anatomy import Person, draw_head
from neurotarget.data.phantom_atlas import head_atlas
from neurotarget.data.phantom_plan import Plan, Subject, draw_subjects, planted
from neurotarget.types import DataError


def make_cohort(folder: Path | str, plan: Plan, *, workers: int = 2, progress: bool = True) -> Path:
    """Draw a cohort into a folder and return its manifest.

    Writes `images/`, `labels/`, `manifest.csv` and `planted.json` (the plan, the planted values
    and each case's planted volume). Cases that are complete and of the same plan are kept, all
    others are drawn again; `workers` threads change the time, not the voxels.

    Raises:
        DataError: the folder cannot be written, or holds files of somebody else.
    """
    folder = Path(folder).expanduser()
    _check_folder(folder)
    with FileLock(folder / ".lock"):
        subjects = draw_subjects(plan)
        _write_plan(folder, plan, subjects)  # first, as it marks the folder as ours
        for name in ("images", "labels", "checks"):
            (folder / name).mkdir(exist_ok=True)
        _sweep(folder, plan, subjects)
        todo = [n for n, subject in enumerate(subjects) if not _is_complete(folder, subject)]
        if todo:
            head_atlas()  # once, not in every thread
        with ThreadPoolExecutor(max(workers, 1)) as pool:
            jobs = [pool.submit(_make_case, folder, plan, subjects[n], n) for n in todo]
            bar = tqdm(
                as_completed(jobs),
                total=len(jobs),
                desc="drawing the built-in cohort",
                unit="head",
                disable=not progress or not jobs,
            )
            for job in bar:
                job.result()
        _write_manifest(folder, subjects)
    return folder / "manifest.csv"


def _check_folder(folder: Path) -> None:
    """Make the folder; refuse one that holds anything but a cohort, or that cannot be written."""
    todo = "set data.source.folder to another one"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as reason:
        found = f"no folder to write the built-in cohort to ({reason.strerror})"
        raise DataError(error(found, "a folder that can be written", todo, file=folder)) from reason
    if names and not {"key", "plan", "planted"} <= _read_check(folder / "planted.json").keys():
        found = f"files that are not of the built-in cohort ({some(names, 3)})"
        raise DataError(error(found, "an empty folder to draw it into", todo, file=folder))


def _files(folder: Path, case_id: str) -> tuple[Path, Path, Path]:
    scan = f"{case_id}.nii.gz"
    return folder / "images" / scan, folder / "labels" / scan, folder / "checks" / f"{case_id}.json"


def _sweep(folder: Path, plan: Plan, subjects: list[Subject]) -> None:
    """Take away half-written files and those of another plan; files not ours stay."""
    for place in ("images", "labels"):
        for left in (folder / place).glob(".*.part.nii.gz"):
            left.unlink()
    wanted = {subject.case_id for subject in subjects}
    for check in (folder / "checks").glob("*.json"):
        if check.stem not in wanted or _read_check(check).get("key") != plan.key:
            for path in _files(folder, check.stem):
                path.unlink(missing_ok=True)


def _read_check(path: Path) -> dict:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _is_complete(folder: Path, subject: Subject) -> bool:
    """Whether both files are there and unbroken, by the sums noted when they were written."""
    *scans, check = _files(folder, subject.case_id)
    noted = _read_check(check).get("sums")
    return noted is not None and noted == [_sum(path) for path in scans]


def _sum(path: Path) -> int | None:
    return zlib.crc32(path.read_bytes()) if path.is_file() else None


def _make_case(folder: Path, plan: Plan, subject: Subject, number: int) -> None:
    image_file, label_file, check_file = _files(folder, subject.case_id)
    site = next(site for site in plan.sites if site.name == subject.site)
    seed = (plan.seed, 1, number)
    person = Person(subject.age, subject.sex, subject.tiv_ml, subject.planted_mm3, seed)
    head = draw_head(person, site, voxel_scale=plan.voxel_scale)
    check_file.unlink(missing_ok=True)
    _save(image_file, head.image, head.affine)
    _save(label_file, head.label, head.affine)
    note = {"key": plan.key, "sums": [_sum(image_file), _sum(label_file)]}
    _write(check_file, json.dumps(note))


def _save(path: Path, array: ndarray, affine: ndarray) -> None:
    scan = nib.Nifti1Image(array, affine)
    scan.header.set_xyzt_units("mm")
    scan.set_qform(affine, code=1)
    scan.set_sform(affine, code=1)
    part = path.with_name(f".{path.name.removesuffix('.nii.gz')}.part.nii.gz")
    nib.save(scan, part)
    part.replace(path)


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _write_plan(folder: Path, plan: Plan, subjects: list[Subject]) -> None:
    told = {
        "key": plan.key,
        "planted": planted(plan),
        "plan": asdict(plan),
        "cases": [subject._asdict() for subject in subjects],
    }
    _write(folder / "planted.json", json.dumps(told, indent=1))


def _write_manifest(folder: Path, subjects: list[Subject]) -> None:
    rows = [
        {
            "case_id": subject.case_id,
            "subject_id": subject.case_id,
            "t1": f"images/{subject.case_id}.nii.gz",
            "label": f"labels/{subject.case_id}.nii.gz",
            "age": subject.age,
            "sex": subject.sex,
            "site": subject.site,
            "tiv_ml": subject.tiv_ml,
        }
        for subject in subjects
    ]
    _write(folder / "manifest.csv", pd.DataFrame(rows).to_csv(index=False))
