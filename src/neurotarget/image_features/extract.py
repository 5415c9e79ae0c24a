"""All features of a region: each family by its name in IBSI's reference values."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Real
from numpy import ndarray

from neurotarget.image_features.aggregation import FeaturesOf, aggregated, dimension
from neurotarget.image_features.cooccurrence import cooccurrence_features, cooccurrences
from neurotarget.image_features.emphasis import emphasis_features
from neurotarget.image_features.feature_settings import LEVELLED, FeatureSettings
from neurotarget.image_features.filters.responses import filtered, reach_mm
from neurotarget.image_features.intensity_in_space import peak_features, spatial_features
from neurotarget.image_features.intensity_statistics import (
    histogram_features,
    intensity_features,
    volume_histogram_features,
)
from neurotarget.image_features.level_grid import LevelGrid
from neurotarget.image_features.morphology import shape_features
from neurotarget.image_features.neighbourhood import dependences, tone_differences, tone_features
from neurotarget.image_features.pyradiomics_set import pyradiomics_features
from neurotarget.image_features.region import (
    Region,
    discretised,
    levels_of,
    narrowed,
    prepared,
)
from neurotarget.image_features.run_lengths import run_lengths
from neurotarget.image_features.zones import border_distances, zone_distances, zone_sizes, zones

FEWEST_STEPS, MOST_STEPS = 10, 100_000  # of one unit in a cumulative histogram

Features = dict[str, float]


def features_of(
    image: Real[ndarray, "I J K"],
    mask: Bool[ndarray, "I J K"],
    spacing_mm: Sequence[float],
    settings: FeatureSettings,
    *,
    seen: Callable[[str, Region], None] | None = None,
) -> Features:
    """Features of a region by name, such as `stat_mean` or `cm_contrast_3D_comb`.

    By pyradiomics' convention they are named as `original_glcm_Contrast`. Features of a response
    map begin with its filter: `log_3mm_stat_mean`. A feature that is undefined is NaN.

    Args:
        image: intensities; slices are across the last axis.
        mask: the region, on the grid of the image.
        spacing_mm: sides of a voxel along I, J and K.
        settings: preparation, families and filters.
        seen: called with `image` or the name of a filter, and the region that is measured.

    Raises:
        DataError: the region has no voxel, or too many grey levels.
    """
    region = prepared(image, mask, spacing_mm, settings)
    first = narrowed(region) if settings.filters else region
    if seen is not None:
        seen("image", first)
    made = _measured(first, settings)
    for one in settings.read_filters():
        near = narrowed(region, reach_mm(one, region.spacing_mm, settings.boundary))
        response = filtered(near.image, near.spacing_mm, one, settings.boundary)
        part = narrowed(near._replace(image=response))
        if seen is not None:
            seen(one.name, part)
        made |= _named(one.name, _measured(part, settings.for_responses()))
    return made


def _measured(region: Region, settings: FeatureSettings) -> Features:
    """Features of a region that is prepared."""
    made, grid = _untextured(region, settings), None
    if set(settings.families) & LEVELLED:
        levels = discretised(region, settings)
        if "ih" in settings.families:
            flat = levels[region.voxels]
            made |= _named("ih", histogram_features(flat, settings.bins or int(flat.max())))
        grid = LevelGrid.of(levels)
        made |= textures(region, grid, settings)
    if settings.convention == "ibsi":
        return made
    in_plane = dimension(settings.aggregations[0]) == "2_5D"
    return pyradiomics_features(made, region, grid, in_plane=in_plane)


def _untextured(region: Region, settings: FeatureSettings) -> Features:
    """Features that need no grey levels."""
    families, made = set(settings.families), {}
    if "morph" in families:
        shape = shape_features(region.mask, region.spacing_mm)
        spatial = spatial_features(region.image, region.mask, region.voxels, region.spacing_mm)
        shape["integ_int"] = float(region.values.mean()) * shape["volume"]
        made |= _named("morph", shape | spatial)
    if "loc" in families:
        made |= _named("loc", peak_features(region.image, region.voxels, region.spacing_mm))
    if "stat" in families:
        made |= _named("stat", intensity_features(region.values))
    if "ivh" in families:
        made |= _named("ivh", volume_histogram_features(*_volume_grid(region, settings)))
    return made


def _volume_grid(
    region: Region, settings: FeatureSettings
) -> tuple[Float[ndarray, " V"], Float[ndarray, " G"]]:
    """Intensities on the grid of the cumulative histogram, and the grid."""
    values = region.values
    if settings.ivh_bins is not None:
        levels = levels_of(values, FeatureSettings(bins=settings.ivh_bins))
        return levels.astype(float), np.arange(1.0, settings.ivh_bins + 1)
    low = float(values.min()) if settings.low is None else settings.low
    high = float(values.max()) if settings.high is None else settings.high
    size = settings.ivh_bin_size
    if size is None:
        return values, low + _steps(values, high - low)
    levels = np.floor((values - low) / size)
    count = int(np.ceil((high - low) / size))
    return low + (levels + 0.5) * size, low + (np.arange(count) + 0.5) * size


def _steps(values: Float[ndarray, " V"], spread: float) -> Float[ndarray, " G"]:
    """Steps over a range: of one unit for whole numbers and for ranges of many units."""
    is_whole = spread >= FEWEST_STEPS or not (values % 1).any()
    if is_whole and spread <= MOST_STEPS:
        return np.arange(int(spread + 0.5) + 1.0)
    return np.linspace(0, spread, 1001) if spread else np.zeros(1)


def textures(region: Region, grid: LevelGrid, settings: FeatureSettings) -> Features:
    """Features of the texture matrices with the aggregations that are wanted.

    Args:
        region: gives the border from which distances of zones count.
        grid: grey levels of the region.
        settings: families and aggregations.
    """
    wanted, families, made = settings.aggregations, settings.families, {}
    for in_plane in (True, False):
        fitting = [name for name in wanted if (dimension(name) != "3D") == in_plane]
        if not fitting:
            continue
        flat = list(dict.fromkeys(map(dimension, fitting)))
        for family, layers, formula in _matrices(region, grid, families, in_plane):
            names = fitting if family in ("cm", "rlm") else flat
            made |= _named(family, aggregated(layers, formula, names, in_plane=in_plane))
    for name in [name for name in made if name.startswith("dzm_z_perc_")]:
        made[name] = made[name.replace("dzm", "szm")]  # zones per voxel, by whatever they count
    return {name: value for name, value in made.items() if name.partition("_")[0] in families}


def _matrices(
    region: Region, grid: LevelGrid, families: Sequence[str], in_plane: bool
) -> Iterator[tuple[str, Iterator[ndarray], FeaturesOf]]:
    """Matrices of each wanted family, a layer at a time, and the formulas of its features."""
    if "cm" in families:
        yield "cm", cooccurrences(grid, in_plane=in_plane), cooccurrence_features
    if "rlm" in families:
        layers, columns = run_lengths(grid, in_plane=in_plane)
        yield "rlm", layers, emphasis_features("rlm", columns)
    if {"szm", "dzm"} & set(families):
        found = zones(grid, in_plane=in_plane)
        layers, columns = zone_sizes(found)
        yield "szm", layers, emphasis_features("szm", columns)
        if "dzm" in families:
            distances = border_distances(region.mask, region.voxels, in_plane=in_plane)
            layers, columns = zone_distances(found, distances)
            yield "dzm", layers, emphasis_features("dzm", columns)
    if "ngt" in families:
        yield "ngt", tone_differences(grid, in_plane=in_plane), tone_features
    if "ngl" in families:
        layers, columns = dependences(grid, in_plane=in_plane)
        yield "ngl", layers, emphasis_features("ngl", columns, np.ones_like(columns))


def _named(family: str, values: Features) -> Features:
    return {f"{family}_{name}": value for name, value in values.items()}
