"""Regions and images that features are undefined for: a sentence, or NaN, but never a number."""

import math

import numpy as np
import pytest

from neurotarget.image_features.aggregation import AGGREGATIONS
from neurotarget.image_features.extract import features_of
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.problems import DataError

SPACING_MM = (1.0, 1.0, 2.0)
IMAGE = np.random.default_rng(0).normal(100, 10, (9, 9, 9))
BLOCK = (slice(2, 6), slice(2, 6), slice(3, 6))


def region(*places) -> np.ndarray:
    mask = np.zeros(IMAGE.shape, dtype=bool)
    mask[places] = True
    return mask


def undefined(features: dict[str, float]) -> set[str]:
    return {name for name, value in features.items() if not math.isfinite(value)}


@pytest.mark.parametrize("convention", ["ibsi", "pyradiomics"])
@pytest.mark.parametrize(
    "places",
    [(4, 4, 4), (0, 0, 0), (4, 4, slice(3, 5)), (4, slice(2, 6), 4), (0, 0, [0, 8])],
    ids=["one voxel", "a corner of the image", "two voxels", "a line", "two apart"],
)
def test_a_tiny_region_gets_every_feature_or_nan(places, convention):
    ways = AGGREGATIONS if convention == "ibsi" else ("3D_avg",)
    settings = FeatureSettings(bins=8, convention=convention, aggregations=ways)
    made = features_of(IMAGE, region(*places), SPACING_MM, settings)
    whole = features_of(IMAGE, region(*BLOCK), SPACING_MM, settings)
    assert made.keys() == whole.keys()
    assert undefined(whole) == set()
    textures = {name for name in undefined(made) if name.startswith(("szm", "dzm", "ngl"))}
    assert textures == set()  # every voxel is in a zone and has a number of neighbours


def test_a_constant_image_has_no_entropy_and_no_correlation_in_space():
    settings = FeatureSettings(bins=8)
    made = features_of(np.full(IMAGE.shape, 7.0), region(*BLOCK), SPACING_MM, settings)
    assert made["ih_entropy"] == made["cm_joint_entr_3D_comb"] == made["stat_var"] == 0
    assert undefined(made) == {"morph_moran_i", "morph_geary_c"}
    assert made["cm_corr_3D_comb"] == 1
    assert made["ngt_coarseness_3D"] == 1e6


def test_moran_and_geary_are_sums_over_all_pairs():
    mask = region(slice(2, 5), slice(2, 4), slice(3, 5))
    made = features_of(IMAGE, mask, SPACING_MM, FeatureSettings(families=("morph",)))
    places, x = np.argwhere(mask) * SPACING_MM, IMAGE[mask]
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    w = np.divide(1, apart, where=apart > 0, out=np.zeros_like(apart))
    d = x - x.mean()
    moran = len(x) / w.sum() * (w * d[:, None] * d).sum() / (d**2).sum()
    geary = (len(x) - 1) / (2 * w.sum()) * (w * (x[:, None] - x) ** 2).sum() / (d**2).sum()
    assert (made["morph_moran_i"], made["morph_geary_c"]) == pytest.approx((moran, geary))


@pytest.mark.parametrize(
    ("image", "mask", "settings", "message"),
    [
        (IMAGE, region([], [], []), {}, "found an empty mask"),
        (np.where(IMAGE > 110, np.nan, IMAGE), region(*BLOCK), {}, "NaN or Inf in .* of 48 voxels"),
        (IMAGE[:8], region(*BLOCK), {}, "an image of .* and a mask of"),
        (IMAGE, region(*BLOCK), {"low": 1e6}, "without a voxel after resampling"),
        (IMAGE * 1e4, region(*BLOCK), {"bin_size": 1}, "grey levels, wanted at most 1024"),
    ],
)
@pytest.mark.usefixtures("any_array")
def test_a_region_that_cannot_be_measured_is_refused(image, mask, settings, message):
    with pytest.raises(DataError, match=message):
        features_of(image, mask, SPACING_MM, FeatureSettings(**settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bins": 8, "bin_size": 2.0}, "both bins and bin_size"),
        ({"bins": 0}, "not positive"),
        ({"families": ("stats",)}, "families=stats"),
        ({"aggregations": ("3D_comb",), "convention": "pyradiomics"}, "aggregations=3D_comb"),
        ({"spacing_mm": (1.0,)}, "1 values of spacing_mm"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(DataError, match=message):
        FeatureSettings(**settings)


def test_units_do_not_change_the_steps_of_the_cumulative_histogram():
    mask, settings = region(*BLOCK), FeatureSettings(families=("ivh",))
    small = features_of(IMAGE * 1e-6, mask, SPACING_MM, settings)
    large = features_of(IMAGE * 1e6, mask, SPACING_MM, settings)
    assert small["ivh_v10"] == large["ivh_v10"]
    assert small["ivh_i10"] == pytest.approx(large["ivh_i10"] * 1e-12)
