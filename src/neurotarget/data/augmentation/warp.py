"""Affine map, elastic deformation and mirror in one resampling of image and label.

TorchIO resamples once per transform, and its elastic deformation of a 40×56×40 patch takes 70 ms on
one thread; affine, elastic and mirror together take 3 ms here, because the displacements are added
and the voxels are resampled once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
import torchio as tio
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from torchio.transforms.augmentation import RandomTransform
from torchio.transforms.spatial_transform import SpatialTransform

Volume = Float[Tensor, "C I J K"]
Displacement = Float[Tensor, "3 I J K"]
Matrix = Float[Tensor, "3 3"]

LPS = np.array([-1.0, -1.0, 1.0], dtype=np.float32)  # axes in which TorchIO moves a head
DRAWN = "drawn"  # key of a subject under which our transforms record their parameters
FOLD_FREE = 0.4  # largest share of the control spacing, Choi and Lee 2000, 10.1006/gmod.2000.0531


@dataclass(frozen=True)
class Affine:
    """Scaling, rotation and shift about the centre of the patch.

    `scale` is a range of factors (above 1 enlarges), drawn per axis unless `isotropic`;
    `degrees` bounds the rotation about each axis, `translate_mm` the shift along each.

    Attributes:
        p: probability of the transform, 0 to 1, for each patch.
        degrees, translate_mm: one bound for all axes, or one per axis.
        isotropic: whether one factor scales all axes.
    """

    p: float = 0.5
    scale: tuple[float, float] = (0.85, 1.15)
    degrees: float | Sequence[float] = 15.0
    translate_mm: float | Sequence[float] = 0.0
    isotropic: bool = False


@dataclass(frozen=True)
class Elastic:
    """Cubic B-spline deformation: random displacements at a grid of control points."""

    p: float = 0.2
    spacing_mm: float = 12.0  # between control points
    displacement_mm: float = 3.0  # bound of a control point's displacement along each axis

    def __post_init__(self) -> None:
        if not 0 <= self.displacement_mm <= FOLD_FREE * self.spacing_mm:
            raise ValueError(
                f"augment.elastic: got displacement_mm {self.displacement_mm} with spacing_mm "
                f"{self.spacing_mm}, wanted at most {FOLD_FREE} of it so that tissue never folds; "
                "lower displacement_mm or raise spacing_mm"
            )


@dataclass(frozen=True)
class Flip:
    """Mirror along each of `axes` with probability `p`; axis 0 is left to right."""

    p: float = 0.5
    axes: Sequence[int] = (0,)


class Warp(RandomTransform, SpatialTransform):
    """Deform all images and labels of a subject alike, with torch's random numbers.

    Images are interpolated linearly and repeat their edge outside of the patch. Labels keep the
    nearest voxel and are background outside of the patch. A mirror is exact; along
    axis 0 it swaps the classes in `swap`.
    """

    def __init__(
        self,
        *,
        affine: Affine | None = None,
        elastic: Elastic | None = None,
        flip: Flip | None = None,
        swap: Sequence[int] = (),
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.affine, self.elastic, self.flip = affine, elastic, flip
        self.swap = torch.tensor(swap or [0])

    def apply_transform(self, subject: tio.Subject) -> tio.Subject:
        """Draw one deformation and resample every image and label with it.

        Parameters are recorded under `DRAWN`: `affine`, `elastic` and `flip`, each only if it was
        applied.
        """
        image, drawn = subject.get_first_image(), {}
        grid = self._draw_grid(image.spatial_shape, image.spacing, drawn)
        axes = [axis for axis in (self.flip.axes if self.flip else ()) if _happens(self.flip.p)]
        if axes:
            drawn["flip"] = {"axes": axes}
        for image in self.get_images(subject):
            is_label = isinstance(image, tio.LabelMap)
            data = image.data if grid is None else resample(image.data, grid, is_label=is_label)
            if axes:
                data = data.flip([axis + 1 for axis in axes])
            if is_label and 0 in axes and len(self.swap) > 1:
                data = self.swap[data.long()].to(data.dtype)
            image.set_data(data)
        subject.setdefault(DRAWN, {}).update(drawn)
        return subject

    def _draw_grid(
        self, sides: Sequence[int], spacing_mm: Sequence[float], drawn: dict[str, dict]
    ) -> Tensor | None:
        """Draw the affine map and elastic deformation, and record them; None without either."""
        affine = self.affine if self.affine and _happens(self.affine.p) else None
        elastic = self.elastic if self.elastic and _happens(self.elastic.p) else None
        if affine is None and elastic is None:
            return None
        matrix, shift_mm = draw_affine(affine, sides) if affine else (torch.eye(3), torch.zeros(3))
        steps_mm = draw_elastic(elastic, sides, spacing_mm) if elastic else None
        if affine:
            drawn["affine"] = {"matrix": matrix.tolist(), "shift_mm": shift_mm.tolist()}
        if elastic:
            drawn["elastic"] = {"largest_mm": float(steps_mm.abs().max())}
        return sampling_grid(sides, spacing_mm, matrix, shift_mm, steps_mm)


def draw_affine(
    affine: Affine, sides: Sequence[int] = (2, 2, 2)
) -> tuple[Matrix, Float[Tensor, "3"]]:
    """Draw the map from output to input positions about the centre: a matrix and a shift in mm.

    An image with a side of 1 is rotated only in its own plane.
    """
    low, high = (math.log(factor) for factor in affine.scale)
    count = 1 if affine.isotropic else 3
    scale = torch.exp(low + (high - low) * torch.rand(count)).expand(3)
    angles = torch.deg2rad(_signed(affine.degrees))
    flat = torch.tensor([side == 1 for side in sides])
    if flat.any():
        angles = torch.where(flat, angles, 0.0)
    return rotation(angles) @ torch.diag(1 / scale), _signed(affine.translate_mm)


def rotation(angles: Float[Tensor, "3"]) -> Matrix:
    """Matrix of a rotation about I, then J, then K; angles in radians."""
    whole = torch.eye(3)
    for axis, (cosine, sine) in enumerate(zip(angles.cos(), angles.sin(), strict=True)):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn = torch.eye(3)
        turn[first, first] = turn[second, second] = cosine
        turn[second, first], turn[first, second] = sine, -sine
        whole = turn @ whole
    return whole


def rotations(angles: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3 3"]:
    """Matrices of rotations about I, then J, then K, as `rotation` makes them; radians."""
    (a, b, c), (sin_a, sin_b, sin_c) = (
        np.moveaxis(function(angles), -1, 0) for function in (np.cos, np.sin)
    )
    rows = (
        (c * b, c * sin_b * sin_a - sin_c * a, c * sin_b * a + sin_c * sin_a),
        (sin_c * b, sin_c * sin_b * sin_a + c * a, sin_c * sin_b * a - c * sin_a),
        (-sin_b, b * sin_a, b * a),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def scanner_rotation(angles: Float[ndarray, "n moves 3"]) -> Float[ndarray, "n moves 3 3"]:
    """Make matrices (float32) of ITK's Euler angles about I, J and K, for voxels in RAS+."""
    about_i, about_j, about_k = (rotations(angles * unit) for unit in np.eye(3))
    turned = about_k @ about_i @ about_j
    return (turned * LPS * LPS[:, None]).astype(np.float32)


def draw_elastic(
    elastic: Elastic, sides: Sequence[int], spacing_mm: Sequence[float]
) -> Displacement:
    """Draw a smooth displacement in mm for each voxel.

    Args:
        elastic: spacing and bound of the control points.
        sides: voxels of the patch.
        spacing_mm: sides of its voxels.

    Source: cubic B-spline free-form deformation, Rueckert et al. 1999, doi:10.1109/42.796284.
    """
    bases = [
        spline_basis(side, step / elastic.spacing_mm)
        for side, step in zip(sides, spacing_mm, strict=True)
    ]
    steps = torch.rand(3, *(basis.shape[1] for basis in bases)) * 2 - 1
    for basis in bases:  # contracts the first spatial axis and appends the voxel axis: 3 passes
        steps = torch.tensordot(steps, basis, dims=([1], [1]))
    return steps * elastic.displacement_mm


def spline_basis(side: int, step: float) -> Float[Tensor, "side points"]:
    """Cubic B-spline weights of each control point at each voxel; rows sum to 1.

    `step` is the voxel side over the spacing of the control points.
    """
    place = torch.arange(side) * step
    first = place.floor().long()
    u = (place - first)[:, None]
    weights = torch.cat(
        [(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3], dim=1
    )
    basis = torch.zeros(side, int(first[-1]) + 4)
    return basis.scatter_(1, first[:, None] + torch.arange(4), weights / 6)


def sampling_grid(
    sides: Sequence[int],
    spacing_mm: Sequence[float],
    matrix: Matrix,
    shift_mm: Float[Tensor, "3"],
    steps_mm: Displacement | None = None,
) -> Float[Tensor, "1 I J K 3"]:
    """Compute the input position of every output voxel for `grid_sample` (K, J, I; −1 to 1).

    Args:
        sides: voxels of the patch, which input and output share.
        spacing_mm: sides of a voxel.
        matrix: from output to input positions about the centre.
        shift_mm: added to the input positions, along I, J and K.
        steps_mm: displacement of each voxel along I, J and K; None for no displacement.
    """
    half = torch.tensor([(side - 1) / 2 for side in sides])
    spacing = torch.tensor(spacing_mm, dtype=torch.float32)
    along = [
        (torch.arange(side) - middle) * step
        for side, middle, step in zip(sides, half.tolist(), spacing.tolist(), strict=True)
    ]
    unit = 1 / (spacing * half.clamp(min=0.5))  # mm to half sides; a side of 1 maps to itself
    grid = torch.empty(1, *sides, 3)
    for axis in range(3):
        i, j, k = (matrix[axis, n] * along[n] * unit[axis] for n in range(3))
        plane = (i[:, None] + j)[:, :, None] + shift_mm[axis] * unit[axis]
        torch.add(plane, k, out=grid[0, ..., 2 - axis])
        if steps_mm is not None:
            grid[0, ..., 2 - axis].add_(steps_mm[axis], alpha=float(unit[axis]))
    return grid


def resample(volume: Tensor, grid: Tensor, *, is_label: bool) -> Tensor:
    """Sample a volume (C, I, J, K) at the grid's positions; the data type is kept.

    Args:
        volume: image or labels of a patch.
        grid: from `sampling_grid`.
        is_label: labels are read at the nearest voxel and are 0 outside; images are interpolated
            linearly and repeat their outermost voxels.
    """
    mode, outside = ("nearest", "zeros") if is_label else ("bilinear", "border")
    read = F.grid_sample(
        volume[None].float(), grid, mode=mode, padding_mode=outside, align_corners=True
    )
    return read[0].to(volume.dtype)


def _signed(bound: float | Sequence[float]) -> Float[Tensor, "3"]:
    """Draw three uniform numbers in ± bound."""
    return (torch.rand(3) * 2 - 1) * torch.tensor(bound, dtype=torch.float32)


def _happens(p: float) -> bool:
    return torch.rand(1).item() < p
