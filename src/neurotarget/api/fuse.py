"""Fusion of several masks from Python."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from neurotarget.studies.data_sets.fuse_masks import COLUMNS, Method, fuse_masks


def fuse(
    source: Path | str,
    output: Path | str,
    *,
    method: Method = "majority",
    overwrite: bool = False,
) -> pd.DataFrame:
    """Fuse several masks of each case into one; failed masks are left out.

    Args:
        source: a folder with the masks of one case, or with one folder per program or rater.
        output: folder for `<case>.nii.gz`, fused.tsv and agreement.tsv.
        method: majority, simple or staple; each label is fused separately.
        overwrite: whether files that neurotarget did not write may be replaced.

    Returns:
        One row per case, mask and label: status, reason, and Dice with the fused mask. A case that
        was not written has one row with the status failed.

    Raises:
        DataError: no case has two masks, or an output would replace a mask.
    """
    cases = fuse_masks(Path(source), Path(output), method=method, overwrite=overwrite)
    rows = [row for case in cases for row in case.lines]
    return pd.DataFrame(rows, columns=list(COLUMNS))
