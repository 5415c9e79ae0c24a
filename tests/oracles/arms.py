"""Arms of a comparison with known means and spreads, and arms with scores computed by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from neurotarget.stats.arms.arms import Arms
from neurotarget.types import Target

COLUMNS = (
    *("arm", "kind", "run", "fold", "seed", "case_id", "subject_id"),
    *("label", "metric", "value", "unit"),
)


def target(*labels: str, **more: object) -> Target:
    """A target of these labels."""
    ids = {name: number for number, name in enumerate(labels, start=1)}
    return Target("gland", ("t1",), ids, (1, 1, 1), (8, 8, 8), **more)


def arms_of(rows: Sequence[tuple], of: Target, covariates: pd.DataFrame | None = None) -> Arms:
    """Arms of rows (arm, fold, seed, case, label, metric, value); seed −1 makes an ensemble.

    A case `s1-2` is of the subject `s1`.
    """
    found = []
    for arm, fold, seed, case, label, metric, value in rows:
        kind, run = "ensemble" if seed < 0 else "net", f"{arm}/fold={fold},seed={seed}"
        place = (fold, seed, case, case.split("-")[0])
        found.append((arm, kind, run, *place, label, metric, value, ""))
    scores = pd.DataFrame(found, columns=list(COLUMNS))
    runs = scores.drop_duplicates("run").set_index("run")[["arm", "kind", "fold", "seed"]]
    if covariates is None:
        cases = scores.drop_duplicates("case_id").set_index("case_id")
        covariates = cases[["subject_id"]]
    return Arms(of, scores, runs, covariates)


def read_arms(path: Path, of: Target) -> Arms:
    """Arms of a table as `Arms.scores` is."""
    scores = pd.read_csv(path)
    runs = scores.drop_duplicates("run").set_index("run")[["arm", "kind", "fold", "seed"]]
    cases = scores.drop_duplicates("case_id").set_index("case_id")
    return Arms(of, scores, runs, cases[["subject_id"]])


def dice_of(tables: Mapping[str, Sequence[float]], seed: int = 1) -> Arms:
    """Arms of one run each on the same cases, with these Dice of one label."""
    rows = [
        (arm, 0, seed, f"c{number}", "front", "dice", value)
        for arm, values in tables.items()
        for number, value in enumerate(values)
    ]
    return arms_of(rows, target("front"))


def twice(values: Mapping[str, Sequence[float]]) -> Arms:
    """Two trainings of each arm with almost the same Dice."""
    rows = [
        (arm, 0, seed, f"c{number}", "front", "dice", value + 0.001 * (-1) ** (number + seed))
        for arm, own in values.items()
        for seed in (1, 2)
        for number, value in enumerate(own)
    ]
    return arms_of(rows, target("front"))


def simulated(
    means: Mapping[str, float],
    *,
    folds: int = 3,
    seeds: Sequence[int] = (1,),
    n: int = 60,
    labels: Sequence[str] = ("front", "back"),
    run_sd: float = 0.005,
    case_sd: float = 0.03,
    noise: float = 0.02,
    seed: int = 0,
) -> Arms:
    """Dice of `n` cases in folds, about the planted means, with volumes 30 mm³ off."""
    rng, rows = np.random.default_rng(seed), []
    ease = rng.normal(0, case_sd, (n, len(labels)))
    true = rng.normal(1000, 100, (n, len(labels)))
    for arm, mean in means.items():
        for fold in range(folds):
            for own in seeds:
                run = mean + rng.normal(0, run_sd)
                for case in range(fold, n, folds):
                    for place, label in enumerate(labels):
                        dice = run + ease[case, place] + rng.normal(0, noise)
                        volume = true[case, place]
                        values = {
                            "dice": dice,
                            "hd95_mm": 2 - dice,
                            "failed": 0.0,
                            "volume_mm3": volume + rng.normal(0, 30),
                            "reference_volume_mm3": volume,
                        }
                        where = (arm, fold, own, f"c{case:03}", label)
                        rows += [(*where, metric, value) for metric, value in values.items()]
    return arms_of(rows, target(*labels))
