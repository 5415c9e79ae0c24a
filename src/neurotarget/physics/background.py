"""Background field removal: the local field of sources inside the brain.

The field of sources outside the mask obeys Laplace's equation inside the mask, so its value at a
point is its mean over any sphere around the point. `sharp` and `vsharp` subtract that mean and undo
the effect on the local field; `pdf` finds dipoles outside the mask that explain the background.
Each function returns the local field, in the unit of the field and 0 outside, and the remaining
mask.
"""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from neurotarget.physics.dipole import dipole_kernel
from neurotarget.physics.extent import bounding_box, placed, squared_depth_mm2
from neurotarget.physics.fourier import (
    MaskVolume,
    Padded,
    Volume,
    across,
    fast_sides,
    spectrum,
    volume,
)
from neurotarget.problems import DataError
from neurotarget.types import Triple, TripleVox

WIDEST_MM = 12.0
STEP_MM = 2.0
THRESHOLD = 0.1


def sharp(
    field: Volume,
    mask: MaskVolume,
    spacing_mm: Triple,
    *,
    radius_mm: float = 6.0,
    threshold: float = THRESHOLD,
) -> tuple[Volume, MaskVolume]:
    """Local field by one sphere; the mask loses `radius_mm` all around.

    Frequencies at which the sphere filter is smaller than `threshold` are set to 0.

    Source: Schweser et al. 2011, doi:10.1016/j.neuroimage.2010.10.070.

    Raises:
        DataError: the mask is empty, or nowhere as thick as the sphere.
    """
    return vsharp(field, mask, spacing_mm, radii_mm=(radius_mm,), threshold=threshold)


def vsharp(
    field: Volume,
    mask: MaskVolume,
    spacing_mm: Triple,
    *,
    radii_mm: Sequence[float] | None = None,
    threshold: float = THRESHOLD,
) -> tuple[Volume, MaskVolume]:
    """Local field by the largest sphere that fits into the mask at each voxel.

    The mask loses the smallest radius all around. `radii_mm` default to 12 mm down to the largest
    side of a voxel, in steps of 2 mm or of that side if it is larger.

    Source: Wu et al. 2012, doi:10.1002/mrm.23000. On a segmented head with air and bone, largest
    radii of 6 to 25 mm and thresholds of 0.02 to 0.1 were compared; the defaults are among the
    best.

    Raises:
        DataError: the mask is empty, or nowhere as thick as the smallest sphere.
    """
    radii = sorted(default_radii_mm(spacing_mm) if radii_mm is None else radii_mm, reverse=True)
    box = bounding_box(mask)
    inner = mask[box]
    depth = squared_depth_mm2(inner, spacing_mm, radii[0])
    fits = [depth > radius**2 * (1 + 1e-6) for radius in radii]
    if not fits[-1].any():
        raise DataError(
            f"background field: found a mask nowhere as thick as a sphere of {radii[-1]:g} mm, "
            "wanted the brain; give a larger mask or a smaller radius"
        )
    sides = fast_sides(inner.shape, radii[0], spacing_mm)
    wave = spectrum(field[box].float() * inner, sides)
    high, widest, done = torch.zeros_like(depth), None, torch.zeros_like(inner)
    for radius, fit in zip(radii, fits, strict=True):
        kernel = 1 - sphere_kernel(radius, sides, spacing_mm, device=field.device)
        widest = kernel if widest is None else widest
        new = fit & ~done
        if new.any():
            high[new] = volume(wave * kernel, sides, inner.shape)[new]
            done |= fit
    undo = torch.where(widest.abs() > threshold, 1 / widest, 0.0)
    local = volume(spectrum(high, sides) * undo, sides, inner.shape) * done
    return placed(local, box, field), placed(done, box, field)


def default_radii_mm(spacing_mm: Triple) -> list[float]:
    """Radii from 12 mm down to the largest side of a voxel, the least possible radius."""
    least = max(spacing_mm)
    step = max(STEP_MM, least)
    count = max(math.ceil((WIDEST_MM - least) / step - 1e-6), 1)
    return [*(WIDEST_MM - step * place for place in range(count)), least]


def sphere_kernel(
    radius_mm: float,
    sides: TripleVox,
    spacing_mm: Triple,
    *,
    device: torch.device | str | None = None,
) -> Volume:
    """Spectrum of the mean over a sphere: 1 at frequency 0; layout of `torch.fft.rfftn`.

    The sphere consists of the voxels whose centres it contains. If voxels are not cubes, the
    weights of its six inner faces are adjusted, so that its second moments are the same along all
    axes: then fields that are quadratic in space are removed completely on any grid. The sphere is
    even, so three products with cosines give its transform.
    """
    weights = _octant(radius_mm, spacing_mm)
    for axis, side in enumerate(sides):
        count = side // 2 + 1 if axis == 2 else side
        places = torch.arange(weights.shape[axis], dtype=torch.float64)
        turns = torch.arange(count, dtype=torch.float64)[:, None] * places[None, :] / side
        base = torch.cos(2 * math.pi * turns) * torch.where(places > 0, 2.0, 1.0)
        weights = torch.tensordot(base.to(weights), weights, dims=([1], [axis])).movedim(0, axis)
        if axis == 0:
            weights = weights.to(device)
    return weights.float().contiguous()


def _octant(radius_mm: float, spacing_mm: Triple) -> Float[Tensor, "A B C"]:
    """Weights of the sphere's voxels at offsets 0, 1, 2, … along each axis."""
    reach = [int(radius_mm / side + 1e-6) for side in spacing_mm]
    if min(reach) < 1:
        raise DataError(
            f"background field: found a sphere of {radius_mm:g} mm for voxels of "
            f"{' × '.join(f'{side:g}' for side in spacing_mm)} mm, wanted one that reaches the "
            f"neighbours along every axis; give a radius of {max(spacing_mm):g} mm or more"
        )
    squares = [
        (torch.arange(most + 1, dtype=torch.float64) * side).square()
        for most, side in zip(reach, spacing_mm, strict=True)
    ]
    squares = [across(square, axis) for axis, square in enumerate(squares)]
    away = sum(squares)
    weights = (away <= radius_mm**2 * (1 + 1e-6)).double()
    copies = torch.ones_like(weights)  # voxels of the sphere per voxel of the octant
    for axis, most in enumerate(reach):
        copies *= across(torch.where(torch.arange(most + 1) > 0, 2.0, 1.0), axis)
    weights /= (weights * copies).sum()
    moments = [float((weights * copies * square).sum()) for square in squares]
    goal = sum(moments) / 3
    for axis, side in enumerate(spacing_mm):
        move = (goal - moments[axis]) / (2 * side**2)
        neighbour = tuple(int(axis == other) for other in range(3))
        weights[neighbour] += move
        weights[0, 0, 0] -= 2 * move
    return weights.float()


def pdf(
    field: Volume,
    mask: MaskVolume,
    spacing_mm: Triple,
    b0: Sequence[float],
    *,
    weight: Volume | None = None,
    margin_mm: float = 10.0,
    tolerance: float = 0.002,
    most: int = 100,
) -> tuple[Volume, MaskVolume]:
    """Local field left by the dipoles outside the mask that explain the field inside best.

    Conjugate gradients solve the least squares with `weight` (inverse noise; uniform by default) in
    a box `margin_mm` wider than the mask. They stop when the gradient has fallen to the share
    `tolerance` of its first value, or after `most` iterations. The mask is not eroded.

    Source: Liu et al. 2011, doi:10.1002/nbm.1670.

    Raises:
        DataError: the mask is empty.
    """
    box = bounding_box(mask)
    inner = mask[box]
    sides = fast_sides(inner.shape, 2 * margin_mm, spacing_mm)
    kernel = dipole_kernel(sides, spacing_mm, b0, device=field.device)
    shape = inner.shape
    trust = inner.float() if weight is None else (weight[box] * inner).float()
    trust = trust.square() / trust.square().max().clamp(min=1e-20)
    outside = torch.ones(sides, device=field.device)
    outside[: shape[0], : shape[1], : shape[2]] -= inner.float()

    def fields(sources: Padded) -> Volume:
        return volume(spectrum(sources, sides) * kernel, sides, shape)

    def back(values: Volume) -> Padded:
        return volume(spectrum(trust * values, sides) * kernel, sides, sides) * outside

    target = field[box].float() * inner
    sources = _least_squares(fields, back, target, tolerance=tolerance, most=most)
    local = (target - fields(sources)) * inner
    return placed(local, box, field), placed(inner, box, field)


def _least_squares(
    fields: Callable[[Padded], Volume],
    back: Callable[[Volume], Padded],
    target: Volume,
    *,
    tolerance: float,
    most: int,
) -> Padded:
    """Conjugate gradients on the normal equations back(fields(x)) = back(target)."""
    residual = back(target)
    solution, direction = torch.zeros_like(residual), residual.clone()
    power = start = float(residual.square().sum())
    for _ in range(most):
        if power <= tolerance**2 * start or power == 0:
            break
        applied = back(fields(direction))
        step = power / float((direction * applied).sum())
        solution.add_(direction, alpha=step)
        residual.sub_(applied, alpha=step)
        before, power = power, float(residual.square().sum())
        direction.mul_(power / before).add_(residual)
    return solution
