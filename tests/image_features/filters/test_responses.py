import numpy as np
import pytest

from neurotarget.image_features.extract import features_of
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.image_features.filters.filter_name import read_filter
from neurotarget.image_features.filters.line_kernels import low_pass, rotations
from neurotarget.image_features.filters.responses import filtered
from neurotarget.problems import DataError

SIDES_MM = (2.0, 1.0, 1.0)  # slices first
NOISE = np.random.default_rng(0).normal(size=(8, 9, 10))


def response(filter_name: str, image=NOISE, sides_mm=SIDES_MM, boundary="mirror") -> np.ndarray:
    return filtered(image, sides_mm, read_filter(filter_name), boundary)


@pytest.mark.parametrize("family", ["haar", "db2", "db5", "db9", "coif1"])
def test_wavelet_filters_are_orthonormal(family):
    kernel = np.array(low_pass(family))
    assert kernel.sum() == pytest.approx(np.sqrt(2))
    for shift in range(0, len(kernel), 2):
        product = (kernel[shift:] * kernel[: len(kernel) - shift]).sum()
        assert product == pytest.approx(float(shift == 0), abs=1e-6)


@pytest.mark.parametrize(
    "filter_name",
    [
        *("laws_L5E5S5_max", "wavelet_db2_LLH_2_mean"),
        *("mean_3vox", "log_1.5mm", "gabor_2mm_3mm_1_45deg_mean"),
    ],
)
def test_pooled_responses_turn_with_the_image(filter_name):
    same = (1.0, 1.0, 1.0)
    turned = np.rot90(NOISE, axes=(1, 2))
    wanted = np.rot90(response(filter_name, sides_mm=same), axes=(1, 2))
    np.testing.assert_allclose(response(filter_name, turned, same), wanted, atol=1e-9)


def test_a_cube_has_24_rotations_and_a_square_4():
    assert [len(list(rotations(count))) for count in (2, 3)] == [4, 24]


def test_flat_filters_see_one_slice():
    changed = NOISE.copy()
    changed[3] = 0
    for filter_name in (
        *("mean_3vox_2D", "log_1mm_2D", "laws_L5E5_2D", "gabor_1mm_2mm_1_0deg_2D"),
        *("wavelet_haar_LH_1_2D", "simoncelli_1_2D", "simoncelli_1_riesz_10_2D"),
    ):
        differs = (
            np.abs(response(filter_name) - response(filter_name, changed)).max(axis=(1, 2)) > 1e-9
        )
        assert differs.tolist() == [at == 3 for at in range(8)], filter_name


@pytest.mark.parametrize(
    ("boundary", "sides"),
    [
        *(("zero", (0, 0)), ("nearest", (1, 8))),
        *(("mirror", (1, 8)), ("periodic", (8, 1))),
    ],
)
def test_images_continue_as_the_boundary_says(boundary, sides):
    line = np.arange(1.0, 9.0).reshape(1, 8, 1) * np.ones((8, 1, 8))
    made = response("mean_3vox", line, boundary=boundary)
    inner = line[4, :, 4]
    padded = np.array([sides[0], *inner, sides[1]])
    wanted = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    np.testing.assert_allclose(made[4, :, 4], wanted)


def test_a_laplacian_of_thick_slices_is_that_of_the_blob_in_mm():
    z, x, y = np.ogrid[-12:13:2, -12:13, -12:13]
    width, own = 3.0, 2.0
    blob = np.exp(-(x**2 + y**2 + z**2) / (2 * width**2))
    made = response(f"log_{own:g}mm", blob)[6, 12, 12]
    wide = width**2 + own**2  # variance of the blob smoothed
    wanted = -3 / wide * (width**2 / wide) ** 1.5 * 2 ** (2 / 3)  # per squared mean side
    assert made == pytest.approx(wanted, rel=0.01)


def test_the_squares_of_all_riesz_transforms_of_an_order_sum_to_the_response():
    image = np.random.default_rng(1).normal(size=(9, 9, 9))
    plain = (response("simoncelli_1", image) ** 2).sum()
    for orders in (("100", "010", "001"), ("200", "020", "002", "110", "101", "011")):
        parts = [response(f"simoncelli_1_riesz_{one}", image) ** 2 for one in orders]
        assert np.sum(parts) == pytest.approx(plain)


def test_a_riesz_transform_along_x_turns_a_cosine_into_a_sine():
    x = np.arange(16) * 2 * np.pi * 4 / 16 + np.zeros((4, 1, 4, 16))[0]
    wave = np.cos(x).transpose(0, 2, 1)
    made = response("log_0.3mm_riesz_100", wave, (1.0, 1.0, 1.0), "periodic")
    plain = response("log_0.3mm", wave, (1.0, 1.0, 1.0), "periodic")
    np.testing.assert_allclose(made, plain[0, 0, 0] * np.sin(x).transpose(0, 2, 1), atol=1e-9)


@pytest.mark.parametrize(
    "filter_name",
    [
        *("log_3mm", "mean_15vox", "laws_L5E5E5_max_energy_7vox", "wavelet_db2_HLL_2"),
        *("wavelet_db5_LLH_1_mean", "gabor_2mm_3mm_1_45deg_mean", "log_1mm_riesz_100"),
    ],
)
@pytest.mark.parametrize("boundary", ["mirror", "periodic"])
def test_no_feature_of_a_response_depends_on_where_the_image_is_cut(filter_name, boundary):
    rng = np.random.default_rng(0)
    image, mask = rng.normal(100, 10, (64, 60, 44)), np.zeros((64, 60, 44), bool)
    mask[28:33, 28:33, 18:22] = True
    settings = FeatureSettings(families=("loc", "stat"), filters=(filter_name,), boundary=boundary)
    made = features_of(image, mask, (1, 1, 1), settings)
    whole = response(filter_name, np.moveaxis(image, 2, 0), (1, 1, 1), boundary)
    wanted = features_of(
        np.moveaxis(whole, 0, 2), mask, (1, 1, 1), FeatureSettings(families=("loc", "stat"))
    )
    given = {name: made[f"{filter_name}_{name}"] for name in wanted}
    assert given == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_features_of_a_response_are_those_of_the_whole_image_filtered():
    rng = np.random.default_rng(0)
    image, mask = rng.normal(100, 10, (60, 60, 40)), np.zeros((60, 60, 40), bool)
    mask[28:33, 28:33, 18:22] = True
    filter_names = ("log_1mm", "laws_L5E5E5_max_energy_2vox", "wavelet_db2_LLH_2", "simoncelli_1")
    settings = FeatureSettings(families=("stat", "cm"), bins=8, filters=filter_names)
    made = features_of(image, mask, (1, 1, 1), settings)
    for filter_name in filter_names:
        whole = np.moveaxis(response(filter_name, np.moveaxis(image, 2, 0), (1, 1, 1)), 0, 2)
        assert made[f"{filter_name}_stat_mean"] == pytest.approx(whole[mask].mean(), abs=1e-9)
    plain = features_of(image, mask, (1, 1, 1), FeatureSettings(families=("stat", "cm"), bins=8))
    assert {name: made[name] for name in plain} == plain
    assert len(made) == len(plain) * 5


def test_the_range_of_intensities_counts_before_the_filter():
    image, mask = NOISE * 10, np.ones(NOISE.shape, bool)
    settings = FeatureSettings(families=("stat",), low=0, filters=("mean_3vox",))
    made = features_of(image, mask, (1, 1, 1), settings)
    wanted = response("mean_3vox", np.moveaxis(image, 2, 0))[np.moveaxis(image, 2, 0) >= 0]
    assert made["mean_3vox_stat_mean"] == pytest.approx(wanted.mean())


@pytest.mark.usefixtures("any_array")
def test_undefined_voxels_within_reach_of_a_filter_are_refused():
    image, mask = NOISE.copy(), np.zeros(NOISE.shape, bool)
    mask[2:4, 2:4, 2:4], image[7, 8, 9] = True, np.nan
    settings = FeatureSettings(families=("stat",), filters=("mean_3vox",))
    with pytest.raises(DataError, match="NaN or Inf in 1 voxels around the region"):
        features_of(image, mask, (1, 1, 1), settings)
