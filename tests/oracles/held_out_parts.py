"""Held-out cases of known and unseen sites, with published values for comparison."""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from neurotarget.types import Row, Target

PUBLISHED = (
    {"what": "dice", "label": "left", "part": "internal", "value": 0.9, "spread": 0.03},
    {"what": "dice", "label": "left", "part": "external", "value": 0.86, "spread": 0.04},
    {"what": "dice", "label": "left", "part": "external", "value": 0.57, "spread": 0.22},
    {"what": "pearson_r", "label": "right", "part": "external", "value": 0.48},
    {"what": "hd95_mm", "label": "left", "part": "external", "value": 2.5},
    {"what": "icc_a1", "label": "", "part": "external", "value": 0.91},
    {"what": "dice", "label": "", "part": "external", "value": 0.85},
)


def target(published: Sequence[Mapping] = PUBLISHED, **labels: int) -> Target:
    """A target of two labels, or of these; published value k is by `paper k`."""
    labels = labels or {"left": 1, "right": 2}
    records = [{"source": f"paper {place}", **one} for place, one in enumerate(published)]
    return Target("t", ("qsm",), labels, (1, 1, 1), (8, 8, 8), published=records)


def rows_of(
    splits: Sequence[str],
    *,
    failed: Collection[str] = (),
    subjects: Sequence[int] | None = None,
    labels: Sequence[str] = ("left", "right"),
) -> pd.DataFrame:
    """Rows of a case a split; volumes are predicted 20 mm³ too small, give or take 30."""
    generator, rows = np.random.default_rng(0), []
    for number, split in enumerate(splits):
        case_id, subject = f"c{number:02}", (subjects or range(99))[number]
        is_failed = case_id in failed
        for label in labels:
            true = generator.normal(800, 90)
            found = true + generator.normal(-20, 30)
            dice, far = generator.uniform(0.8, 0.95), generator.uniform(1, 3)
            scores = {
                "dice": 0.0 if is_failed else dice,
                "hd95_mm": math.nan if is_failed else far,
                "reference_volume_mm3": true,
                "volume_mm3": 0.0 if is_failed else found,
                "failed": float(is_failed),
            }
            rows += [
                Row(case_id, f"s{subject}", split, label, metric, value, "")
                for metric, value in scores.items()
            ]
    return pd.DataFrame(rows, columns=list(Row._fields))
