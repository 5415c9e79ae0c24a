"""Sizes of the prepared scans and their targets, from which training settings are planned."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurotarget.data.batches.cache import Entry
from neurotarget.types import TripleVox


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Sizes on the working grid, in voxels along each axis.

    Source: the data fingerprint of nnU-Net, Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
    """

    cases: int
    median_vox: TripleVox  # of the scans, or of their region of interest if the target has one
    target_vox: TripleVox  # box around all labels that is large enough for 95 of 100 cases
    voxels: int  # of all scans together


def fingerprint(entries: Sequence[Entry]) -> Fingerprint:
    """Measure prepared cases; those without a labelled voxel do not count for the target's size.

    Args:
        entries: at least one. A target's box is that of the stored sample of its voxels
            (`sample_foreground`), which may be a little smaller than the target. If no case has a
            labelled voxel, the target is as large as the median scan.
    """
    shapes = np.array([entry.shape[1:] for entry in entries])
    marked = (entry.foreground for entry in entries)
    boxes = [np.ptp(voxels[:, 1:].astype(int), axis=0) + 1 for voxels in marked if len(voxels)]
    target = np.percentile(boxes, 95, axis=0) if boxes else np.median(shapes, axis=0)
    return Fingerprint(
        cases=len(entries),
        median_vox=_whole(np.median(shapes, axis=0)),
        target_vox=_whole(np.ceil(target)),
        voxels=int(shapes.prod(axis=1).sum()),
    )


def _whole(sides: np.ndarray) -> TripleVox:
    return tuple(round(side) for side in sides)
