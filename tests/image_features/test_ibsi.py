"""Features of IBSI's phantoms against its reference values, doi:10.1148/radiol.2020191145."""

import csv
import math
from pathlib import Path

import nibabel as nib
import pytest

from neurotarget.image_features.extract import features_of
from neurotarget.image_features.feature_settings import FeatureSettings

IN_SLICES = ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb")
WHOLE = ("3D_avg", "3D_comb")
GRID = {"spacing_mm": (2, 2, 2), "rounded": True, "aggregations": WHOLE}
CONFIGURATIONS = {
    "a": FeatureSettings(low=-500, high=400, bin_size=25, aggregations=IN_SLICES),
    "b": FeatureSettings(
        spacing_mm=(2, 2), rounded=True, low=-500, high=400, bins=32, aggregations=IN_SLICES
    ),
    "c": FeatureSettings(low=-1000, high=400, bin_size=25, ivh_bin_size=2.5, **GRID),
    "d": FeatureSettings(outlier_sd=3, bins=32, **GRID),
    "e": FeatureSettings(
        interpolation="cubic", low=-1000, high=400, outlier_sd=3, bins=32, ivh_bins=1000, **GRID
    ),
}
NUMBER = {"a": 346, "b": 346, "c": 210, "d": 210, "e": 210}


def phantom(folder: Path, name: str):
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")
    image, mask = (nib.load(folder / name / f"{kind}.nii.gz") for kind in ("phantom", "mask"))
    return image.get_fdata(), mask.get_fdata() > 0, tuple(map(float, image.header.get_zooms()))


def deviating(path: Path, features: dict[str, float]) -> tuple[int, list[str]]:
    """Number of reference values, and features off by more than tolerance and printed digits."""
    with path.open() as stream:
        rows = [row for row in csv.DictReader(stream, delimiter=";") if row["reference value"]]
    rows = [row for row in rows if not row["tag"].endswith(("_img", "_roi"))]
    off = []
    for row in rows:
        wanted, got = float(row["reference value"]), features.get(row["tag"], math.nan)
        printed = 0.5 * 10 ** (math.floor(math.log10(abs(wanted))) - 2) if wanted else 1e-9
        if not abs(got - wanted) <= float(row["tolerance"]) + 1.001 * printed:
            off.append(f"{row['tag']}: {got} instead of {wanted}")
    return len(rows), off


def test_all_482_values_of_the_digital_phantom_agree(shared_data):
    folder = shared_data / "ibsi1"
    settings = FeatureSettings(aggregations=IN_SLICES + WHOLE)
    features = features_of(*phantom(folder, "digital_phantom"), settings)
    assert deviating(folder / "reference_dig_phantom.csv", features) == (482, [])


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_values_of_the_ct_phantom_are_within_tolerance(shared_data, name):
    folder = shared_data / "ibsi1"
    features = features_of(*phantom(folder, "ct_phantom"), CONFIGURATIONS[name])
    reference = folder / f"reference_chest_config_{name}.csv"
    assert deviating(reference, features) == (NUMBER[name], [])
