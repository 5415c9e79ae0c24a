"""Series of a generated knee: sagittal T2 and axial proton density with dark fat, coronal T1."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import ndimage

from neurotarget.data.scans.planes import PLANES, TO_LAST
from neurotarget.phantom.knee.knee_anatomy import Coordinates, Knee, Tear
from neurotarget.phantom.knee.knee_plan import KneePerson

FIELD_MM = 132.0  # side of a slice
COVERED_MM = {"sagittal": 92.0, "coronal": 84.0, "axial": 96.0}  # extent of all slices together
MOST_SHIFT_MM, MOST_DEGREES, MOST_SCALE = 5.0, 7.0, 0.06
NOISE = 0.03  # of the brightest tissue
SIGNAL = {  # in the order of Tissue; chosen by us to resemble clinical protocols
    "sagittal": (0.0, 0.28, 0.30, 0.03, 0.24, 0.55, 0.07, 0.09, 1.0, 0.62, 0.55),
    "coronal": (0.0, 1.0, 0.38, 0.06, 0.85, 0.48, 0.12, 0.14, 0.30, 0.45, 0.32),
    "axial": (0.0, 0.30, 0.48, 0.05, 0.32, 0.72, 0.12, 0.14, 1.0, 0.60, 0.62),
}
GAMMA = {"north": 1.0, "south": 0.8}  # of the scanners
WORLD = {"left": -1.0, "right": 1.0}  # of a right knee, medial is to the patient's left


class Pose(NamedTuple):
    """Place of a knee in the scanner.

    Attributes:
        turn: rotation matrix.
        shift_mm: from the centre of the scan.
        scale: factor of all lengths, about 1.
    """

    turn: Float[ndarray, "3 3"]
    shift_mm: Float[ndarray, " 3"]
    scale: float


def affine_of(plane: str, side_vox: int, num_slices: int) -> Float[ndarray, "4 4"]:
    """Compute the affine to RAS+ (mm) of a series with slices on the last axis, joint centred.

    Args:
        plane: sagittal, coronal or axial.
        side_vox: pixels of a side of each slice, which shows `FIELD_MM`.
        num_slices: slices, which cover `COVERED_MM` of the plane.
    """
    steps = (FIELD_MM / side_vox, FIELD_MM / side_vox, COVERED_MM[plane] / num_slices)
    sides = (side_vox, side_vox, num_slices)
    affine = np.eye(4)
    affine[:3, :3] = 0
    order = TO_LAST[PLANES.index(plane)]
    for stored, (row, step, side) in enumerate(zip(order, steps, sides, strict=True)):
        affine[row, stored] = step
        affine[row, 3] = -step * (side - 1) / 2
    return affine


def series_of(
    person: KneePerson, plane: str, sides: tuple[int, int], rng: np.random.Generator
) -> tuple[ndarray, ndarray, ndarray]:
    """Generate grey values, labels of findings and affine of one series.

    Args:
        person: findings and side of the body.
        plane: sagittal, coronal or axial.
        sides: pixels of a side of each slice, and number of slices.
        rng: of the person; a new generator with the same seed gives the same knee in each plane.

    Returns:
        int16 grey values (side, side, slices), labels of `Mark`, and the affine in mm.
    """
    pose, tear = _pose(rng), Tear(*rng.random(5))
    side_vox, num_slices = sides
    affine = affine_of(plane, side_vox, num_slices)
    knee = Knee(_points(affine, (side_vox, side_vox, num_slices), pose, person), person, tear)
    own = np.random.default_rng([*rng.integers(2**31, size=2), PLANES.index(plane)])
    image = np.array(SIGNAL[plane])[knee.tissue]
    image = ndimage.gaussian_filter(image, (0.6, 0.6, 0.25))
    image = image * (1 + 0.08 * _texture(image.shape, own)) * _shade(image.shape, own)
    image = image ** (GAMMA[person.site] * own.uniform(0.92, 1.08))
    real, imaginary = (NOISE * own.standard_normal(image.shape) for _ in range(2))
    image = np.hypot(image + real, imaginary)
    grey = (image * own.uniform(300, 1500)).round().clip(0, 4095).astype(np.int16)
    return grey, knee.mark, affine


def _pose(rng: np.random.Generator) -> Pose:
    turn = np.eye(3)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        angle = np.deg2rad(rng.uniform(-MOST_DEGREES, MOST_DEGREES))
        part = np.eye(3)
        part[first, first] = part[second, second] = np.cos(angle)
        part[first, second], part[second, first] = -np.sin(angle), np.sin(angle)
        turn = part @ turn
    scale = 1 + rng.uniform(-MOST_SCALE, MOST_SCALE)
    return Pose(turn, rng.uniform(-MOST_SHIFT_MM, MOST_SHIFT_MM, 3), scale)


def _points(
    affine: ndarray, shape: tuple[int, int, int], pose: Pose, person: KneePerson
) -> Coordinates:
    """Compute the points of the generated knee at the voxels of a series."""
    voxels = np.indices(shape, dtype=np.float32).reshape(3, -1)
    world = affine[:3, :3] @ voxels + affine[:3, 3:]
    knee = (pose.turn.T @ (world - pose.shift_mm[:, None])) / pose.scale
    knee[0] *= -WORLD[person.side]  # x of the world is to the patient's right
    return tuple(axis.reshape(shape).astype(np.float32) for axis in knee)


def _texture(shape: tuple[int, ...], rng: np.random.Generator) -> ndarray:
    coarse = ndimage.gaussian_filter(rng.standard_normal(shape), (1.2, 1.2, 0.5))
    return coarse / coarse.std()


def _shade(shape: tuple[int, ...], rng: np.random.Generator) -> ndarray:
    """Sample the uneven sensitivity of the coil, between 0.55 and 1.45."""
    axes = [np.linspace(-1, 1, side).reshape([-1 if n == k else 1 for n in range(3)])
            for k, side in enumerate(shape)]  # fmt: skip
    slopes = rng.uniform(-0.15, 0.15, 3)
    return 1 + sum(slope * axis for slope, axis in zip(slopes, axes, strict=True))
