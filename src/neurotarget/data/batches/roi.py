"""The region of interest: a box of fixed size, placed relative to an anchor of every scan.

The `head` anchor is found from the outline of the head alone, in a fraction of a second and without
registration. The vertex gives its height; the outline of the vault gives the midline and the middle
between forehead and occiput. In MNI152 the anchor is the point (0, −17, 90) mm. It is accurate
enough for a generous box; the network segments the target inside the box.
"""

import numpy as np
import SimpleITK as sitk
from jaxtyping import Bool, Float, Real
from numpy import ndarray
from scipy import ndimage

from neurotarget.data.scans.geometry import Grid, crop
from neurotarget.pieces import largest_piece
from neurotarget.problems import DataError, error
from neurotarget.target_fields import Anchor
from neurotarget.types import Roi, Triple

COARSE_MM = 4.0
SCALP_SHARE = 0.15  # share of Otsu's threshold
VERTEX_AREA_MM2 = 1000.0  # area of the first slice from above that is more than noise or hair
VAULT_MM = (25.0, 85.0)  # below the vertex: above the nose and the ears, so that only skull counts


def box_of(scan: ndarray, grid: Grid, roi: Roi, *, case_id: str, file: str) -> Grid:
    """Cut a whole-scan grid to the region of interest.

    Args:
        scan: in stored order; only the anchor `head` uses its values.
        grid: over the whole scan.
        roi: size, anchor and offset of the box, which is cut where it reaches beyond the scan.
        case_id: for messages.
        file: for messages.

    Raises:
        DataError: no head is found, or the box misses the scan.
    """
    spacing = grid_spacing_mm(grid.canonical_affine)
    if roi.anchor == "world":
        centre = (np.linalg.inv(grid.canonical_affine) @ [*roi.offset_mm, 1.0])[:3]
    else:
        anchor = anchor_vox(scan, grid, roi.anchor, case_id=case_id, file=file)
        centre = anchor + np.array(roi.offset_mm) / spacing
    box = crop(grid, centre, roi.size_mm)
    if box is None:
        extent = " × ".join(f"{side:.0f}" for side in np.multiply(grid.canonical_shape, spacing))
        found = f"a scan of {extent} mm that the region of interest misses"
        wanted = f"a scan that holds the point {roi.offset_mm} mm from the {roi.anchor} anchor"
        todo = "set target.roi to fit these scans, or target.roi=null to use whole scans"
        raise DataError(error(found, wanted, todo, case_id=case_id, file=file))
    return box


def anchor_vox(
    scan: ndarray, grid: Grid, anchor: Anchor, *, case_id: str, file: str
) -> Float[ndarray, "3"]:
    """Compute the canonical voxel of an anchor, with fractions, from a whole-scan grid.

    `head` is described above, `scan` is the centre of the grid, and `world` is the origin of the
    affine, which may lie outside of the scan. The array `scan` is in stored order.

    Raises:
        DataError: no head is found.
    """
    if anchor == "head":
        spacing = grid_spacing_mm(grid.canonical_affine)
        return _head_anchor(grid.canonical(scan), spacing, case_id, file)
    if anchor == "scan":
        return (np.array(grid.canonical_shape) - 1) / 2
    return (np.linalg.inv(grid.canonical_affine) @ [0.0, 0.0, 0.0, 1.0])[:3]


def grid_spacing_mm(affine: Float[ndarray, "4 4"]) -> Triple:
    """Lengths of an affine's columns, the sides of its voxels, mm."""
    return tuple(float(item) for item in np.linalg.norm(affine[:3, :3], axis=0))


def _head_anchor(
    scan: Real[ndarray, "I J K"], spacing: Triple, case_id: str, file: str
) -> Float[ndarray, "3"]:
    step = tuple(max(int(COARSE_MM / side), 1) for side in spacing)
    coarse_mm = np.array(spacing) * step
    head = _head(scan[:: step[0], :: step[1], :: step[2]])
    area_mm2 = head.sum(axis=(0, 1)) * coarse_mm[0] * coarse_mm[1]
    tall = np.flatnonzero(area_mm2 > VERTEX_AREA_MM2)
    if tall.size == 0:
        wanted = "a scan of the whole head, for the region of interest's anchor 'head'"
        todo = "set target.roi.anchor=scan or world, or target.roi=null to use whole scans"
        raise DataError(error("no outline of a head", wanted, todo, case_id=case_id, file=file))
    vertex = int(tall[-1])
    depths = [max(vertex - round(depth / coarse_mm[2]), 0) for depth in VAULT_MM]
    vault = head[:, :, depths[1] : depths[0] + 1]
    centre = [_middle(vault.any(axis=1)), _middle(vault.any(axis=0)), vertex]
    return np.array(centre) * step


def _head(coarse: ndarray) -> Bool[ndarray, "I J K"]:
    """Largest bright component; scalp is darker than white matter, so the threshold is low."""
    values = np.asarray(coarse, dtype=np.float32)
    if values.max() <= values.min():
        return np.zeros(values.shape, dtype=bool)
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.Execute(sitk.GetImageFromArray(np.minimum(values, np.percentile(values, 99))))
    side = [max(length // 8, 1) for length in values.shape]
    upper = values[:, :, -side[2] :]
    air = np.concatenate([upper[i][:, j].ravel() for i in _ends(side[0]) for j in _ends(side[1])])
    bright = values > max(SCALP_SHARE * otsu.GetThreshold(), 1.5 * np.percentile(air, 99))
    opened = ndimage.binary_opening(bright)
    return largest_piece(opened) if opened.any() else bright


def _ends(side: int) -> tuple[slice, slice]:
    return slice(None, side), slice(-side, None)


def _middle(outline: Bool[ndarray, "N K"]) -> float:
    """Middle between the first and last voxel, as the median over slices."""
    slices = outline[:, outline.any(axis=0)]
    first = slices.argmax(axis=0)
    last = len(slices) - 1 - slices[::-1].argmax(axis=0)
    return float(np.median((first + last) / 2))
