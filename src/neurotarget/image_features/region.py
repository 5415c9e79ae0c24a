"""A region of an image as IBSI prepares it: resampled, re-segmented, and in grey levels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer, Real
from numpy import ndarray
from scipy.ndimage import map_coordinates, spline_filter

from neurotarget.image_features.feature_settings import FeatureSettings, Interpolation
from neurotarget.image_features.filters.responses import reach_mm
from neurotarget.image_features.intensity_in_space import PEAK_MM
from neurotarget.problems import DataError, error

MOST_LEVELS = 1024
REACH_VOX = 12  # of a voxel that a spline depends on

Spacing = tuple[float, float, float]


class Region(NamedTuple):
    """Part of an image around a region, slices first, and two masks.

    The mask of the shape includes voxels whose intensity does not count.
    """

    image: Float[ndarray, "K I J"]
    mask: Bool[ndarray, "K I J"]
    voxels: Bool[ndarray, "K I J"]  # those whose intensity counts
    spacing_mm: Spacing
    start_mm: Spacing = (0.0, 0.0, 0.0)  # its first voxel along k, i, j, from that of the image

    @property
    def values(self) -> Float[ndarray, " V"]:
        """Intensities that count."""
        return self.image[self.voxels]

    def affine(self, whole: Float[ndarray, "4 4"]) -> Float[ndarray, "4 4"]:
        """Affine of the part with i, j, k in order, from that of the whole image."""
        k, i, j = self.start_mm
        step_k, step_i, step_j = self.spacing_mm
        unit = whole[:3, :3] / np.linalg.norm(whole[:3, :3], axis=0)
        made = np.eye(4)
        made[:3, :3] = unit * (step_i, step_j, step_k)
        made[:3, 3] = whole[:3, 3] + unit @ (i, j, k)
        return made


def prepared(
    image: Real[ndarray, "I J K"],
    mask: Bool[ndarray, "I J K"],
    spacing_mm: Sequence[float],
    settings: FeatureSettings,
) -> Region:
    """Cut out a region and follow IBSI's steps up to the discretisation.

    Slices are across the last axis. The part around the region is as wide as filters reach.

    Args:
        image: intensities of the whole image.
        mask: the region, on the same grid.
        spacing_mm: sides of a voxel along I, J and K.
        settings: new spacing, interpolation, range of intensities, outliers and filters.

    Raises:
        DataError: the mask has another shape or no voxel, or no voxel is left; NaN or Inf in it, or
            within reach of a filter.
    """
    _check(image, mask)
    image, mask = np.moveaxis(image, 2, 0), np.moveaxis(mask, 2, 0)
    i_mm, j_mm, k_mm = map(float, spacing_mm)
    old = (k_mm, i_mm, j_mm)
    new = _slices_first(settings.spacing_mm, old)
    reaches = [reach_mm(one, new or old, settings.boundary) for one in settings.read_filters()]
    around_mm = PEAK_MM + max(reaches, default=0.0)
    if new is None or np.allclose(new, old, rtol=1e-6):
        box = _box(mask, old, around_mm)
        start = _start_mm(box, old)
        region = Region(image[box].astype(float), mask[box], mask[box], old, start)
    else:
        region = resampled(image, mask, old, new, settings.interpolation, around_mm=around_mm)
        if settings.rounded:
            region = region._replace(image=np.round(region.image))
    if settings.filters and (absent := int((~np.isfinite(region.image)).sum())):
        found = f"NaN or Inf in {absent} voxels around the region, which filters reach"
        raise DataError(error(found, "finite voxels", "fill them, or leave the filters out"))
    region = resegmented(region, settings)
    if not region.voxels.any():
        found = "a region without a voxel after resampling and re-segmentation"
        todo = "look at the label, spacing_mm, low, high and outlier_sd"
        raise DataError(error(found, "at least one voxel", todo))
    return region


def narrowed(region: Region, reach_mm: float = 0.0) -> Region:
    """The part of the image around a region that its features and a filter need.

    Features need what lies within `PEAK_MM`, and the filter `reach_mm` more; Inf keeps all.
    """
    box = _box(region.mask, region.spacing_mm, PEAK_MM + reach_mm)
    parts = (part[box] for part in (region.image, region.mask, region.voxels))
    moved = _start_mm(box, region.spacing_mm)
    start = tuple(a + b for a, b in zip(region.start_mm, moved, strict=True))
    return Region(*parts, region.spacing_mm, start)


def _start_mm(box: Sequence[slice], spacing_mm: Spacing) -> Spacing:
    k, i, j = (part.start * side for part, side in zip(box, spacing_mm, strict=True))
    return float(k), float(i), float(j)


def _check(image: ndarray, mask: ndarray) -> None:
    if image.shape != mask.shape:
        found = f"an image of {image.shape} and a mask of {mask.shape} voxels"
        raise DataError(error(found, "one grid", "resample the mask to the image"))
    if not mask.any():
        raise DataError(error("an empty mask", "at least one voxel", "check the label"))
    if absent := int((~np.isfinite(image[mask])).sum()):
        found = f"NaN or Inf in {absent} of {int(mask.sum())} voxels of the region"
        raise DataError(error(found, "finite voxels", "fill them, or leave them out of the mask"))


def _slices_first(wanted: Sequence[float], old: Spacing) -> Spacing | None:
    if not wanted:
        return None
    i_mm, j_mm, *k_mm = map(float, wanted)
    return (k_mm[0] if k_mm else old[0], i_mm, j_mm)


def _box(mask: Bool[ndarray, "K I J"], spacing_mm: Spacing, around_mm: float) -> tuple[slice, ...]:
    """Box of a mask with a margin in mm; the whole grid if the margin is Inf."""
    spans = []
    for places, side, step in zip(np.nonzero(mask), mask.shape, spacing_mm, strict=True):
        margin = int(min(around_mm / step, side)) + 1
        spans.append(slice(max(int(places.min()) - margin, 0), int(places.max()) + margin + 1))
    return tuple(spans)


def resampled(
    image: ndarray,
    mask: Bool[ndarray, "K I J"],
    old: Spacing,
    new: Spacing,
    interpolation: Interpolation,
    *,
    around_mm: float,
) -> Region:
    """Resample image and mask to a grid with the same centre, around the region.

    Beyond the border the nearest voxel continues. A voxel is inside if at least half of it is.

    Args:
        image: intensities, slices first.
        mask: the region, on the same grid.
        old: sides of a voxel along K, I and J, mm.
        new: sides of a voxel of the new grid.
        interpolation: of the image, linear or cubic; the mask's is linear.
        around_mm: width of the part around the region.

    Source: IBSI, arXiv:1612.07003, section 2.4.
    """
    axes = []
    for place, side, a, b in zip(np.nonzero(mask), mask.shape, old, new, strict=True):
        count = int(np.ceil(round(side * a / b, 6)))
        at = (side - 1) / 2 + (np.arange(count) - (count - 1) / 2) * b / a
        reach = around_mm / a + 1
        is_near = (at >= place.min() - reach) & (at <= place.max() + reach)
        axes.append(at[is_near] if is_near.any() else at[:1])
    box = tuple(slice(max(int(at[0]) - REACH_VOX, 0), int(at[-1]) + REACH_VOX + 2) for at in axes)
    points = np.meshgrid(
        *(at - part.start for at, part in zip(axes, box, strict=True)), indexing="ij"
    )
    part, order = image[box].astype(float), 3 if interpolation == "cubic" else 1
    if order == 3:
        part = spline_filter(part, 3, mode="nearest")
    made = map_coordinates(part, points, order=order, mode="nearest", prefilter=False)
    share = map_coordinates(mask[box].astype(float), points, order=1, mode="nearest")
    inside = share >= 0.5 - 1e-9
    k, i, j = (float(at[0] * side) for at, side in zip(axes, old, strict=True))
    return Region(made, inside, inside, new, (k, i, j))


def resegmented(region: Region, settings: FeatureSettings) -> Region:
    """Leave out intensities outside a range, and then outliers, from the region of intensities.

    Mean and deviation for the outliers are those of all voxels of the region, before the range.
    """
    voxels = region.voxels
    if settings.low is not None:
        voxels = voxels & (region.image >= settings.low)
    if settings.high is not None:
        voxels = voxels & (region.image <= settings.high)
    if settings.outlier_sd is not None and region.voxels.any():
        values = region.image[region.voxels]
        reach = settings.outlier_sd * values.std()
        voxels = voxels & (np.abs(region.image - values.mean()) <= reach)
    return region._replace(voxels=voxels)


def discretised(region: Region, settings: FeatureSettings) -> Integer[ndarray, "K I J"]:
    """Grey levels from 1 of the voxels whose intensity counts, and 0 elsewhere.

    Without bins or a size of them, intensities are levels already.

    Raises:
        DataError: there would be more than `MOST_LEVELS` levels.
    """
    values = levels_of(region.values, settings)
    top = int(values.max())
    if top > MOST_LEVELS:
        wanted = f"at most {MOST_LEVELS}"
        todo = "choose a larger bin_size, or bins=32 for arbitrary units"
        raise DataError(error(f"{top} grey levels", wanted, todo))
    levels = np.zeros(region.image.shape, dtype=np.int32)
    levels[region.voxels] = values
    return levels


def levels_of(values: Float[ndarray, " V"], settings: FeatureSettings) -> Integer[ndarray, " V"]:
    """Grey level of each intensity, by a fixed number or a fixed size of bins.

    Bins of fixed size start at `low`, otherwise at the least intensity; by pyradiomics' convention
    at the multiple of the size below it. Without either, whole numbers are levels, the least one 1.

    Args:
        values: intensities that count.
        settings: `bins`, or `bin_size` with `low`; all intensities equal give level 1 with `bins`.
    """
    if settings.bins is not None:
        spread = np.ptp(values)
        if not spread:
            return np.ones(len(values), dtype=np.int64)
        levels = np.floor(settings.bins * (values - values.min()) / spread) + 1
        return np.minimum(levels, settings.bins).astype(np.int64)
    if settings.bin_size is not None:
        size, start = settings.bin_size, settings.low
        if settings.convention == "pyradiomics":
            start = np.floor(values.min() / size) * size
        start = float(values.min()) if start is None else start
        return (np.floor((values - start) / size) + 1).astype(np.int64)
    return np.round(values - values.min() + 1).astype(np.int64)
