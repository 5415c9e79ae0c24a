import pytest

from neurotarget.image_features.feature_names import described, split_filter
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.image_features.filters.filter_name import read_filter
from neurotarget.problems import DataError


def test_a_name_holds_all_of_a_filter():
    one = read_filter("laws_L5E5_max_energy_7vox_2D")
    assert (one.kind, one.parts, one.pool, one.energy, one.flat) == (
        *("laws", ["L5", "E5"]),
        *("max", 7, True),
    )
    one = read_filter("gabor_5mm_2.5mm_1.5_22.5deg_mean")
    assert (one.width, one.wave, one.aspect, one.angle) == (5, 2.5, 1.5, 22.5)
    assert read_filter("simoncelli_2_riesz_110").riesz == "110"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("log", "such as log_3mm"),
        ("log_3", "such as log_3mm"),
        ("log_0mm", "widths above 0"),
        ("sobel_3vox", "such as log_3mm"),
        ("mean_4vox", "an odd number of voxels"),
        ("laws_L5E5", "3 directions"),
        ("laws_L5E5E5_2D", "2 directions"),
        ("laws_L5E5R3", "kernels of"),
        ("wavelet_db3_LLH_0", "such as log_3mm"),
        ("wavelet_db0_LLH_1", "such as log_3mm"),
        ("simoncelli_1_riesz_000", "above 0"),
        ("simoncelli_1_riesz_10", "3 directions"),
        ("gabor_5mm_2mm_1_0deg_mean", "steps of the angle above 0"),
        ("log_٣mm", "such as log_3mm"),
    ],
)
def test_a_name_of_no_filter_is_refused(name, wanted):
    with pytest.raises(DataError, match=wanted):
        read_filter(name)


def test_settings_with_filters_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="found filters=log_3mm twice"):
        FeatureSettings(filters=("log_3mm", "log_3mm"))
    with pytest.raises(DataError, match="filters with convention=pyradiomics"):
        FeatureSettings(filters=("log_3mm",), convention="pyradiomics")
    with pytest.raises(DataError, match="not positive"):
        FeatureSettings(filter_bins=0)


def test_a_column_names_its_filter_and_feature():
    column = "wavelet_db3_LLH_1_mean_cm_contrast_3D_comb"
    assert split_filter(column) == ("wavelet_db3_LLH_1_mean", "cm_contrast_3D_comb")
    assert described(column).ibsi == "ACUI"
    assert split_filter("mean_5vox_2D_stat_mean") == ("mean_5vox_2D", "stat_mean")
    assert split_filter("stat_mean") == ("", "stat_mean")
    assert split_filter("original_glcm_Contrast") == ("", "original_glcm_Contrast")
