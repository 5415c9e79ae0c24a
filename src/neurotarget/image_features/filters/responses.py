"""Response map of an image to a filter, and how far the filter reaches."""

from collections.abc import Sequence

from neurotarget.image_features.filters.filter_name import Boundary, Filter
from neurotarget.image_features.filters.gabor import gabor_response
from neurotarget.image_features.filters.gabor import reach_mm as gabor_reach_mm
from neurotarget.image_features.filters.line_kernels import low_pass
from neurotarget.image_features.filters.separable import (
    CUT_SD,
    Image,
    laws_response,
    log_response,
    mean_response,
    wavelet_response,
)
from neurotarget.image_features.filters.spectral import riesz_response, simoncelli_response


def filtered(image: Image, spacing_mm: Sequence[float], one: Filter, boundary: Boundary) -> Image:
    """Response of an image with slices first, in as many voxels.

    Beyond its border the image continues as `boundary` says: mirrored with the outer voxel twice,
    by its nearest voxel, by zeros, or from its other side.

    The image is (K, I, J), and `spacing_mm` the sides of a voxel in that order. The spectral
    filters treat it as periodic whatever the boundary.
    """
    match one.kind:
        case "mean":
            made = mean_response(image, one, boundary)
        case "log":
            made = log_response(image, spacing_mm, one, boundary)
        case "laws":
            made = laws_response(image, one, boundary)
        case "gabor":
            made = gabor_response(image, spacing_mm, one, boundary)
        case "wavelet":
            made = wavelet_response(image, one, boundary)
        case "simoncelli":
            made = simoncelli_response(image, one)
    return riesz_response(made, one) if one.riesz else made


def reach_mm(one: Filter, spacing_mm: Sequence[float], boundary: Boundary) -> float:
    """Distance in mm beyond which voxels do not change a response; Inf if all can.

    A part of an image that is cut out this far around a region has the responses of the whole image
    in the region.
    """
    if one.needs_whole or boundary == "periodic":
        return float("inf")
    side = max(spacing_mm)
    match one.kind:
        case "log":
            return CUT_SD * one.width + side
        case "gabor":
            return gabor_reach_mm(one) + side
        case "mean":
            voxels = one.support // 2 + 1
        case "laws":
            voxels = 3 + one.energy
        case _:
            voxels = len(low_pass(one.family)) // 2 * (2**one.level - 1) + 1  # of all levels
    return voxels * side
