import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import neurotarget as nt
from neurotarget.cli.commands.features import with_bins
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.problems import DataError
from neurotarget.report.drawing.figure import SERIES
from neurotarget.report.drawing.region_histograms import histograms_figure, shares_of
from neurotarget.types import Target

SHAPE = (20, 18, 16)
REGION = (slice(4, 7), slice(6, 10), slice(6, 10))
STAT = {"families": ("stat",), "labels": {"tumour": 1}}


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([-1.0, 1, 1, 1])), path)
    return path


@pytest.fixture
def cases(tmp_path):
    """Four stripped heads of other gains, with a region of 3 times their median; a, b train."""
    head = np.zeros(SHAPE, "f4")
    x, y, z = np.ogrid[-9.5:10, -8.5:9, -7.5:8]
    inside = (x / 9) ** 2 + (y / 8) ** 2 + (z / 7) ** 2 < 1
    mask = np.zeros(SHAPE, np.uint8)
    mask[REGION] = 1
    lines = []
    for number, name in enumerate("abcd"):
        rng = np.random.default_rng(number)
        half = rng.normal(100, 5, (10, *SHAPE[1:]))
        array = np.where(inside, np.concatenate([half, half[::-1]]), head)
        array[REGION] = 300
        gain = (1, 2, 5, 10)[number]
        files = {kind: tmp_path / f"{name}_{kind}.nii.gz" for kind in ("t1", "adc", "label")}
        save(files["t1"], (array * gain).astype("f4"))
        save(files["adc"], array.astype("f4"))
        save(files["label"], mask)
        line = {key: file.name for key, file in files.items()}
        lines.append({"case_id": name, "split": "train" if name in "ab" else "test"} | line)
    table = tmp_path / "cases.tsv"
    pd.DataFrame(lines).to_csv(table, sep="\t", index=False)
    return table


def medians(table, contrast="t1"):
    return table[table["contrast"] == contrast].set_index("case_id")["stat_median"]


@pytest.mark.parametrize("method", ["brain_median", "contralateral_median"])
def test_a_median_of_the_brain_or_the_other_side_removes_the_gain(cases, method):
    made = medians(nt.features(cases, normalise=method, **STAT))
    np.testing.assert_allclose(made, 3, rtol=0.03)


@pytest.mark.parametrize("method", ["zscore", "white_stripe", "nyul"])
def test_normalised_scans_no_longer_differ_by_their_gain(cases, method):
    table = nt.features(cases, normalise=method, calibrated=("adc",), **STAT)
    made = medians(table)
    assert np.ptp(made) < 0.5 * made.abs().max()
    assert medians(table, "adc").tolist() == [300] * 4  # which keeps its unit


def test_a_standard_scale_is_fitted_on_training_cases_alone(cases, tmp_path):
    out = tmp_path / "out"
    nt.features(cases, out, normalise="nyul", **STAT)
    first = json.loads((out / "features.json").read_text())["normalisation"]
    assert first["fitted_on"] == ["a", "b"]
    one = tmp_path / "training.txt"
    one.write_text("c\n")
    nt.features(cases, out, normalise="nyul", fit_on=str(one), **STAT)
    second = json.loads((out / "features.json").read_text())["normalisation"]
    assert second["fitted_on"] == ["c"]
    assert second["landmarks"] != first["landmarks"]


def test_training_cases_that_are_not_known_are_refused(cases, tmp_path):
    table = pd.read_csv(cases, sep="\t").drop(columns="split")
    table.to_csv(cases, sep="\t", index=False)
    with pytest.raises(DataError, match="found no training cases"):
        nt.features(cases, normalise="nyul", **STAT)
    names = tmp_path / "names.txt"
    names.write_text("e\n")
    with pytest.raises(DataError, match="1 unknown cases such as e"):
        nt.features(cases, normalise="nyul", fit_on=str(names), **STAT)
    with pytest.raises(DataError, match="fit_on=all with normalise=none"):
        nt.features(cases, fit_on="all", **STAT)


def test_a_head_with_skull_fails_unless_a_brain_mask_is_given(cases, tmp_path):
    for name in "abcd":
        path = cases.parent / f"{name}_t1.nii.gz"
        array = np.asarray(nib.load(path).dataobj)
        save(tmp_path / "brains" / f"{name}.nii.gz", (array > 0).astype(np.uint8))
        save(path, array + np.arange(array.size, dtype="f4").reshape(SHAPE) * 1e-3)
    table = nt.features(cases, normalise="brain_median", **STAT)
    t1 = table[table["contrast"] == "t1"]
    assert set(t1["status"]) == {"failed"}
    assert t1["note"].str.contains("brains=<folder>").all()
    given = nt.features(cases, normalise="brain_median", brains=tmp_path / "brains", **STAT)
    np.testing.assert_allclose(medians(given), 3, rtol=0.1)


def test_units_of_a_target_decide_between_size_and_number_of_levels():
    target = Target(name="t", contrasts=("t1", "adc"), labels={"a": 1}, units={"adc": "mm2/s"},
                    spacing_mm=(1, 1, 1), patch_vox=(8, 8, 8))  # fmt: skip
    settings = with_bins(FeatureSettings(bin_size=50, low=0), target)
    adc, t1 = settings.for_contrast("adc"), settings.for_contrast("t1")
    assert (adc.bins, adc.bin_size, adc.low) == (None, 50, 0)
    assert (t1.bins, t1.bin_size, t1.low) == (32, None, None)
    with pytest.raises(DataError, match="adc in calibrated units without bin_size"):
        with_bins(FeatureSettings(), target)
    assert with_bins(FeatureSettings(bins=16), target).calibrated == ()
    assert with_bins(FeatureSettings()).bins == 32


def test_prepared_images_and_histograms_are_written_on_request(cases, tmp_path):
    out = tmp_path / "out"
    given = {"spacing_mm": (2, 2, 2), "filters": ("mean_3vox",), **STAT}
    table = nt.features(cases, out, save_images=True, histograms=True, **given)
    folder = out / "images" / "a"
    image, counted, response = (
        nib.load(folder / f"t1_tumour_{kind}.nii.gz") for kind in ("image", "counted", "mean_3vox")
    )
    inside = np.asarray(counted.dataobj) > 0
    row = table[(table["case_id"] == "a") & (table["contrast"] == "t1")].iloc[0]
    for scan, name in ((image, "stat_mean"), (response, "mean_3vox_stat_mean")):
        assert scan.get_fdata()[inside].mean() == pytest.approx(row[name], rel=1e-5)
    # the region lies where it was
    centre = nib.affines.apply_affine(counted.affine, np.argwhere(inside).mean(axis=0))
    assert centre == pytest.approx([-5, 7.5, 7.5], abs=1)
    percentiles = pd.read_csv(out / "histograms.tsv", sep="\t")
    first = percentiles.query("case_id == 'a' and contrast == 't1'").set_index("percentile")
    assert first.loc[50, "value"] == pytest.approx(row["stat_median"])
    assert first.loc[[0, 100], "value"].tolist() == pytest.approx(
        [row["stat_min"], row["stat_max"]]
    )
    assert "</svg>" in (out / "histograms.svg").read_text("utf-8")


def test_images_of_workers_are_recorded_as_our_own(cases, tmp_path):
    out = tmp_path / "out"
    for workers, top in ((2, 5000), (1, 6000)):
        given = {"save_images": True, "workers": workers, "high": top, **STAT}
        table = nt.features(cases, out, **given)
        assert set(table["status"]) == {"done"}
    foreign = out / "images" / "a" / "t1_tumour_image.nii.gz"
    foreign.write_text("of somebody else")
    table = nt.features(cases, out, save_images=True, workers=2, high=7000, **STAT)
    assert table[table["status"] == "failed"]["case_id"].tolist() == ["a"]
    assert foreign.read_text() == "of somebody else"


def test_a_figure_of_many_regions_has_as_many_as_there_are_colours():
    lines = [("a", "t1", str(label), percent, percent + 1000.0 * label)
             for label in range(9) for percent in range(101)]  # fmt: skip
    names = ["case_id", "contrast", "label", "percentile", "value"]
    figure = histograms_figure(pd.DataFrame(lines, columns=names))
    drawn = [line for line in figure.axes[0].lines if len(line.get_xdata())]
    assert len(drawn) == len({line.get_color() for line in drawn}) == len(SERIES)
    assert figure.axes[0].get_xlim()[1] < 1000 * len(SERIES)


def test_shares_of_a_histogram_are_those_of_its_values():
    values = np.random.default_rng(0).normal(size=100_000)
    percentiles, edges = np.percentile(values, np.arange(101)), np.linspace(-2, 2, 9)
    wanted = np.histogram(values, edges)[0] / 1000
    np.testing.assert_allclose(shares_of(percentiles, edges), wanted, atol=0.3)
