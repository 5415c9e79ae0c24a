"""Resampling to FreeSurfer's conformed grid and back: 256³ voxels of 1 mm in LIA order.

Networks of other programs, such as FastSurfer and deepParcellation, see scans on this grid only.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray
from scipy import ndimage

from neurotarget.data.scans.geometry import SAME_VOX
from neurotarget.data.scans.volume import Volume, inspect_stack
from neurotarget.problems import refuse_errors

SIDE_VOX = 256
LIA = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # mm along x, y, z
BINS = 1000  # of the histogram that gives the range of intensities
CUT_SHARE = 0.001  # share of the non-zero voxels: the brightest ones, which are clipped
WHITE = 255

Affine = Float[ndarray, "4 4"]


def first_frame(path: Path, *, case_id: str = "") -> tuple[Volume, str]:
    """Read a scan, or the first frame of a 4-D file with a note about the other frames.

    The note is "" for a scan of one volume. A warning about the scan is dropped; only errors are
    raised.

    Raises:
        DataError: the file is missing or broken, or has no volume.
    """
    volumes, problems = inspect_stack(path, case_id=case_id)
    refuse_errors(problems)
    note = f"the first of {len(volumes)} frames was used" if len(volumes) > 1 else ""
    return volumes[0], note


def conformed_affine(volume: Volume) -> Affine:
    """Affine of the conformed grid, whose middle is the middle of the scan, mm.

    The middle of n voxels is voxel n / 2, as in FreeSurfer.
    """
    middle = volume.affine @ [*(side / 2 for side in volume.array.shape), 1]
    affine = np.eye(4)
    affine[:3, :3] = LIA
    affine[:3, 3] = middle[:3] - LIA @ np.full(3, SIDE_VOX / 2)
    return affine


def conform(volume: Volume) -> Volume:
    """Resample a scan to the conformed grid, linearly, with intensities of 0 to 255 (uint8).

    Voxels outside the scan are 0. Intensities are scaled by `intensity_range` of the whole scan;
    those of a scan in uint8 are kept, as in FastSurfer. A conformed scan is returned unchanged.
    Voxels more than 128 mm from the middle of the scan along an axis are cut off.

    Source: Henschel et al. 2020, doi:10.1016/j.neuroimage.2020.117012 (FastSurfer's conform, which
    does as FreeSurfer's mri_convert --conform).
    """
    affine, array = conformed_affine(volume), volume.array
    values = onto(array.astype(np.float32, copy=False), volume.affine, (SIDE_VOX,) * 3, affine)
    if array.dtype != np.uint8:
        low, high = intensity_range(array)
        values = (values - low) * (WHITE / (high - low) if high > low else 1.0)
    rounded = np.rint(np.clip(values, 0, WHITE)).astype(np.uint8)
    header = nib.Nifti1Image(rounded, affine).header
    return volume._replace(array=rounded, affine=affine, header=header)


def intensity_range(array: Shaped[ndarray, "I J K"]) -> tuple[float, float]:
    """Compute the intensities of 0 and 255: the minimum, and one that 0.1 % of voxels exceed.

    The share refers to the non-zero voxels. The upper intensity is an edge of a histogram of 1000
    bins, one bin below the bin of the quantile.
    """
    counts, edges = np.histogram(array, bins=BINS)
    kept = array.size - int(CUT_SHARE * np.count_nonzero(array))
    reached = int(np.searchsorted(np.cumsum(counts), kept)) + 1  # bins up to this number of voxels
    return float(edges[0]), float(edges[max(reached - 2, 0)])


def onto(
    array: Shaped[ndarray, "I J K"],
    affine: Affine,
    shape: tuple[int, int, int],
    wanted: Affine,
) -> Shaped[ndarray, "A B C"]:
    """Resample voxels to another grid, such as a conformed label map to that of its scan.

    Images (floats) are interpolated linearly, label maps (integers) keep the nearest voxel. Voxels
    outside the array are 0. Grids with the same voxels need no interpolation.

    Args:
        array: voxels on a grid with this affine.
        affine: mm.
        shape: sides of the wanted grid.
        wanted: affine of the wanted grid to RAS+ mm.
    """
    step = np.linalg.inv(affine) @ wanted
    nearest = np.round(step)
    is_exact = bool(np.allclose(step[:3, :3], nearest[:3, :3], atol=SAME_VOX / max(shape)))
    is_exact = is_exact and bool(np.allclose(step[:3, 3], nearest[:3, 3], atol=SAME_VOX))
    order = 0 if is_exact or array.dtype.kind != "f" else 1
    step = nearest if is_exact else step
    return ndimage.affine_transform(array, step, output_shape=shape, order=order)
