"""Dentate masks without a head, on a grid aligned with the template; quick to generate."""

import numpy as np
from numpy import ndarray

from neurotarget.phantom.dentate.anatomy import Filled, render_dentate
from neurotarget.phantom.dentate.nuclei import sample_dentates
from neurotarget.phantom.scanner import Warp
from neurotarget.phantom.scene import Scene

SCALE = 0.9  # native over template length
MIDDLE_MM = (0.0, -56.0, -36.0)  # of the grid, template mm
SIDES_MM = (56, 40, 36)


def straight_scene(centre: tuple[float, ...], spacing_mm: tuple[float, ...]) -> Scene:
    shape = tuple(int(side / step) for side, step in zip(SIDES_MM, spacing_mm, strict=True))
    steps = [(side - 1) / 2 for side in shape]
    index = np.stack(np.meshgrid(*[np.arange(-1, 4) * step for step in steps], indexing="ij"))
    from_middle = index - np.reshape(steps, (3, 1, 1, 1))
    knots = from_middle * np.reshape(spacing_mm, (3, 1, 1, 1)) / SCALE
    knots += np.reshape(MIDDLE_MM, (3, 1, 1, 1))
    affine = np.diag([*spacing_mm, 1.0])
    warp = Warp(knots.astype(np.float32), tuple(steps))
    return Scene(warp, shape, affine, np.array(centre))


def filled_pair(
    volumes_mm3: tuple[float, float],
    seed: int,
    *,
    spacing_mm: tuple[float, ...] = (1.0, 1.0, 1.0),
    mean_ppm: float = 0.15,
) -> list[Filled]:
    """Left and right dentate of one person."""
    rng = np.random.default_rng(seed)
    return [
        render_dentate(
            straight_scene(nucleus.centre, spacing_mm), nucleus, mm3, mean_ppm=mean_ppm, rng=rng
        )
        for nucleus, mm3 in zip(sample_dentates(rng), volumes_mm3, strict=True)
    ]


def mask_pair(volumes_mm3: tuple[float, float], seed: int) -> ndarray:
    """Label map of 1 mm with the left dentate 1 and the right 2."""
    label = np.zeros(SIDES_MM, np.uint8)
    for number, filled in enumerate(filled_pair(volumes_mm3, seed)):
        label[filled.box][filled.label] = number + 1
    return label
