"""Agreement of each feature between several masks of the same cases.

K masks, F features.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from neurotarget.stats.radiomics.feature_stability import measurement_icc

REGION = ["contrast", "label"]
GOOD, EXCELLENT = 0.75, 0.90  # Koo and Li 2016, doi:10.1016/j.jcm.2016.02.012


def mask_agreement(tables: Sequence[pd.DataFrame], features: Sequence[str]) -> pd.DataFrame:
    """ICC(A,1) of each feature of each region over K masks, with its interval.

    Args:
        tables: one table per mask, with one row per case, contrast and label, and a column
            `status`; only rows that are `done` in all tables are compared.
        features: columns of the F features.

    Returns:
        One row per contrast, label and feature: value, low, high, and n, the number of cases with
        the feature for all masks. The value is NaN for fewer than three cases or no spread.
    """
    keys = ["case_id", *REGION]
    done = [table[table["status"] == "done"].set_index(keys) for table in tables]
    common = done[0].index
    for table in done[1:]:
        common = common.intersection(table.index, sort=False)
    rows = []
    for region, part in common.to_frame(index=False).groupby(REGION, sort=False):
        places = pd.MultiIndex.from_frame(part[keys])
        values = np.stack([table.loc[places, list(features)].to_numpy(float) for table in done])
        for place, name in enumerate(features):
            own = values[:, :, place].T
            if np.isfinite(own).any():
                found = measurement_icc(own)._asdict()
                rows.append(dict(zip(REGION, region, strict=True)) | {"feature": name} | found)
    return pd.DataFrame(rows, columns=[*REGION, "feature", "value", "low", "high", "n"])


def agreement_counts(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Count features by ICC(A,1) in each group of `mask_agreement`'s rows.

    Returns:
        One row per group: features (with an ICC), good (0.75 or more), excellent (0.90 or more),
        median, lowest and undefined (without an ICC).
    """
    rows = []
    for group, part in table.groupby(list(by), sort=False):
        known = part["value"].dropna()
        rows.append(dict(zip(by, group, strict=True)) | {
            "features": len(known),
            "good": int((known >= GOOD).sum()),
            "excellent": int((known >= EXCELLENT).sum()),
            "median": float(known.median()) if len(known) else np.nan,
            "lowest": float(known.min()) if len(known) else np.nan,
            "undefined": len(part) - len(known),
        })  # fmt: skip
    return pd.DataFrame(rows)
