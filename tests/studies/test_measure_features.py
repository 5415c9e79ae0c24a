import json
import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import neurotarget as nt
from neurotarget.cli.main import run
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.problems import DataError
from neurotarget.studies import measure_features as module
from neurotarget.studies.features.feature_guards import feature_problems, mixed_units
from neurotarget.studies.measure_features import measure_features, parse_labels

FAST = FeatureSettings(families=("stat", "cm"), bins=4)


def save(path, array, spacing_mm=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([-spacing_mm, 1, 1, 1])), path)


@pytest.fixture
def data(tmp_path):
    """Four cases: two labels, one of two, a mask on another grid, and an empty mask."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "data"
    for name in "abcd":
        save(folder / "images" / f"{name}.nii.gz", rng.normal(100, 10, (8, 8, 6)).astype("f4"))
    mask = np.zeros((8, 8, 6), np.uint8)
    mask[1:5, 1:5, 1:5], mask[5:7, 1:5, 1:5] = 1, 2
    for name, array in {"a": mask, "b": mask * (mask < 2), "c": mask[:7], "d": mask * 0}.items():
        save(folder / "masks" / f"{name}.nii.gz", array)
    return folder


def test_every_region_is_a_row_and_failures_are_counted(data, tmp_path, capsys):
    out = tmp_path / "out"
    labels = "labels=core:1,whole:1+2,rim:2"
    assert run(["features", f"{data}", f"output={out}", "families=stat,cm", "bins=4", labels]) == 2
    table = pd.read_csv(out / "features.tsv", sep="\t").set_index(["case_id", "label"])
    assert table["status"].to_dict() == {
        **{("a", name): "done" for name in ("core", "whole", "rim")},
        **{("b", "core"): "done", ("b", "whole"): "done", ("b", "rim"): "absent"},
        **{("c", name): "failed" for name in ("core", "whole", "rim")},
        **{("d", name): "absent" for name in ("core", "whole", "rim")},
    }
    assert table.loc[("a", "whole"), "voxels"] == 96
    note = table.loc[("c", "core"), "note"]
    assert "found a mask of 7 × 8 × 6 voxels of 1 × 1 × 1 mm, wanted 8 × 8 × 6 voxels" in note
    image = np.asarray(nib.load(data / "images" / "a.nii.gz").dataobj)
    assert table.loc[("a", "core"), "stat_mean"] == pytest.approx(image[1:5, 1:5, 1:5].mean())
    sidecar = json.loads((out / "features.json").read_text("utf-8"))
    assert sidecar["settings"]["bins"] == 4
    assert sidecar["labels"]["whole"] == [1, 2]
    assert sidecar["regions"] == {"done": 5, "absent": 4, "failed": 3}
    assert sidecar["features"]["cm_contrast_3D_comb"]["ibsi"] == "ACUI"
    assert "4 regions without a voxel, of b, d" in capsys.readouterr().out


def test_only_cases_that_changed_are_measured_again(data, tmp_path, monkeypatch):
    manifest = read_manifest(data, None)
    first = measure_features(manifest, tmp_path / "out", FAST).table
    assert first["label"].tolist() == ["1", "2", "1", "n/a", "n/a"]
    seen = []

    def noted(case, **given):
        seen.append(case.case_id)
        return measured(case, **given)

    measured = module.measured_case
    monkeypatch.setattr(module, "measured_case", noted)
    again = measure_features(manifest, tmp_path / "out", FAST).table
    assert seen == ["c"]  # which failed
    pd.testing.assert_frame_equal(again, first)
    save(data / "images" / "a.nii.gz", np.arange(384, dtype="f4").reshape(8, 8, 6))
    measure_features(manifest, tmp_path / "out", FAST)
    assert seen == ["c", "a", "c"]
    measure_features(manifest, tmp_path / "out", FeatureSettings(families=("stat",), bins=4))
    assert seen[3:] == ["a", "b", "c", "d"]


def test_processes_side_by_side_measure_the_same(data, tmp_path):
    given = {"families": ("stat", "cm"), "bins": 4}
    single = nt.features(data, **given)
    pd.testing.assert_frame_equal(nt.features(data, tmp_path / "two", workers=2, **given), single)


def test_features_of_response_maps_name_their_filter(data, tmp_path):
    out = tmp_path / "out"
    given = ["families=stat,cm", "bins=4", "filters=log_1mm,mean_3vox", "labels=core:1"]
    run(["features", f"{data}", f"output={out}", *given])
    table = pd.read_csv(out / "features.tsv", sep="\t").set_index("case_id")
    sidecar = json.loads((out / "features.json").read_text("utf-8"))
    assert sidecar["settings"]["filters"] == ["log_1mm", "mean_3vox"]
    assert sidecar["settings"]["filter_bins"] == 32
    column = "log_1mm_cm_contrast_3D_comb"
    assert sidecar["features"][column]["ibsi"] == "ACUI"
    assert sidecar["features"][column]["filter"] == "log_1mm"
    assert table.loc["a", column] > 0


def test_images_in_two_units_are_refused_with_their_list(data):
    for name in "ab":
        array = np.asarray(nib.load(data / "images" / f"{name}.nii.gz").dataobj)
        save(data / "images" / f"{name}.nii.gz", array * (1e-6 if name == "b" else 1))
    with pytest.raises(DataError, match="in 1 cases, so that units are mixed: b, wanted one unit"):
        nt.features(data, labels={"core": 1}, families=("stat",))


def test_scales_without_a_unit_have_no_mixed_units():
    fixed = {"case_id": ["a", "b"], "contrast": "t1", "label": "1", "status": "done", "note": ""}
    table = pd.DataFrame({**fixed, "stat_median": [0.01, 0.9]})
    assert len(feature_problems(table)) == 1
    assert feature_problems(table, {"t1"}) == []


def test_23_of_60_maps_of_ucsf_are_in_another_unit(shared_data):
    path = shared_data / "ucsf_pdgm" / "pyradiomics_adc_md_dwi_t1c_60pts.csv.gz"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    table = pd.read_csv(path, index_col="ID")
    medians = table["original_firstorder_Median_ADC_tumor_segmentation"]
    (problem,) = mixed_units(medians, "ADC, tumour")
    sizes = [int(size) for size in re.findall(r"in (\d+) cases", problem.found)]
    assert sizes == [6, 17, 37]  # m²/s, mm²/s and 10⁻⁶ mm²/s
    assert problem.found.count("UCSF-PDGM-") == 23
    assert mixed_units(medians[medians > 1], "ADC") == []


def test_features_that_are_constant_or_undefined_are_listed():
    fixed = {"case_id": ["a", "b"], "contrast": "t1", "label": "1", "status": "done", "note": ""}
    table = pd.DataFrame({**fixed, "one": [1.0, 1.0], "two": [1.0, np.nan], "three": [1.0, 2.0]})
    constant, undefined = feature_problems(table)
    assert constant.found == "features with one value in all 2 regions: one, two"
    assert undefined.found == "1 undefined values, of two"


@pytest.mark.parametrize("word", ["core", "core:", "core:1,2", "core:1+a", ":1", "core:-1"])
def test_a_label_without_ids_is_refused(word):
    with pytest.raises(DataError, match="wanted a new name and its ids"):
        parse_labels([word])


def test_a_data_set_without_masks_is_refused(data, tmp_path):
    cases = tmp_path / "cases.tsv"
    cases.write_text(f"case_id\tt1\na\t{data / 'images' / 'a.nii.gz'}\n")
    with pytest.raises(DataError, match="no case with an image and a mask"):
        nt.features(cases)


def test_features_of_changed_and_second_masks_are_compared(tmp_path, capsys):
    rng = np.random.default_rng(0)
    folder, second = tmp_path / "data", tmp_path / "second"
    for place, name in enumerate("abcdef"):
        image = rng.normal(100 + 20 * place, 5, (12, 12, 12)).astype("f4")
        save(folder / "images" / f"{name}.nii.gz", image)
        mask = np.zeros((12, 12, 12), np.uint8)
        mask[3 : 6 + place // 2, 3:9, 3:9] = 1
        save(folder / "masks" / f"{name}.nii.gz", mask)
        save(second / f"{name}.nii.gz", np.roll(mask, 1, 1))
    out = tmp_path / "out"
    words = ["labels=core:1", "families=stat,morph", "perturb=erode,dilate,shift,contour"]
    given = ["features", f"{folder}", f"output={out}", *words, f"second={second}"]
    assert run(given) == 0
    assert "features of all regions have an ICC(A,1) of 0.75 or more" in capsys.readouterr().out
    table = pd.read_csv(out / "agreement.tsv", sep="\t").set_index("feature")
    assert table.loc["stat_mean", "n"] == 6
    assert table.loc["stat_mean", "value"] > 0.99  # of brightness
    assert table.loc["morph_volume", "value"] < 0.5  # of the mask
    names = ("erode", "dilate", "shift", "contour", "second")
    volumes = {name: pd.read_csv(out / "again" / name / "features.tsv", sep="\t")["voxels"]
               for name in names}  # fmt: skip
    first = pd.read_csv(out / "features.tsv", sep="\t")["voxels"]
    assert (volumes["erode"] < first).all()
    assert (volumes["dilate"] > first).all()
    assert (volumes["shift"] == first).all()
    assert (volumes["second"] == first).all()
    page = (out / "agreement.html").read_text("utf-8")
    assert "6 cases, each measured with 6 masks: the masks as given, the second masks" in page
    sidecar = json.loads((out / "again" / "erode" / "features.json").read_text("utf-8"))
    assert sidecar["masks_changed_by"] == "erode"
    settings = {"labels": {"core": 1}, "families": ("stat", "morph"), "perturb": ["erode"]}
    made = nt.features(folder, second=second, **settings).attrs["agreement"].set_index("feature")
    assert made.loc["stat_mean", "n"] == 6
    assert made.loc["morph_volume", "value"] < made.loc["stat_mean", "value"]
    assert run([*given[:3], "labels=core:1", "families=stat", "perturb=shift"]) == 0  # once more
    with pytest.raises(SystemExit, match="2"):
        run([*given[:3], "perturb=melt"])
    assert "perturb: found melt, wanted some of erode, dilate, shift" in capsys.readouterr().err


def test_a_region_of_which_a_change_leaves_nothing_is_absent(tmp_path):
    save(tmp_path / "images" / "a.nii.gz", np.zeros((5, 5, 5), "f4"))
    mask = np.zeros((5, 5, 5), np.uint8)
    mask[1:3, 1:3, 1:3] = 1
    save(tmp_path / "masks" / "a.nii.gz", mask)
    made = measure_features(read_manifest(tmp_path, None), tmp_path / "out", FAST, perturb="erode")
    (row,) = made.table.to_dict("records")
    assert (row["status"], row["note"]) == ("absent", "erode leaves no voxel")


def test_shapes_of_real_tumours_agree_over_changed_masks_and_minima_do_not(shared_data, tmp_path):
    place = shared_data / "brats2021_2mm"
    names = sorted(path.name.removesuffix("_seg.nii.gz") for path in place.glob("*_seg.nii.gz"))
    rows = [[name, place / f"{name}_flair.nii.gz", place / f"{name}_seg.nii.gz"] for name in names]
    cases = pd.DataFrame(rows, columns=["case_id", "flair", "label"])
    cases.to_csv(tmp_path / "cases.tsv", sep="\t", index=False)
    words = ["labels=whole:1+2+4", "families=stat,morph", "normalise=zscore"]
    out = [f"output={tmp_path / 'out'}", "perturb=erode,dilate"]
    assert run(["features", f"{tmp_path / 'cases.tsv'}", *out, *words]) == 0
    table = pd.read_csv(tmp_path / "out" / "agreement.tsv", sep="\t").set_index("feature")
    assert table.loc["morph_volume", "n"] == 10
    assert table.loc["morph_volume", "value"] > 0.75
    assert table.loc["stat_min", "value"] < 0.75
