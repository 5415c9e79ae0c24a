"""Label maps of small heads: balls in balls, with FreeSurfer's numbers."""

from pathlib import Path

import nibabel as nib
import numpy as np

from neurotarget.types import Case

SIDES = (40, 44, 36)
IDS = (0, 511, 515, 24, 3, 2, 4)  # from the outside inwards: air, skin, bone, fluid, brain
RADII = (17, 15.5, 14, 12.5, 9.5, 4)


def head_array(radii=RADII) -> np.ndarray:
    """A head of nested balls; its right half has the numbers of the right side."""
    axes = np.ogrid[tuple(slice(0, side) for side in SIDES)]
    middle = [(side - 1) / 2 for side in SIDES]
    distance = np.sqrt(sum((axis - mid) ** 2 for axis, mid in zip(axes, middle, strict=True)))
    array = np.zeros(SIDES, dtype=np.int16)
    for radius, number in zip(radii, IDS[1:], strict=True):
        array[distance <= radius] = number
    right = axes[0] > middle[0]
    for left, other in ((3, 42), (2, 41), (4, 43)):
        array[(array == left) & right] = other
    return array


def head_case(folder: Path, number: int = 0, *, array: np.ndarray | None = None) -> Case:
    """Write a head, 2 mm; its file is in another order of axes than its array."""
    path = folder / f"head{number}.nii.gz"
    array = head_array() if array is None else array
    scan = nib.Nifti1Image(array, np.diag([2.0, 2.0, 2.0, 1.0]))
    nib.save(scan.as_reoriented(nib.orientations.axcodes2ornt("LIA")), path)
    return Case(f"head{number}", f"head{number}", {}, path)
