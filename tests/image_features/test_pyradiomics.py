"""Features by pyradiomics' convention against its own baselines (3-clause BSD)."""

import csv
from pathlib import Path

import pytest

from neurotarget.data.scans.volume import read_volume
from neurotarget.image_features.extract import features_of
from neurotarget.image_features.feature_settings import FeatureSettings

SETTINGS = {
    "": {"bin_size": 25},
    "_FBN": {"bins": 64},
    "_2d": {"bin_size": 25, "aggregations": ("2_5D_avg",)},
    "_flatRegion": {"bin_size": 5000},
}
SHIFTED = ("Energy", "TotalEnergy", "RootMeanSquared")  # of intensities plus 2000
MESH = (
    "Sphericity",
    "SurfaceVolumeRatio",
    "MeshVolume",
    "SurfaceArea",
)  # of another table of cubes


def baseline(folder: Path, column: str) -> dict[str, float]:
    values = {}
    for path in sorted(folder.glob("baseline_*.csv")):
        with path.open() as stream:
            for row in csv.DictReader(stream):
                if row["featureName"].startswith("original_") and row.get(column):
                    values[row["featureName"]] = float(row[column])
    return values


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("case", ["brain1", "breast1"])
def test_features_agree_with_the_baselines_of_pyradiomics(shared_data, case, kind):
    folder = shared_data / "pyradiomics"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")
    image, label = (read_volume(folder / f"{case}_{name}.nrrd") for name in ("image", "label"))
    settings = FeatureSettings(convention="pyradiomics", **SETTINGS[kind])
    made = features_of(image.array, label.array == 1, image.spacing_mm, settings)
    assert len(made) == 107
    up = features_of(image.array + 2000, label.array == 1, image.spacing_mm, settings)
    off = {}
    for name, value in baseline(folder / "baseline", case + kind).items():
        got = (up if name.endswith(SHIFTED) else made)[name]
        if got != pytest.approx(value, rel=3e-3 if name.endswith(MESH) else 1e-6, abs=1e-12):
            off[name] = (got, value)
    assert off == {}
