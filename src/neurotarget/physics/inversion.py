"""Dipole inversion: from the local field to susceptibility.

Frequencies at 54.7° to the main field leave no field, and each method fills them differently. All
methods work on the bounding box of the mask with `margin_mm` between the box and its periodic
copies. They return ppm relative to an unknown constant, and 0 outside the mask.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neurotarget.physics.dipole import dipole_kernel
from neurotarget.physics.extent import bounding_box, placed
from neurotarget.physics.fourier import (
    Box,
    MaskVolume,
    Padded,
    Volume,
    fast_sides,
    laplacian,
    spectrum,
    volume,
)
from neurotarget.types import Triple, TripleVox

MARGIN_MM = 20.0
EDGES = 0.3  # share of the gradients of the magnitude that count as edges


@dataclass(frozen=True, slots=True)
class _Problem:
    """The field in its box, the spectrum of the field, and the dipole, both on padded sides."""

    box: Box
    inner: MaskVolume
    sides: TripleVox
    kernel: Tensor
    wave: Tensor

    @classmethod
    def of(
        cls,
        field: Volume,
        mask: MaskVolume,
        spacing_mm: Triple,
        b0: Sequence[float],
        *,
        margin_mm: float,
    ) -> "_Problem":
        """The problem in the bounding box of a mask, on sides padded by `margin_mm` or more.

        `field` and `mask` are (I, J, K); `b0` is the direction of the main field along these axes.
        """
        box = bounding_box(mask)
        inner = mask[box]
        sides = fast_sides(inner.shape, margin_mm, spacing_mm)
        kernel = dipole_kernel(sides, spacing_mm, b0, device=field.device)
        return cls(box, inner, sides, kernel, spectrum(field[box].float() * inner, sides))

    def solved(self, inverse: Tensor, like: Volume) -> Volume:
        """Susceptibility by multiplication of the spectrum."""
        chi = volume(self.wave * inverse, self.sides, self.inner.shape)
        return placed(chi * self.inner, self.box, like)


def invert_tkd(
    local_field_ppm: Volume,
    mask: MaskVolume,
    spacing_mm: Triple,
    b0: Sequence[float],
    *,
    threshold: float = 0.15,
    correct: bool = True,
    margin_mm: float = MARGIN_MM,
) -> Volume:
    """Susceptibility in ppm by division, with |D| kept at `threshold` or above.

    `correct` divides by the height of the point-spread function, the mean of D times its inverse.
    The threshold lowers this height: without the division, values are too small by about a tenth.

    Source: Shmueli et al. 2009, doi:10.1002/mrm.22135; the correction Schweser et al. 2013,
    doi:10.1002/mrm.24405.

    Raises:
        DataError: the mask is empty.
    """
    problem = _Problem.of(local_field_ppm, mask, spacing_mm, b0, margin_mm=margin_mm)
    kernel = problem.kernel
    small = torch.where(kernel < 0, -threshold, threshold)
    inverse = 1 / torch.where(kernel.abs() < threshold, small, kernel)
    if correct:
        inverse /= _height(kernel * inverse, problem.sides)
    return problem.solved(inverse, local_field_ppm)


def invert_l2(
    local_field_ppm: Volume,
    mask: MaskVolume,
    spacing_mm: Triple,
    b0: Sequence[float],
    *,
    weight_mm2: float = 0.003,
    ridge: float = 1e-3,
    correct: bool = True,
    margin_mm: float = MARGIN_MM,
) -> Volume:
    """Susceptibility in ppm by least squares with small gradients, in closed form.

    Minimises |Dχ − field|² + `weight_mm2` · |∇χ|² + `ridge` · |χ|², with the gradient in ppm/mm.
    The ridge constrains low frequencies near the zeros of the dipole, which have almost no
    gradient: without the ridge, χ changes by a tenth or more with the size of the padded box.
    `correct` divides by the height of the point-spread function that the ridge alone would give.

    Source: Bilgic et al. 2014, doi:10.1002/jmri.24365; the correction as in `invert_tkd`.

    Raises:
        DataError: the mask is empty.
    """
    problem = _Problem.of(local_field_ppm, mask, spacing_mm, b0, margin_mm=margin_mm)
    square = problem.kernel.square()
    inverse = laplacian(problem.sides, spacing_mm, device=square.device)
    inverse.mul_(weight_mm2).add_(square).add_(ridge)
    inverse[0, 0, 0] = 1
    inverse.reciprocal_().mul_(problem.kernel)
    if correct and ridge > 0:
        inverse /= _height(square / (square + ridge), problem.sides)
    return problem.solved(inverse, local_field_ppm)


def invert_tv(
    local_field_ppm: Volume,
    mask: MaskVolume,
    spacing_mm: Triple,
    b0: Sequence[float],
    *,
    weight_mm: float = 2e-4,
    magnitude: Volume | None = None,
    tolerance: float = 0.01,
    most: int = 60,
    margin_mm: float = MARGIN_MM,
    changes: list[float] | None = None,
) -> Volume:
    """Susceptibility in ppm with a sparse gradient (total variation), by iteration.

    Minimises ½|Dχ − field|² + `weight_mm` · |∇χ|₁ by ADMM, until the relative change of χ from one
    iteration to the next is less than `tolerance`, or for `most` iterations. Edges of χ are not
    penalised where `magnitude` has its steepest 30 % of gradients. The relative change of each
    iteration is appended to `changes`.

    Source: Bilgic et al. 2014, doi:10.1002/mrm.25029; edges Liu et al. 2012,
    doi:10.1016/j.neuroimage.2011.08.082.

    Raises:
        DataError: the mask is empty.
    """
    problem = _Problem.of(local_field_ppm, mask, spacing_mm, b0, margin_mm=margin_mm)
    sides, kernel = problem.sides, problem.kernel
    penalty = 100 * weight_mm
    inverse = laplacian(sides, spacing_mm, device=kernel.device).mul_(penalty)
    inverse.add_(kernel.square())
    inverse[0, 0, 0] = 1
    inverse.reciprocal_()
    data = kernel * problem.wave
    limits = _limits(weight_mm / penalty, magnitude, problem, spacing_mm)
    chi = volume(data * inverse, sides, sides)
    duals = [torch.zeros_like(chi) for _ in range(3)]
    for _ in range(most):
        drive = torch.zeros_like(chi)
        for axis, step in enumerate(spacing_mm):
            slope = (chi.roll(-1, axis) - chi) / step + duals[axis]
            kept = slope.clamp(-limits[axis], limits[axis])  # slope minus its shrunk part
            duals[axis] = kept
            pull = slope - 2 * kept  # the shrunk slope minus the new dual
            drive += (pull.roll(1, axis) - pull) / step
        before = chi
        chi = volume((data + penalty * spectrum(drive, sides)) * inverse, sides, sides)
        change = float((chi - before).norm() / chi.norm().clamp(min=1e-20))
        if changes is not None:
            changes.append(change)
        if change < tolerance:
            break
    chi = chi[tuple(slice(0, side) for side in problem.inner.shape)]
    return placed(chi * problem.inner, problem.box, local_field_ppm)


def _height(psf: Tensor, sides: TripleVox) -> float:
    """Height of a point-spread function: the mean of its whole spectrum, from the stored half."""
    edges = psf[..., 0].sum()
    if sides[2] % 2 == 0:
        edges = edges + psf[..., -1].sum()
    return float((2 * psf.sum() - edges) / math.prod(sides))


def _limits(
    limit: float, magnitude: Volume | None, problem: _Problem, spacing_mm: Triple
) -> list[Padded | float]:
    """Largest dual value per axis: `limit`, and 0 at edges of the magnitude."""
    if magnitude is None:
        return [limit] * 3
    shape = problem.inner.shape
    image = torch.zeros(problem.sides, device=problem.kernel.device)
    image[: shape[0], : shape[1], : shape[2]] = magnitude[problem.box].float() * problem.inner
    slopes = [((image.roll(-1, axis) - image) / step).abs() for axis, step in enumerate(spacing_mm)]
    inside = torch.stack([slope[: shape[0], : shape[1], : shape[2]] for slope in slopes])
    values = inside[:, problem.inner].flatten()
    steep = values.kthvalue(max(round((1 - EDGES) * len(values)), 1)).values
    return [torch.where(slope > steep, 0.0, limit) for slope in slopes]
