"""Filters against IBSI 2's response maps and filtered values, doi:10.1148/radiol.231319."""

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from neurotarget.image_features.extract import features_of
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.image_features.filters.filter_name import read_filter
from neurotarget.image_features.filters.responses import filtered

MAPS = {  # name: phantom, filter, boundary
    "1_a_1": ("checkerboard", "mean_15vox", "zero"),
    "1_b_1": ("impulse", "mean_15vox_2D", "zero"),
    "2_b": ("checkerboard", "log_5mm", "mirror"),
    "2_c": ("checkerboard", "log_5mm_2D", "mirror"),
    "3_a_1": ("impulse", "laws_E5L5S5", "zero"),
    "3_c_1": ("checkerboard", "laws_L5S5_2D", "mirror"),
    "4_a_1": ("impulse", "gabor_10mm_4mm_0.5_60deg_2D", "zero"),
    "5_a_1": ("impulse", "wavelet_db2_LHL_1", "zero"),
    "6_a_1": ("sphere", "wavelet_coif1_HHL_1", "periodic"),
    "7_a_1": ("checkerboard", "wavelet_haar_LLL_2_mean", "mirror"),
    "7_a_2": ("checkerboard", "wavelet_haar_HHH_2_mean", "mirror"),
}
VALUES = {  # configuration: its preparation, and the filters 2 to 9
    "A": (
        {},
        (
            *("mean_5vox_2D", "log_1.5mm_2D", "laws_L5E5_max_energy_7vox_2D"),
            *("gabor_5mm_2mm_1.5_22.5deg_mean_2D", "wavelet_db3_LH_1_mean_2D"),
            *("wavelet_db3_HH_2_mean_2D", "simoncelli_1_2D", "simoncelli_2_2D"),
        ),
    ),
    "B": (
        {"spacing_mm": (1, 1, 1), "interpolation": "cubic", "rounded": True},
        (
            *("mean_5vox", "log_1.5mm", "laws_L5E5E5_max_energy_7vox"),
            *("gabor_5mm_2mm_1.5_22.5deg_mean", "wavelet_db3_LLH_1_mean"),
            *("wavelet_db3_HHH_2_mean", "simoncelli_1", "simoncelli_2"),
        ),
    ),
}


def volume(path: Path) -> np.ndarray:
    if not path.is_file():
        pytest.skip(f"needs {path}")
    return np.asarray(nib.load(path).dataobj, float)


@pytest.mark.parametrize("name", MAPS)
def test_response_maps_agree_to_a_thousandth_of_their_range(shared_data, name):
    folder = shared_data / "ibsi2"
    phantom, filter_name, boundary = MAPS[name]
    image = np.moveaxis(volume(folder / "digital_phantoms" / f"{phantom}.nii.gz"), 2, 0)
    wanted = volume(folder / "response_maps" / f"{name}-ValidCRM.nii.gz")
    made = np.moveaxis(filtered(image, (2.0, 2.0, 2.0), read_filter(filter_name), boundary), 0, 2)
    assert np.abs(made - wanted).max() < 1e-3 * np.ptp(wanted)  # IBSI tolerates a hundredth


@pytest.mark.parametrize("name", VALUES)
def test_filtered_values_of_the_ct_phantom_are_within_tolerance(shared_data, name):
    ct = shared_data / "ibsi1" / "ct_phantom"
    image, mask = volume(ct / "phantom.nii.gz"), volume(ct / "mask.nii.gz") > 0
    spacing_mm = nib.load(ct / "mask.nii.gz").header.get_zooms()
    given, filters = VALUES[name]
    settings = FeatureSettings(low=-1000, high=400, families=("stat",), filters=filters, **given)
    features = features_of(image, mask, tuple(map(float, spacing_mm)), settings)
    before = dict(enumerate(("", *(f"{filter_name}_" for filter_name in filters)), start=1))
    with (shared_data / "ibsi2" / "reference_feature_values.csv").open() as stream:
        rows = [
            row
            for row in csv.DictReader(stream, delimiter=";")
            if row["filter_id"].endswith(name) and row["consensus_value"]
        ]
    off = []
    for row in rows:
        column = before[int(row["filter_id"][0])] + row["feature_tag"]
        apart = abs(features[column] - float(row["consensus_value"]))
        if not apart <= float(row["tolerance"]):
            off.append(f"{column}: {features[column]} instead of {row['consensus_value']}")
    assert (len(rows), off) == ({"A": 162, "B": 161}[name], [])
