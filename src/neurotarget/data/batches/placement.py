"""Position of a small target in scans, and the choice of a region or cascade for it.

A target that fills at most 1 % of a scan is hard to learn on whole scans: nearly all patches are
background, and the network may label places that it has seldom seen. The training masks
show whether a box at a fixed place holds the target in every subject, or whether the first stage of
a cascade must find it in each scan.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from neurotarget.data.batches.roi import anchor_vox, grid_spacing_mm
from neurotarget.data.scans.geometry import Grid
from neurotarget.problems import DataError
from neurotarget.target_fields import Anchor
from neurotarget.types import Roi, Target

SMALL_SHARE = 0.01  # share of a scan's voxels below which a target is small
FEW_PATCHES = 4.0  # a scan of at most this many patches is small enough to train on whole
MOST_PATCHES = 8.0  # largest volume of a region, in patches; above it a cascade is better
FEWEST = 8  # fewest subjects from which the variation of a position can be estimated
SPREADS = 4.0  # SDs of a face; they include 99 % of people with 95 % confidence at n = 12
MARGIN_MM = 5.0  # beyond the outermost face, for the surroundings that the network needs
ALIGNED = 0.999  # least cosine of a scan's axes with the world's, for an anchor in world mm


class Placed(NamedTuple):
    """Position of a training mask in its scan.

    Attributes:
        case_id: of the case.
        share: labelled share of the scan's voxels, 0 to 1.
        scan_mm3: volume of the whole scan.
        faces_mm: by anchor, the low and the high face of the mask's bounding box along the
            canonical axes, as (2, 3) distances from the anchor.
    """

    case_id: str
    share: float
    scan_mm3: float
    faces_mm: Mapping[Anchor, Float[ndarray, "2 3"]]


class Proposal(NamedTuple):
    """Proposed placement of a target; `none` if whole scans are good enough for training."""

    kind: Literal["none", "region", "cascade"]
    roi: Roi | None  # None for other kinds
    reason: str  # "" for none


def measure_mask(
    mask: Bool[ndarray, "I J K"], scan: ndarray, grid: Grid, *, case_id: str
) -> Placed | None:
    """Measure the position of a mask; None for an empty mask.

    An anchor that the scan lacks (no outline of a head, or axes that are rotated against those of
    the world) is left out.

    Args:
        mask: in stored order.
        scan: in stored order, for the outline of the head.
        grid: over the whole scan.
        case_id: for messages.
    """
    marked = grid.canonical(mask)
    if not marked.any():
        return None
    spacing = np.array(grid_spacing_mm(grid.canonical_affine))
    spans = [np.flatnonzero(marked.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    faces = np.array([[span[0] - 0.5 for span in spans], [span[-1] + 0.5 for span in spans]])
    centre_mm: dict[Anchor, ndarray] = {}
    for anchor in ("head", "scan", "world"):
        if anchor == "world" and not _is_aligned(grid):
            continue
        try:
            origin = anchor_vox(scan, grid, anchor, case_id=case_id, file="")
        except DataError:
            continue
        centre_mm[anchor] = (faces - origin) * spacing
    return Placed(case_id, float(marked.mean()), float(marked.size * spacing.prod()), centre_mm)


def propose_placement(placed: Sequence[Placed], target: Target) -> Proposal:
    """Propose a region or a cascade for a target from the masks of training cases, one per subject.

    A region is proposed if it is at most a few patches large, and if each mask lies in the region
    that is computed from all other masks. It extends beyond the outermost mask by a margin,
    and as far as the spread of the masks predicts for unseen subjects. The anchor with the smallest
    region is chosen, but `head` is preferred up to twice that size, since this anchor does not
    depend on how scans were cropped.
    """
    patch_mm = np.array(target.patch_vox) * target.spacing_mm
    patches = float(np.median([one.scan_mm3 for one in placed]) / patch_mm.prod()) if placed else 0
    share = float(np.median([one.share for one in placed])) if placed else 1.0
    if share >= SMALL_SHARE or patches <= FEW_PATCHES:
        return Proposal("none", None, "")
    small = f"{target.name} fills {percent(share)} of these scans"
    if len(placed) < FEWEST:
        why = f"{len(placed)} training masks are too few to estimate where it may lie"
        return Proposal("cascade", None, f"{small}, and {why}")
    regions = {name: region_about(faces, patch_mm) for name, faces in _by_anchor(placed).items()}
    best = min(
        regions, key=lambda name: regions[name].volume_mm3 * (0.5 if name == "head" else 1.0)
    )
    low, high = regions[best].low_mm, regions[best].high_mm
    times = regions[best].volume_mm3 / float(patch_mm.prod())
    missed = _missed(_by_anchor(placed)[best], patch_mm)
    if times > MOST_PATCHES or missed:
        why = "no box at a fixed place holds it in everybody"
        return Proposal("cascade", None, f"{small}, and {why}")
    size, middle = high - low, (low + high) / 2
    roi = Roi(tuple(size.round(1)), best, tuple(middle.round(1)))
    sides = " × ".join(f"{side:.0f}" for side in size)
    why = f"a box of {sides} mm ({_where(best)}) holds all {len(placed)} training masks"
    return Proposal("region", roi, f"{small}; {why}")


class Region(NamedTuple):
    """Faces of a box relative to its anchor, mm."""

    low_mm: Float[ndarray, "3"]
    high_mm: Float[ndarray, "3"]

    @property
    def volume_mm3(self) -> float:
        """Volume, mm³."""
        return float((self.high_mm - self.low_mm).prod())


def region_about(faces: Float[ndarray, "N 2 3"], least_mm: Float[ndarray, "3"]) -> Region:
    """Compute a box that holds these masks and, estimated from their spread, unseen masks.

    A face lies at the outermost mask or `SPREADS` standard deviations from the mean face, whichever
    is further, plus `MARGIN_MM`.

    Args:
        faces: low and high faces of at least two masks, relative to one anchor, mm.
        least_mm: smallest sides of the box; shorter ones are extended on both faces.
    """
    reach = SPREADS * faces.std(axis=0, ddof=1)
    low = np.minimum(faces[:, 0].min(axis=0), faces[:, 0].mean(axis=0) - reach[0]) - MARGIN_MM
    high = np.maximum(faces[:, 1].max(axis=0), faces[:, 1].mean(axis=0) + reach[1]) + MARGIN_MM
    lacking = np.maximum(least_mm - (high - low), 0) / 2
    return Region(low - lacking, high + lacking)


def percent(share: float) -> str:
    """Format a share in percent with two significant digits."""
    return f"{100 * share:.2g} %"


def _missed(faces: Float[ndarray, "N 2 3"], least_mm: Float[ndarray, "3"]) -> int:
    """Count masks that are not inside the region computed from all other masks."""
    missed = 0
    for place in range(len(faces)):
        region = region_about(np.delete(faces, place, axis=0), least_mm)
        inside = (faces[place, 0] >= region.low_mm) & (faces[place, 1] <= region.high_mm)
        missed += not inside.all()
    return missed


def _by_anchor(placed: Sequence[Placed]) -> dict[Anchor, Float[ndarray, "N 2 3"]]:
    """Return the faces relative to each anchor that all scans have."""
    names: Iterable[Anchor] = ("head", "scan", "world")
    shared = [name for name in names if all(name in one.faces_mm for one in placed)]
    return {name: np.stack([one.faces_mm[name] for one in placed]) for name in shared}


def _is_aligned(grid: Grid) -> bool:
    axes = grid.canonical_affine[:3, :3]
    return bool((np.diag(axes / np.linalg.norm(axes, axis=0)) > ALIGNED).all())


def _where(anchor: Anchor) -> str:
    return {
        "head": "placed by the outline of the head",
        "scan": "placed by the middle of the scan, so new scans must be cropped in the same way",
        "world": "placed in the coordinates of the scans, as of a template",
    }[anchor]
