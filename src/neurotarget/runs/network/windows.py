"""How a run scores whole volumes: windows, their overlap, and the mirror."""

from collections.abc import Mapping
from typing import Any

from neurotarget.data.sides.pairs import as_trained
from neurotarget.inference.tiling import SlidingWindow
from neurotarget.problems import DataError
from neurotarget.types import Target


def build_windows(
    config: Mapping[str, Any],
    target: Target,
    *,
    overlap: float | None = None,
    mirror: bool | str | None = None,
    margin_vox: int = 0,
) -> SlidingWindow:
    """How a run scores whole volumes, from its config unless it is said otherwise.

    `mirror: auto` averages over the left/right mirror where training flipped that way.
    `margin_vox` is the network's: how many voxels at each face of a window it gives no score.

    Raises:
        DataError: the overlap is no share, mirror no such word, or a window nothing but margin.
    """
    # runs of before these settings existed have none
    settings = {"overlap": 0.5, "mirror": False, **(config.get("windows") or {})}
    overlap = settings["overlap"] if overlap is None else overlap
    mirror = settings["mirror"] if mirror is None else mirror
    if mirror not in (True, False, "auto"):
        raise DataError(f"mirror: found {mirror!r}, wanted true, false or auto")
    flip = (config.get("augment") or {}).get("flip") or {}
    flipped = flip.get("p", 1) > 0 and 0 in flip.get("axes", [0]) if flip else False
    if mirror is True and not flipped:
        raise DataError(
            "mirror: found true for a training without left/right flips, wanted auto or false; "
            "its network has never seen a mirrored head"
        )
    swap = as_trained(target).swap if mirror and flipped else None
    return SlidingWindow(
        target.patch_vox, overlap=checked_overlap(overlap), swap=swap, margin_vox=margin_vox
    )


def checked_overlap(asked: object) -> float:
    """Overlap of neighbouring windows as a share of their side, in [0, 1).

    Raises:
        DataError: it is no such number.
    """
    is_number = isinstance(asked, int | float) and not isinstance(asked, bool)
    if not (is_number and 0 <= asked < 1):
        raise DataError(
            f"overlap: found {asked}, wanted a number of at least 0 and less than 1, such as 0.5"
        )
    return float(asked)
