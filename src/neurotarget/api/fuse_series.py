"""Fusion of networks for several series from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neurotarget.api.predict import RunFolder
from neurotarget.comparison.series_fusion import FusedSeries, fuse_runs


def fuse_series(
    runs: Path | str | RunFolder | Sequence[Path | str | RunFolder],
    output: Path | str | None = None,
    *,
    seed: int = 0,
    overwrite: bool = False,
) -> FusedSeries:
    """Fuse the probabilities of finished runs, each trained on one series of the same exams.

    Args:
        runs: a multirun folder, run folders, or folders that contain run folders.
        output: folder to write into; by default `fusion` in the first folder of `runs`.
        seed: seed of folds and bootstrap.
        overwrite: whether files that neurotarget did not write may be replaced.

    Raises:
        DataError: no outcome has finished runs of two series, or enough exams.
    """
    is_list = isinstance(runs, Sequence) and not isinstance(runs, str)
    folders = [getattr(one, "folder", one) for one in (runs if is_list else [runs])]
    return fuse_runs(folders, output=output, seed=seed, overwrite=overwrite)
