"""Find run folders in a multirun or a parent folder, and check which runs are finished."""

from collections.abc import Sequence
from pathlib import Path

from neurotarget.files.reading import real_path
from neurotarget.problems import DataError
from neurotarget.runs.folder.jobs import RESULT, read_job

MARKS = ("config.yaml", RESULT, "summary.json")  # any of them marks a run folder
CROSS_VALIDATION = "cross_validation"  # folder in a multirun: its folds as one cohort
FOREIGN = ("wandb", CROSS_VALIDATION)  # folders with files of the same names
DEPTH = 3  # of runs/<experiment>/<multirun>/<job>
NEEDED = ("config.yaml", "summary.json", "rows.csv")


def run_folders(places: Sequence[Path]) -> list[Path]:
    """Return the run folders at some paths, each once: a path, or folders up to 3 levels below.

    Links, such as `latest`, are followed only if they are the path itself.

    Raises:
        DataError: a path does not exist, or contains no run.
    """
    by_real_path: dict[Path, Path] = {}
    for place in map(Path, places):
        if not place.is_dir():
            what = "is a file" if place.is_file() else "no such folder"
            raise DataError(f"{place}: {what}, wanted a multirun or run folder; check the path")
        below = _below(place, DEPTH)
        if not below:
            raise DataError(
                f"{place}: found no run in it (a folder with config.yaml), wanted a multirun "
                "folder, run folders or their parent; check the path"
            )
        for folder in below:
            by_real_path.setdefault(real_path(folder), folder)
    return list(by_real_path.values())


def why_unfinished(folder: Path) -> str:
    """Return why a run has no results, with the path of its log; "" if it is finished.

    A run is finished once config, summary and rows are written; `folder` may have
    no result.
    """
    job = read_job(folder)
    log = f"; its log is {job.log}" if job.log.is_file() else ""
    if job.status in ("failed", "pruned"):
        reason = " ".join(job.reason.split())
        return f"{job.status}{f' ({reason})' if reason else ''}{log}"
    if absent := [name for name in NEEDED if not (folder / name).is_file()]:
        return f"no {' and no '.join(absent)}: it still runs, or was stopped{log}"
    return ""


def _below(folder: Path, depth: int) -> list[Path]:
    if any((folder / name).is_file() for name in MARKS):
        return [folder]
    if not depth:
        return []
    try:
        inner = sorted(path for path in folder.iterdir() if _may_hold(path))
    except OSError:  # removed, or not readable
        return []
    return [found for path in inner for found in _below(path, depth - 1)]


def _may_hold(path: Path) -> bool:
    is_ours = not path.name.startswith(".") and path.name not in FOREIGN
    return is_ours and path.is_dir() and not path.is_symlink()
