"""Intensity scale of scans, computed from the whole scan, and the box of a stripped brain."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from neurotarget.data.histogram_scale import standardised
from neurotarget.data.scans.geometry import Grid, crop
from neurotarget.derived import terms_of
from neurotarget.problems import DataError, error

Intensity = Literal["zscore", "zscore_foreground", "zscore_brain", "percentile", "nyul", "none"]
SAMPLED = 1_000_000  # voxels in the sample for intensity statistics
LEAST_EMPTY = 0.05  # least share of voxels around a stripped brain; its tightest box has about 0.4


class Scale(Protocol):
    """Settings of an intensity scale, see `Preparation`."""

    intensity: Intensity
    clip_percent: tuple[float, float] | None
    scale: float
    landmarks: Mapping[str, Sequence[float]] | None


class Place(NamedTuple):
    """A case and its file, for messages."""

    case_id: str
    file: str
    contrast: str = ""


def scaled(array: ndarray, settings: Scale, place: Place) -> Float[ndarray, "I J K"]:
    """Convert a scan to the intensity scale of these settings.

    Args:
        array: voxels of the whole scan, in any unit.
        settings: kind of the scale and its parameters.
        place: case, file and contrast; the contrast selects the landmarks of `nyul`.

    Raises:
        DataError: the scan of `zscore_brain` has no empty voxels around a brain, or there are
            no landmarks of the contrast for `nyul`.
    """
    values = array.astype(np.float32)
    if settings.intensity == "nyul":
        return _on_standard_scale(values, settings, place)
    if settings.intensity == "zscore_brain":
        return _of_brain(values, settings, place)
    if settings.intensity == "none" and settings.clip_percent is None:
        return values * np.float32(settings.scale)
    step = max(int(np.cbrt(values.size / SAMPLED)), 1)
    sample = values[::step, ::step, ::step]
    if settings.clip_percent is not None:
        low, high = (float(item) for item in np.percentile(sample, settings.clip_percent))
        values, sample = np.clip(values, low, high), np.clip(sample, low, high)
    if settings.intensity == "none":
        return values * np.float32(settings.scale)
    if settings.intensity == "percentile":
        return (values - low) / max(high - low, 1e-6)
    if settings.intensity == "zscore_foreground":
        inside = sample[sample > sample.mean()]
        sample = inside if inside.size else sample
    return (values - float(sample.mean())) / max(float(sample.std()), 1e-6)


def _on_standard_scale(values: ndarray, settings: Scale, place: Place) -> ndarray:
    standard = (settings.landmarks or {}).get(place.contrast)
    if standard is None:
        found = f"no landmarks of {place.contrast} for data.preparation.intensity=nyul"
        todo = "start from a run that has learnt them; python train.py learns them"
        raise DataError(
            error(found, "those of a training", todo, case_id=place.case_id, file=place.file)
        )
    return standardised(values, standard)


def combined(text: str, scans: Mapping[str, ndarray]) -> Float[ndarray, "I J K"]:
    """Compute a derived contrast, such as `t1ce - t1`, per voxel in the unit of the files.

    Args:
        text: a sum that `derived.terms_of` reads.
        scans: voxels of each contrast of the sum, on one grid.
    """
    return sum(term.factor * scans[term.contrast].astype(np.float32) for term in terms_of(text))


def brain_box(scans: Iterable[ndarray], grid: Grid) -> tuple[slice, ...]:
    """Compute the box around the stripped brains of all scans, in canonical voxels.

    Args:
        scans: in stored order, on one grid; the brain is all voxels that differ from the first
            voxel of their scan.
        grid: gives the orientation of the scans.
    """
    brain = grid.canonical(np.logical_or.reduce([_is_brain(one) for one in scans]))
    spans = [np.flatnonzero(brain.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    return tuple(slice(int(span[0]), int(span[-1]) + 1) for span in spans)


def boxed(grid: Grid, box: Sequence[slice]) -> Grid:
    """Crop a whole-scan grid to a box of canonical voxels.

    Args:
        grid: over the whole scan.
        box: half-open range per canonical axis; without an overlap the grid is returned unchanged.
    """
    sides = np.array([one.stop - one.start for one in box])
    middle = [(one.start + one.stop - 1) / 2 for one in box]
    size_mm = sides * np.linalg.norm(grid.canonical_affine[:3, :3], axis=0)
    return crop(grid, middle, tuple(size_mm)) or grid


def _is_brain(array: ndarray) -> Bool[ndarray, "I J K"]:
    """Mark the voxels of a stripped brain: all that differ from the first voxel."""
    return array != array[0, 0, 0]


def stripped_brain(array: ndarray, todo: str, **place: str) -> Bool[ndarray, "I J K"]:
    """Mark the voxels of a stripped brain, and refuse a scan that is not stripped.

    Args:
        array: scan (I, J, K) whose first voxel lies outside of the brain; all voxels with another
            value are brain.
        todo: advice of the message.
        place: `case_id` and `file` of the message.

    Raises:
        DataError: less than `LEAST_EMPTY` of the voxels are empty, or all are.
    """
    brain = _is_brain(array)
    empty = 1 - brain.mean()
    if empty < LEAST_EMPTY or not brain.any():
        found = f"{100 * empty:.1f} % of the voxels with the value of the first voxel"
        wanted = "a brain without skull, surrounded by voxels of one value"
        raise DataError(error(found, wanted, todo, **place))
    return brain


def _of_brain(values: ndarray, settings: Scale, place: Place) -> Float[ndarray, "I J K"]:
    """Scale to mean 0 and SD 1 inside of a stripped brain, and 0 outside of it."""
    todo = "strip the skull, or set data.preparation.intensity=zscore"
    brain = stripped_brain(values, todo, case_id=place.case_id, file=place.file)
    inside = values[brain]
    if settings.clip_percent is not None:
        inside = np.clip(inside, *np.percentile(inside, settings.clip_percent))
    result = np.zeros_like(values)
    result[brain] = (inside - inside.mean(dtype=np.float64)) / max(float(inside.std()), 1e-6)
    return result
