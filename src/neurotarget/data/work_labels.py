"""Label maps on the working box of a case: classes, the region of a localiser, sampled voxels."""

import numpy as np
from numpy import ndarray
from scipy import ndimage

from neurotarget.data.scans.geometry import Grid, labels_to_work, native_spans

FOREGROUND = 5_000  # most labelled voxels stored per class, for sampling patches


def work_labels(classes: ndarray, grid: Grid, num_labels: int) -> tuple[ndarray, float]:
    """Class map on the working box, and the percentage of the mask that lies outside the box.

    Args:
        classes: of each voxel in stored order.
        grid: the working box in the scan.
        num_labels: classes including background; higher numbers, such as the ignored class, are
            not part of the mask.

    Returns:
        Classes on the box, and percent with one decimal; 0 for an empty mask.
    """
    box = tuple(slice(low, stop) for low, stop in native_spans(grid))
    marked = (classes > 0) & (classes < num_labels)
    total, kept = (int(part.sum()) for part in (marked, grid.canonical(marked)[box]))
    outside = 100 * (1 - kept / total) if total else 0.0
    return labels_to_work(classes, grid), round(outside, 1)


def region_of(classes: ndarray, grid: Grid, num_labels: int, least_mm: float) -> ndarray:
    """Ellipsoid of class 1 around all labelled voxels, on the working box.

    The bounding box is measured on the scan's own grid: on a coarse grid the ends of a thin
    structure would be lost.

    Args:
        classes: of each voxel in stored order.
        grid: the working box in the scan.
        num_labels: classes including background; higher numbers are not counted.
        least_mm: least length of the ellipsoid's axes.

    Returns:
        0 and 1 on the box, in the type of `classes`; all 0 without a labelled voxel.
    """
    marked = grid.canonical((classes > 0) & (classes < num_labels))
    region = np.zeros(grid.shape, dtype=classes.dtype)
    if not marked.any():
        return region
    squared_radius = np.zeros(grid.shape, dtype=np.float32)
    for axis, (start, step, side) in enumerate(
        zip(grid.start, grid.scale, grid.shape, strict=True)
    ):
        span = np.flatnonzero(marked.any(axis=tuple({0, 1, 2} - {axis})))
        middle = ((span[0] + span[-1]) / 2 - start) / step  # in voxels of the working grid
        half = max((span[-1] - span[0] + 1) / step, least_mm / grid.spacing_mm[axis]) / 2
        term = ((np.arange(side) - middle) / half) ** 2
        squared_radius += term.reshape([-1 if other == axis else 1 for other in range(3)])
    region[squared_radius <= 1] = 1
    return region


def sample_foreground(classes: ndarray, num_labels: int) -> ndarray:
    """Class, i, j, k of a fixed sample of labelled voxels of each class: (N, 4) int16.

    At most `FOREGROUND` voxels of a class are sampled, with a fixed seed, so that two preparations
    of a case are equal. `classes` are on the working box; `num_labels` counts the background.
    """
    rng = np.random.default_rng(0)  # a fixed sample; patches use their own seed
    parts = [np.zeros((0, 4), dtype=int)]
    for label, box in enumerate(ndimage.find_objects(classes, max_label=num_labels - 1), start=1):
        if box is None:
            continue
        voxels = np.argwhere(classes[box] == label) + [span.start for span in box]
        if len(voxels) > FOREGROUND:
            voxels = voxels[np.sort(rng.choice(len(voxels), FOREGROUND, replace=False))]
        parts.append(np.column_stack([np.full(len(voxels), label), voxels]))
    return np.concatenate(parts).astype(np.int16)
