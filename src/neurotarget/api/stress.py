"""Stress tests of a trained run from Python."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from neurotarget.api.data import Table, as_file
from neurotarget.api.train import Run
from neurotarget.studies.stress import stress_run
from neurotarget.synthesis.distortions import DISTORTIONS


def stress(
    run: Run | Path | str,
    data: Table,
    output: Path | str,
    *,
    conditions: Sequence[str] = tuple(DISTORTIONS),
    seed: int = 0,
    device: str = "auto",
) -> pd.DataFrame:
    """Measure failure rates of a run on scans with noise, motion, thick slices and more.

    Args:
        run: a run, its folder, a file of `nt.export`, or the name of a network of this package.
        data: scans with label maps: a manifest or data set.
        output: new or empty folder for the distorted scans, their masks, stress.tsv and stress.png.
        conditions: any of noise, motion, thick_slices (5 mm), cropped, rotated, wrong_header.
        seed: seed of noise, movements and rotations.
        device: `auto`, `cpu`, `cuda` or `mps`.

    Returns:
        One row per condition, the unchanged scans (baseline) first: failed cases with Wilson's
        interval, failed labels, mean Dice, and its change with an interval.

    Raises:
        DataError: a condition is unknown, or the run or the data cannot be used.
    """
    settings = {"conditions": conditions, "seed": seed, "device": device}
    return stress_run(getattr(run, "folder", run), as_file(data), Path(output), **settings)
