"""Scans that are worse than usual: whole scans with their label maps, distorted in one way each.

Every function takes a scan (I, J, K), its label map on the same grid and the affine to RAS+ in mm,
and returns them changed; the label map shows the same anatomy on the new grid.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import nibabel as nib
import numpy as np
from jaxtyping import Float, Num
from numpy import ndarray
from scipy import ndimage
from scipy.spatial.transform import Rotation

NOISE = 0.1  # SD of the noise, as a share of the bright tissues' grey value
MOTION_MM, MOVEMENTS = 3.0, 6  # SD of the positions, and their number during the scan
THICK_MM = 5.0
KEPT = (0.2, 0.85)  # share of the structures' height that is left, from below
TURN_DEG = 25.0


class Scanned(NamedTuple):
    """A scan and its label map on one grid; `affine` is that of both, to RAS+ in mm."""

    image: Num[ndarray, "I J K"]
    label: Num[ndarray, "I J K"]
    affine: Float[ndarray, "4 4"]


Distortion = Callable[[Scanned, np.random.Generator], Scanned]


def unchanged(scan: Scanned, rng: np.random.Generator) -> Scanned:  # noqa: ARG001
    """The scan as it is, the baseline of a stress test."""
    return scan


def with_noise(scan: Scanned, rng: np.random.Generator) -> Scanned:
    """Rician noise with an SD of a tenth of the bright tissues' grey value.

    Source: Gudbjartsson & Patz 1995, doi:10.1002/mrm.1910340618.
    """
    spread = NOISE * _bright(scan.image)
    real, imaginary = (rng.normal(0, spread, scan.image.shape) for _ in range(2))
    return scan._replace(image=np.hypot(scan.image + real, imaginary))


def with_motion(scan: Scanned, rng: np.random.Generator) -> Scanned:
    """Positions that change during the scan: parts of k-space are of shifted heads.

    The head lies in six positions with an SD of 3 mm along the last voxel axis; that of the middle
    of k-space is the label map's.
    """
    axis = scan.image.ndim - 1
    lines = np.fft.fft(scan.image, axis=axis)
    count = lines.shape[axis]
    frequency = np.fft.fftfreq(count)
    order = np.argsort(frequency)  # k-space is filled from one end to the other
    spacing = np.linalg.norm(scan.affine[:3, :3], axis=0)
    shift = np.zeros(count)
    for part in np.array_split(order, MOVEMENTS):
        shift[part] = rng.normal(0, MOTION_MM) / spacing[axis]
    shift -= shift[0]  # the middle of k-space stays, so that the label map fits
    moved = np.fft.ifft(lines * np.exp(-2j * np.pi * frequency * shift), axis=axis)
    return scan._replace(image=np.abs(moved))


def with_thick_slices(scan: Scanned, rng: np.random.Generator) -> Scanned:  # noqa: ARG001
    """Slices of about 5 mm along the axis nearest to the head's length; those between are lost.

    A slice is the mean of those that it replaces, its labels are those of the middle one. Slices
    that are nearer to 5 mm than two of them together stay.
    """
    axis = _axis(scan.affine, "S")
    side = float(np.linalg.norm(scan.affine[:3, axis]))
    count = max(round(THICK_MM / side), 1)
    kept = scan.image.shape[axis] // count * count
    image, label = (np.moveaxis(part, axis, 0)[:kept] for part in (scan.image, scan.label))
    image = image.reshape(-1, count, *image.shape[1:]).mean(axis=1)
    label = label.reshape(-1, count, *label.shape[1:])[:, count // 2]
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (count - 1) / 2
    affine[:3, axis] *= count
    return Scanned(np.moveaxis(image, 0, axis), np.moveaxis(label, 0, axis), affine)


def cropped(scan: Scanned, rng: np.random.Generator) -> Scanned:  # noqa: ARG001
    """A field of view that cuts structures off, above and below.

    From 20 to 85 % of the structures' height is left, from below.
    """
    axis = _axis(scan.affine, "S")
    upwards = nib.aff2axcodes(scan.affine)[axis] == "S"
    inside = np.flatnonzero((scan.label > 0).any(axis=tuple({0, 1, 2} - {axis})))
    low, high = (inside[0], inside[-1] + 1) if inside.size else (0, scan.label.shape[axis])
    shares = KEPT if upwards else (1 - KEPT[1], 1 - KEPT[0])
    first, last = (round(low + share * (high - low)) for share in shares)
    cut = tuple(slice(first, last) if one == axis else slice(None) for one in range(3))
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, axis] * first
    return Scanned(scan.image[cut], scan.label[cut], affine)


def rotated(scan: Scanned, rng: np.random.Generator) -> Scanned:
    """A head rotated by 25 degrees about a random axis through the middle of the scan.

    Images are interpolated linearly, labels by nearest neighbour; what leaves the grid by the
    rotation is lost.
    """
    axis = rng.standard_normal(3)
    turn = Rotation.from_rotvec(np.deg2rad(TURN_DEG) * axis / np.linalg.norm(axis)).as_matrix()
    linear = scan.affine[:3, :3]
    matrix = np.linalg.inv(linear) @ turn @ linear
    middle = (np.array(scan.image.shape) - 1) / 2
    offset = middle - matrix @ middle
    image = ndimage.affine_transform(scan.image.astype(np.float32), matrix, offset, order=1)
    label = ndimage.affine_transform(scan.label, matrix, offset, order=0)
    return Scanned(image, label, scan.affine)


def with_wrong_header(scan: Scanned, rng: np.random.Generator) -> Scanned:  # noqa: ARG001
    """A header that states that the head's top is its front; left and right stay right.

    Only the affine changes, so a program that trusts it looks for the brain in a rotated head.
    """
    turn = np.array([[1.0, 0, 0, 0], [0, 0, 1.0, 0], [0, -1.0, 0, 0], [0, 0, 0, 1.0]])
    return scan._replace(affine=turn @ scan.affine)


BASELINE = "baseline"
DISTORTIONS: Mapping[str, Distortion] = {
    BASELINE: unchanged,
    "noise": with_noise,
    "motion": with_motion,
    "thick_slices": with_thick_slices,
    "cropped": cropped,
    "rotated": rotated,
    "wrong_header": with_wrong_header,
}


def _axis(affine: ndarray, end: str) -> int:
    pairs = {"S": "SI", "A": "AP", "R": "RL"}
    return next(n for n, code in enumerate(nib.aff2axcodes(affine)) if code in pairs[end])


def _bright(image: ndarray) -> float:
    return float(np.percentile(image[:: max(image.shape[0] // 64, 1)], 98))
