"""Expand arguments of `neurotarget train` that stand for several: `cv=5` and `--dry-run`."""

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from neurotarget.cli.arguments import FLAGS, read_value
from neurotarget.cli.configs.overrides import MULTIRUN
from neurotarget.problems import DataError
from neurotarget.runs.folder.jobs import key_of, quoted

DRY_RUN, DRY = "--dry-run", "dry_run"
FOLDS, FOLD, CV = "data.n_folds", "data.fold", "cv"
SEARCH = "sweep=optuna"


def with_whole_commands(argv: Sequence[str]) -> list[str]:
    """Return arguments with `--dry-run` as a setting, and with the folds that `cv=` stands for.

    A dry run of a cross-validation is that of its first fold.

    Raises:
        DataError: `cv` goes together with folds of the user's own or with a search, or a dry run
            with several trainings or with resume.
    """
    argv = [f"{DRY}=true" if one == DRY_RUN else one for one in argv]
    folds = _value(argv, CV)
    if folds in (None, "null"):
        return _dry(argv) if is_dry(argv) else argv
    count = read_value(CV, folds, int)
    if count < 2:
        raise DataError(f"cv: found {count}, wanted at least 2 folds, such as cv=5")
    if given := [one for one in argv if key_of(one) in (FOLD, FOLDS)]:
        raise DataError(f"cv={count}: found {given[0]} too, wanted one of them; leave it out")
    if SEARCH in argv:
        raise DataError(
            f"cv={count}: found {SEARCH} too, wanted one of them: search with one fold, and train "
            "the best settings with cv, or sweep over data.fold in the search"
        )
    if is_dry(argv):
        return _dry([*argv, f"{FOLDS}={count}"])
    multirun = [] if {*MULTIRUN} & {*argv} else ["-m"]
    numbers = ",".join(map(str, range(count)))
    return [*multirun, *argv, f"{FOLDS}={count}", f"{FOLD}={numbers}"]


def is_dry(argv: Sequence[str]) -> bool:
    """Return whether arguments ask for a dry run; the last `dry_run=` counts, as in Hydra."""
    return FLAGS.get((_value(argv, DRY) or "").lower(), False)


def _dry(argv: Sequence[str]) -> list[str]:
    """Return the arguments of a dry run, whose folder is removed when the process ends."""
    several = {*MULTIRUN} & {*argv} or [
        one for one in argv if key_of(one) == "resume" and one != "resume=null"
    ]
    if several:
        raise DataError(
            f"--dry-run: found {next(iter(several))} too, wanted the arguments of one new "
            "training; leave one of them out"
        )
    folder = Path(tempfile.mkdtemp(prefix="neurotarget-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    kept = [one for one in argv if key_of(one) != "hydra.run.dir"]
    return [*kept, f"hydra.run.dir={quoted(folder / 'run')}", "hydra.output_subdir=null"]


def _value(argv: Sequence[str], key: str) -> str | None:
    """Return the last value that arguments give to a key; None if there is none."""
    values = [one.partition("=")[2] for one in argv if key_of(one) == key and "=" in one]
    return values[-1] if values else None
