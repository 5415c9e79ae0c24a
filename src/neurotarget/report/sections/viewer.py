"""Data of the page's viewer: cases cropped to the target, as base64 NIfTI.

The volumes are for display only: scans have 256 grey levels, and class numbers wrap around after
127. World coordinates are those of the files.
"""

import base64
import gzip
from collections.abc import Callable, Sequence
from typing import NamedTuple

import nibabel as nib
import numpy as np
from jaxtyping import Float, Integer, Shaped, UInt8
from numpy import ndarray

MARGIN_MM = 20.0  # margin around the target
BARE_MARGIN_MM = 5.0  # margin without a scan
PERCENTILES = (0.5, 99.5)  # percentiles of the scan that are shown black and white
MOST_CLASSES = 127  # the viewer codes the outline of a class as its number + 128
MOST_VOX = 160**3  # most voxels of a case; larger cases are downsampled
FIRST = ("worst", "smallest", "best", "largest", "median", "failed", "flagged")  # encoded first
MOST_MISSES = 5  # after this many cases in a row that do not fit, all further cases are left out


class PageCase(NamedTuple):
    """A case for the page: a picture, and the arrays for the viewer.

    `truth` and `pred` hold class numbers and share the grid of `image`; each may be None. `rank`
    is one word, such as worst; `flags` are sentences on problems.
    """

    case_id: str
    rank: str
    caption: str
    flags: Sequence[str]
    png: bytes | None
    image: Float[ndarray, "I J K"] | Integer[ndarray, "I J K"] | None
    truth: Integer[ndarray, "I J K"] | None
    pred: Integer[ndarray, "I J K"] | None
    affine: Float[ndarray, "4 4"]


class CroppedCase(NamedTuple):
    """Cropped case in 8 bits, with the affine of the crop; fields as in `PageCase`."""

    image: UInt8[ndarray, "I J K"] | None
    truth: UInt8[ndarray, "I J K"] | None
    pred: UInt8[ndarray, "I J K"] | None
    affine: Float[ndarray, "4 4"]


class Volumes(NamedTuple):
    """Gzipped NIfTI files of a case in base64; None where the case has no such volume.

    All are on one grid, as `cropped` returns it.
    """

    image: str | None
    truth: str | None
    pred: str | None

    @property
    def size(self) -> int:
        """Return the number of characters on the page, which is one byte each."""
        return sum(len(part) for part in self if part)


def cropped(
    image: Shaped[ndarray, "I J K"] | None,
    truth: Integer[ndarray, "I J K"] | None,
    pred: Integer[ndarray, "I J K"] | None,
    affine: Float[ndarray, "4 4"],
) -> CroppedCase:
    """Crop a case to the box of both masks plus 20 mm (5 mm without a scan), in 8 bits.

    If all masks are empty or None, the scan is not cropped. More than 4 million voxels are
    downsampled, first along the axis of the smallest spacing. An image in uint8 keeps its grey
    levels, so cropping twice equals cropping once.

    Args:
        image: scan in stored order.
        truth: class numbers on the grid of the scan, 0 is background.
        pred: class numbers of the prediction on the same grid.
        affine: affine of the grid, to RAS+ in mm.
    """
    arrays = [image, truth, pred]
    margin_mm = BARE_MARGIN_MM if image is None else MARGIN_MM
    box = _box([mask for mask in arrays[1:] if mask is not None and mask.any()], affine, margin_mm)
    if box is None:
        known = next((array for array in arrays if array is not None), np.empty((0, 0, 0)))
        box = [slice(0, side, 1) for side in known.shape]
    box = _thinned(box, affine)
    scan, *maps = (None if array is None else array[box] for array in arrays)
    return CroppedCase(
        None if scan is None else _shades(scan),
        *(None if one is None else _few_classes(one) for one in maps),
        _moved(affine, box),
    )


def encode(case: PageCase) -> Volumes | None:
    """Crop the volumes of a case with `cropped` and encode them; None without volumes."""
    *arrays, affine = cropped(case.image, case.truth, case.pred, case.affine)
    if all(array is None for array in arrays):
        return None
    return Volumes(*(None if one is None else nifti_base64(one, affine) for one in arrays))


def nifti_base64(array: UInt8[ndarray, "I J K"], affine: Float[ndarray, "4 4"]) -> str:
    """Encode a gzipped NIfTI file in canonical order as base64; equal input gives equal text."""
    file = nib.as_closest_canonical(nib.Nifti1Image(np.ascontiguousarray(array), affine))
    file.header.set_xyzt_units("mm")
    return base64.b64encode(gzip.compress(file.to_bytes(), 6, mtime=0)).decode("ascii")


def fit_budget(
    cases: Sequence[PageCase],
    limit_bytes: int,
    encoder: Callable[[PageCase], Volumes | None] = encode,
) -> list[Volumes | None]:
    """Encode the volumes of the cases that fit; None for others and for cases without volumes.

    One case of each rank in `FIRST` is tried first; the others follow in their order. After five
    cases in a row that do not fit, all further cases are left out.

    Args:
        cases: cases in the order of the page, which is also the order of the result.
        limit_bytes: limit of all volumes together, as base64.
        encoder: function that returns the volumes of one case.
    """
    encoded: list[Volumes | None] = [None] * len(cases)
    left, misses = limit_bytes, 0
    for number in _urgency(cases):
        if misses == MOST_MISSES:
            break
        volumes = encoder(cases[number])
        if volumes is None:
            continue
        if volumes.size > left:
            misses += 1
            continue
        encoded[number], left, misses = volumes, left - volumes.size, 0
    return encoded


def fit_pictures(cases: Sequence[PageCase], limit_bytes: int) -> list[str | None]:
    """Encode the pictures that fit as base64; pictures are tried in the order of `fit_budget`.

    The result is in the order of `cases`; None for pictures that do not fit or do not exist. A
    smaller picture may fit after a larger picture did not.
    """
    encoded: list[str | None] = [None] * len(cases)
    left = limit_bytes
    for number in _urgency(cases):
        png = cases[number].png
        if png and 4 * -(-len(png) // 3) <= left:
            encoded[number] = base64.b64encode(png).decode("ascii")
            left -= len(encoded[number])
    return encoded


def _urgency(cases: Sequence[PageCase]) -> list[int]:
    ranks = [case.rank for case in cases]
    first = [ranks.index(rank) for rank in FIRST if rank in ranks]
    return first + [number for number in range(len(cases)) if number not in first]


def _box(masks: Sequence[ndarray], affine: ndarray, margin_mm: float) -> list[slice] | None:
    """Return the bounding box of all masks plus a margin; None without masks."""
    if not masks:
        return None
    used = np.logical_or.reduce([mask > 0 for mask in masks])
    margins = np.ceil(margin_mm / nib.affines.voxel_sizes(affine)).astype(int)
    box = []
    for axis, margin in enumerate(margins):
        filled = np.flatnonzero(used.any(axis=tuple({0, 1, 2} - {axis})))
        low, high = int(filled[0] - margin), int(filled[-1] + margin + 1)
        box.append(slice(max(low, 0), min(high, used.shape[axis]), 1))
    return box


def _thinned(box: Sequence[slice], affine: ndarray) -> tuple[slice, ...]:
    """Return the box, with larger steps if it has too many voxels."""
    spacing_mm, steps = nib.affines.voxel_sizes(affine), np.ones(3, int)
    sides = np.array([part.stop - part.start for part in box])
    while np.prod(-(-sides // steps)) > MOST_VOX:
        steps[np.argmin(np.where(sides > steps, spacing_mm * steps, np.inf))] += 1
    return tuple(
        slice(part.start, part.stop, int(step)) for part, step in zip(box, steps, strict=True)
    )


def _moved(affine: ndarray, box: Sequence[slice]) -> ndarray:
    """Return the affine of a crop, with unchanged world coordinates of its voxels."""
    step = np.diag([*(part.step for part in box), 1.0])
    step[:3, 3] = [part.start for part in box]
    return np.asarray(affine, dtype=float) @ step


def _shades(scan: ndarray) -> ndarray:
    """Return a scan in 256 shades between two percentiles; NaN and a constant scan are black."""
    if scan.dtype == np.uint8:
        return scan
    known = scan[np.isfinite(scan)]
    low, high = np.percentile(known, PERCENTILES) if known.size else (0.0, 0.0)
    if high <= low:
        return np.zeros(scan.shape, np.uint8)
    shades = (np.nan_to_num(scan.astype(np.float32), nan=low) - low) * (255 / (high - low))
    return np.clip(np.rint(shades), 0, 255).astype(np.uint8)


def _few_classes(mask: ndarray) -> ndarray:
    """Return class numbers of at most 127; larger numbers begin again at 1."""
    if mask.dtype == bool:
        return mask.astype(np.uint8)
    return np.where(mask > 0, (mask.astype(np.int64) - 1) % MOST_CLASSES + 1, 0).astype(np.uint8)
