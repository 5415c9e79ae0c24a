"""Masks as another reader might delineate them: shrunk, grown, moved or bent by about a voxel.

A feature that such a change alters more than people differ in it describes the reader, not them.

Source: Zwanenburg et al. 2019, doi:10.1038/s41598-018-36938-4 (perturbations); McGraw and Wong
1996, doi:10.1037/1082-989X.1.1.30 (ICC over them).
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    distance_transform_edt,
    gaussian_filter,
    generate_binary_structure,
)

from neurotarget.problems import DataError

Mask = Bool[ndarray, "I J K"]
REACH_VOX = 4  # how far a changed mask can be from the old one
NOISE_VOX = 1.0  # SD of the distance by which a contour moves
SMOOTH_VOX = 2.0  # SD of the Gaussian that makes neighbouring parts of a contour move alike


def perturbed(mask: Mask, kind: str, seed: int = 0) -> Mask:
    """Return a changed copy of a mask; an empty one stays empty.

    An axis along which the mask has one voxel only is left alone, so that a mask of a slice stays
    in its slice.

    Args:
        mask: of a region.
        kind: `erode` and `dilate` take off and add a layer of one voxel across faces, `shift` moves
            by one voxel along an axis, `contour` moves the border by smooth noise with a standard
            deviation of one voxel.
        seed: of `shift` and `contour`.

    Raises:
        DataError: the kind is unknown.
    """
    check_perturbations([kind])
    if not mask.any():
        return mask.copy()
    places = np.nonzero(mask)
    box = tuple(
        slice(max(0, int(place.min()) - REACH_VOX), int(place.max()) + REACH_VOX + 1)
        for place in places
    )
    thick = [axis for axis, place in enumerate(places) if np.ptp(place) > 0]
    changed = np.zeros_like(mask)
    changed[box] = _CHANGES[kind](mask[box], thick, np.random.default_rng(seed))
    return changed


def check_perturbations(kinds: Sequence[str]) -> None:
    """Refuse changes of masks that are unknown.

    Raises:
        DataError: names them.
    """
    if unknown := [kind for kind in kinds if kind not in PERTURBATIONS]:
        raise DataError(
            f"perturb: found {', '.join(unknown)}, wanted some of {', '.join(PERTURBATIONS)}; "
            "correct it"
        )


def _erode(mask: Mask, thick: list[int], random: np.random.Generator) -> Mask:  # noqa: ARG001
    # the edge of the image is no edge of the mask
    return binary_erosion(mask, _faces(thick), border_value=1)


def _dilate(mask: Mask, thick: list[int], random: np.random.Generator) -> Mask:  # noqa: ARG001
    return binary_dilation(mask, _faces(thick))


def _shift(mask: Mask, thick: list[int], random: np.random.Generator) -> Mask:
    """Move by one voxel; what leaves the image is lost."""
    if not thick:
        return mask.copy()
    axis, step = int(random.choice(thick)), int(random.choice([-1, 1]))
    moved = np.roll(mask, step, axis)
    border = [slice(None)] * 3
    border[axis] = slice(0, 1) if step == 1 else slice(-1, None)
    moved[tuple(border)] = False
    return moved


def _contour(mask: Mask, thick: list[int], random: np.random.Generator) -> Mask:
    sides = [1.0 if axis in thick else 1e6 for axis in range(3)]
    outside, inside = (distance_transform_edt(one, sides) for one in (~mask, mask))
    # the border is half a voxel from the centres on both of its sides
    depth = np.where(mask, inside - 0.5, 0.5 - outside)
    noise = gaussian_filter(random.normal(size=mask.shape), SMOOTH_VOX, mode="wrap")
    return depth + NOISE_VOX * noise / max(float(noise.std()), 1e-9) > 0


def _faces(thick: list[int]) -> ndarray:
    """A voxel and its neighbours across faces, along some axes."""
    structure = generate_binary_structure(3, 1)
    for axis in set(range(3)) - set(thick):
        ends = [slice(None)] * 3
        ends[axis] = slice(None, None, 2)
        structure[tuple(ends)] = False
    return structure


_CHANGES: dict[str, Callable[[Mask, list[int], np.random.Generator], Mask]] = {
    "erode": _erode,
    "dilate": _dilate,
    "shift": _shift,
    "contour": _contour,
}
PERTURBATIONS = tuple(_CHANGES)
