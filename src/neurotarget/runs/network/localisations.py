"""Comparison of localisations with masks: statistics, a table, sentences."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from neurotarget.data.batches.target_boxes import Box, box_error_mm, share_inside
from neurotarget.data.scans.geometry import Grid
from neurotarget.files.writing import table_text, write_text
from neurotarget.inference.localiser import Limits, Located
from neurotarget.types import Triple

HIT = 0.8  # least share of the mask's box inside the cropped box for a hit


class Localisation(NamedTuple):
    """Localisation of one case, and its distance from the mask."""

    located: Located
    drawn_mm: Triple | None  # centre of the mask's box, world
    error_mm: tuple[float, ...]  # located minus mask: centre, then sides; empty without both
    inside: float  # share of the mask's box inside the cropped box; NaN without both

    @property
    def box(self) -> Box | None:
        """Located box, without margin."""
        return self.located.box

    @property
    def is_hit(self) -> bool:
        """Return whether the target was found, and the localisation accepted."""
        return not self.located.reason and self.inside >= HIT

    @property
    def is_miss(self) -> bool:
        """Return whether a wrong localisation was accepted: the only error without fallback."""
        return not self.located.reason and self.inside < HIT


def compared(located: Located, reference: Box | None, grid: Grid, limits: Limits) -> Localisation:
    """Compare a localisation with the box of the mask, if there is one.

    Args:
        located: by the localiser.
        reference: box of the mask; None without a mask.
        grid: coarse grid, along whose axes errors are measured.
        limits: margin and least size of the box that is cut.
    """
    centre = None if reference is None else reference.centre_mm
    if reference is None or located.box is None:
        return Localisation(located, centre, (), float("nan"))
    error = box_error_mm(located.box, reference, grid)
    roi = located.box.roi(margin_mm=limits.margin_mm, least_mm=limits.least_mm)
    cut = Box(located.box.centre_mm, roi.size_mm)
    return Localisation(located, centre, error, share_inside(reference, cut, grid))


def facts_of(by_case: Mapping[str, Localisation], splits: Mapping[str, str]) -> dict[str, Any]:
    """Statistics of training cases and of others, none of them used to train their localiser.

    Returns:
        For `training` and `other`: `cases`, `found` (hits), `missed` (wrong and accepted),
        `fallbacks` (rejected), and median and 95th percentile of the hits' errors in mm, None
        without hits.
    """
    parts = {"training": True, "other": False}
    return {
        name: _part([one for key, one in by_case.items() if (splits[key] == "train") is trains])
        for name, trains in parts.items()
    }


def localisation_sentences(facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """One sentence per part, for the terminal."""
    lines = []
    for name, part in facts.items():
        if part["cases"]:
            off = part["error_mm_median"]
            error = "" if off is None else f", centre off by {off:.1f} mm in the median"
            lines.append(
                f"localiser on {part['cases']} unseen {name} cases: {part['found']} found{error}; "
                f"{part['missed']} missed unnoticed, {part['fallbacks']} fell back"
            )
    return lines


def write_table(path: Path, by_case: Mapping[str, Localisation], splits: Mapping[str, str]) -> None:
    """Write localisations.tsv: one row per case.

    Columns are split, centre of the box (x_mm, y_mm, z_mm, world), error_mm of the centre,
    share_inside, confidence, volume_mm3 and note.
    """
    rows = []
    for case_id, one in by_case.items():
        place = [None] * 3 if one.box is None else list(one.box.centre_mm)
        off = float(np.linalg.norm(one.error_mm[:3])) if one.error_mm else float("nan")
        row = {"case_id": case_id, "split": splits[case_id]}
        row |= dict(zip(("x_mm", "y_mm", "z_mm"), place, strict=True))
        row |= {"error_mm": off, "share_inside": one.inside}
        row |= {"confidence": one.located.confidence, "volume_mm3": one.located.volume_mm3}
        row |= {"note": one.located.reason or ("missed" if one.is_miss else "")}
        rows.append(row)
    text = table_text(pd.DataFrame(rows), float_format="%.4g")
    write_text(path, text)


def _part(localisations: list[Localisation]) -> dict[str, Any]:
    errors = [float(np.linalg.norm(one.error_mm[:3])) for one in localisations if one.is_hit]
    middle, high = np.percentile(errors, [50, 95]).tolist() if errors else (None, None)
    return {
        "cases": len(localisations),
        "found": sum(one.is_hit for one in localisations),
        "missed": sum(one.is_miss for one in localisations),
        "fallbacks": sum(bool(one.located.reason) for one in localisations),
        "error_mm_median": middle,
        "error_mm_p95": high,
    }
