"""Preparation of all cases of a data set, ahead of a training."""

from pathlib import Path
from typing import NamedTuple

from neurotarget.data.batches.cache import open_entry
from neurotarget.data.batches.datamodule import checkup_of
from neurotarget.data.batches.prepare import Preparation, prepare
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.problems import Problem
from neurotarget.types import Target


class Prepared(NamedTuple):
    """Prepared cases, and the problems that the preparation has found."""

    cache: Path
    folders: dict[str, Path]  # of each case in the cache, by its id
    problems: list[Problem]  # warnings, as errors are raised


def prepare_cases(
    source: Path | str, target: Target, cache: Path | None = None, *, workers: int = 2
) -> Prepared:
    """Prepare every case as a training with the target's usual settings does, and keep it.

    Args:
        source: a manifest or data set.
        target: gives the spacing, contrasts and labels.
        cache: folder of the prepared cases; by default `cache/<target>`, where a training looks.
        workers: number of cases that are prepared in parallel.

    Raises:
        DataError: the data set or a case cannot be used; lists all problems.
    """
    folder = cache or Path("cache") / target.name
    manifest = read_manifest(source, target)
    folders = prepare(manifest, target, Preparation(), folder, workers=workers)
    entries = [(case, open_entry(folders[case.case_id])) for case in manifest.cases]
    problems = [problem for pair in entries for problem in checkup_of(*pair, target).problems]
    return Prepared(folder, folders, problems)
