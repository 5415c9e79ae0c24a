"""Settings of inference on whole images for a run: windows, overlap, mirror."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from neurotarget.data.sides.pairs import as_trained
from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.problems import DataError
from neurotarget.tasks.kinds import Segmentation, TaskKind
from neurotarget.types import Target


def build_windows(
    config: Mapping[str, Any],
    target: Target,
    *,
    overlap: float | None = None,
    mirror: bool | str | None = None,
    margin_vox: int = 0,
    task: type[TaskKind] = Segmentation,
) -> Callable[..., Tensor]:
    """Build the inferer that runs a network on whole images, from a run's config and overrides.

    Args:
        config: of the run; its `windows` has overlap, mirror and centre.
        target: patch, and pairs that a mirror swaps.
        overlap: share of a window's side; None: as in the config.
        mirror: true, false, or `auto` for the left/right mirror if training flipped left and right;
            None: as in the config.
        margin_vox: voxels at each face of a window that the network does not score.
        task: kind of the task, which decides what runs the network.

    Raises:
        DataError: overlap or mirror has no valid value, or a window consists of margin only.
    """
    # runs of versions before these settings have none
    settings = {"overlap": 0.5, "mirror": False, "centre": False, **(config.get("windows") or {})}
    overlap = settings["overlap"] if overlap is None else overlap
    mirror = settings["mirror"] if mirror is None else mirror
    if mirror not in (True, False, "auto"):
        raise DataError(f"mirror: found {mirror!r}, wanted true, false or auto")
    flipped = flips_sides(config)
    if mirror is True and not flipped:
        raise DataError(
            "mirror: found true for a training without left/right flips, wanted auto or false; "
            "its network has never seen a mirrored head"
        )
    swap = as_trained(target).swap if mirror and flipped else None
    overlap = checked_overlap(overlap)
    windows = task.window(target, overlap=overlap, swap=swap, margin_vox=margin_vox)
    if settings["centre"] and isinstance(windows, SlidingWindow):
        windows.add_centre()
    return windows


def flips_sides(config: Mapping[str, Any]) -> bool:
    """Return whether training flips left and right, by augmentation or synthesis of scans."""
    flip = (config.get("augment") or {}).get("flip") or {}
    if flip and flip.get("p", 1) > 0 and 0 in flip.get("axes", [0]):
        return True
    synthesis = (config.get("data") or {}).get("synthesis") or {}
    return ((synthesis.get("deformation") or {}).get("flip") or 0) > 0


def checked_overlap(overlap: object) -> float:
    """Check the overlap of neighbouring windows, a share of their side in [0, 1).

    Raises:
        DataError: it is not such a number.
    """
    is_number = isinstance(overlap, int | float) and not isinstance(overlap, bool)
    if not (is_number and 0 <= overlap < 1):
        raise DataError(
            f"overlap: found {overlap}, wanted a number of at least 0 and less than 1, such as 0.5"
        )
    return float(overlap)
