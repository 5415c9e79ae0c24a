from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from neurotarget.data.batches.cache import open_entry
from neurotarget.data.batches.prepare import Preparation, prepare, read_scans, stored, to_work
from neurotarget.problems import DataError
from neurotarget.types import Case, Manifest, Roi, Target


def target(**changes) -> Target:
    values = {
        "name": "ball",
        "contrasts": ["t1"],
        "labels": {"ball": 7},
        "spacing_mm": [1, 1, 1],
        "patch_vox": [8, 8, 8],
    }
    return Target(**(values | changes))


def save(path, array, affine=None):
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


@pytest.fixture
def case(tmp_path):
    rng = np.random.default_rng(0)
    label = np.zeros((12, 12, 12), np.uint8)
    label[3:7, 3:7, 3:7] = 7
    image = save(tmp_path / "a.nii.gz", rng.random((12, 12, 12)).astype(np.float32))
    return Case("a", "a", {"t1": image}, save(tmp_path / "a_label.nii.gz", label))


def ready(case, tmp_path, target, preparation=None):
    manifest = Manifest((case,), tmp_path)
    folders = prepare(manifest, target, preparation or Preparation(), tmp_path / "cache", workers=1)
    return folders["a"]


def test_prepared_case_has_classes_and_zero_mean(case, tmp_path):
    entry = open_entry(ready(case, tmp_path, target(), Preparation("zscore", None)))
    assert entry.label.sum() == 64
    assert entry.facts["label_mm3"] == {"ball": 64.0}
    assert entry.foreground.shape == (64, 4)
    assert float(entry.image.mean(dtype=np.float64)) == pytest.approx(0, abs=1e-3)
    assert float(entry.image.std(dtype=np.float64)) == pytest.approx(1, abs=1e-3)


def test_same_content_and_settings_are_prepared_once(case, tmp_path):
    first = ready(case, tmp_path, target())
    stamp = (first / "entry.json").stat().st_mtime_ns
    assert ready(case, tmp_path, target()) == first
    assert (first / "entry.json").stat().st_mtime_ns == stamp


def test_new_content_or_settings_make_a_new_entry(case, tmp_path):
    first = ready(case, tmp_path, target())
    assert ready(case, tmp_path, target(spacing_mm=[2, 2, 2])) != first
    assert ready(case, tmp_path, target(), Preparation("zscore", None)) != first
    save(case.images["t1"], np.random.default_rng(1).random((12, 12, 12)).astype(np.float32))
    assert ready(case, tmp_path, target()) != first


def test_labels_under_a_new_name_are_prepared_under_that_name(case, tmp_path):
    first = ready(case, tmp_path, target())
    renamed = open_entry(ready(case, tmp_path, target(labels={"sphere": 7})))
    assert ready(case, tmp_path, target()) == first
    assert renamed.facts["label_mm3"] == {"sphere": 64.0}


def test_the_smallest_value_of_each_contrast_is_kept(case, tmp_path):
    other = save(tmp_path / "t2.nii.gz", np.arange(1728, dtype=np.float32).reshape(12, 12, 12) - 5)
    both = Case("a", "a", {"t1": case.images["t1"], "t2": other}, case.label)
    plan = target(contrasts=["t1", "t2"])
    entry = open_entry(ready(both, tmp_path, plan, Preparation("none", None)))
    assert entry.facts["minimum"] == [float(entry.image[0].min()), -5.0]


def test_values_too_large_for_float16_are_kept_as_float32(case, tmp_path):
    assert stored(np.full((1, 1, 1, 1), 65504, np.float32)).dtype == np.float16
    voxels = np.full((12, 12, 12), 70_000, np.float32)
    voxels[0, 0, 0] = -80_000
    save(case.images["t1"], voxels)
    entry = open_entry(ready(case, tmp_path, target(), Preparation("none", None)))
    np.testing.assert_array_equal(entry.image[0], voxels)
    assert entry.facts["minimum"] == [-80_000]


def test_mask_cut_by_the_region_of_interest_is_measured(case, tmp_path):
    roi = Roi(size_mm=(5, 12, 12), anchor="scan", offset_mm=(-2.5, 0, 0))
    entry = open_entry(ready(case, tmp_path, target(roi=roi)))
    assert entry.image.shape == (1, 5, 12, 12)
    assert entry.facts["outside_percent"] == 25  # one of four planes of the mask


def test_percentile_scale_runs_from_zero_to_one(case):
    work = to_work(read_scans(case, target(), Preparation("percentile", (1, 99))), target())
    assert (float(work.image.min()), float(work.image.max())) == (0.0, 1.0)


def test_no_scaling_keeps_the_unit_of_the_scan(case):
    stored = np.asarray(nib.load(case.images["t1"]).dataobj)
    work = to_work(read_scans(case, target(), Preparation("none", None)), target())
    np.testing.assert_array_equal(work.image[0], stored)


def test_every_broken_case_is_named_in_one_error(case, tmp_path):
    absent = Case("b", "b", {"t1": tmp_path / "none.nii.gz"}, case.label)
    shifted = np.eye(4)
    shifted[0, 3] = 3
    label = save(tmp_path / "c_label.nii.gz", np.full((12, 12, 12), 7, np.uint8), shifted)
    moved = Case("c", "c", case.images, label)
    odd = Case(
        "d", "d", case.images, save(tmp_path / "d.nii.gz", np.full((12, 12, 12), 3, np.uint8))
    )
    manifest = Manifest((case, absent, moved, odd), tmp_path)
    with pytest.raises(DataError, match=r"b: .*no such file") as caught:
        prepare(manifest, target(), Preparation(), tmp_path / "cache")
    found = {problem.case_id: str(problem) for problem in caught.value.problems}
    assert sorted(found) == ["b", "c", "d"]
    assert "affines differ" in found["c"]
    assert "label values 3" in found["d"]


def test_contrasts_on_different_grids_are_refused(case, tmp_path):
    other = save(tmp_path / "t2.nii.gz", np.ones((12, 12, 10), np.float32))
    both = Case("a", "a", {"t1": case.images["t1"], "t2": other}, None)
    with pytest.raises(DataError, match=r"12 × 12 × 10 voxels, wanted 12 × 12 × 12"):
        read_scans(both, target(contrasts=["t1", "t2"]), Preparation())


def test_region_of_interest_that_misses_the_scan_is_refused(case):
    roi = Roi(size_mm=(4, 4, 4), anchor="world", offset_mm=(300, 0, 0))
    with pytest.raises(DataError, match="region of interest misses"):
        to_work(read_scans(case, target(), Preparation()), target(roi=roi))


def test_unknown_intensity_is_refused():
    with pytest.raises(ValueError, match="wanted one of"):
        Preparation("zscor")


def test_a_localiser_learns_an_ellipsoid_in_the_box_of_the_mask(tmp_path):
    label = np.zeros((40, 40, 40), np.uint8)
    label[10:30, 20, 15:17] = 7  # a rod of 20 × 1 × 2 mm, which no voxel of 4 mm would keep
    image = save(tmp_path / "a.nii.gz", np.zeros(label.shape, np.float32))
    rod = Case("a", "a", {"t1": image}, save(tmp_path / "a_label.nii.gz", label))
    learnt = Preparation("none", None, region_mm=12.0)
    entry = open_entry(ready(rod, tmp_path, target(spacing_mm=[4, 4, 4]), learnt))
    sides = [int(entry.label.any(axis=axes).sum()) for axes in ((1, 2), (0, 2), (0, 1))]
    assert sides == [4, 3, 2]  # centres within 10, 6 and 6 mm of the middle
    middle = entry.grid.work_affine @ [*np.argwhere(entry.label).mean(axis=0), 1]
    assert np.abs(middle[:3] - [19.5, 20, 15.5]).max() <= 2  # half a coarse voxel


def test_only_values_without_a_scale_of_their_own_are_scaled(case, tmp_path):
    plain = open_entry(ready(case, tmp_path, target(), Preparation("none", None)))
    scaled = open_entry(ready(case, tmp_path, target(), Preparation("none", None, scale=10.0)))
    assert np.asarray(scaled.image) == pytest.approx(10 * np.asarray(plain.image), rel=1e-2)
    with pytest.raises(ValueError, match=r"scale: got 10\.0 for intensity zscore, wanted"):
        Preparation("zscore", scale=10.0)


def test_scans_in_microns_are_prepared_as_those_in_mm(cases_folder, tmp_path):
    pair = target(labels={"front": 1, "back": 2})
    entries = []
    for unit in ("micron", "mm"):
        folder = cases_folder / "units" / unit
        case = Case("a", "a", {"t1": folder / "scan01.nii.gz"}, folder / "mask01.nii.gz")
        entries.append(open_entry(ready(case, tmp_path, pair)))
    assert np.array_equal(entries[0].image, entries[1].image)
    assert np.array_equal(entries[0].label, entries[1].label)
    assert entries[0].grid.spacing_mm == entries[1].grid.spacing_mm == (1.0, 1.0, 1.0)
    assert entries[0].facts["label_mm3"] == pytest.approx(entries[1].facts["label_mm3"])


def with_ignored(case, tmp_path, part):
    label = np.asarray(nib.load(case.label).dataobj).copy()
    label[part] = 255
    return replace(case, label=save(tmp_path / "ignored.nii.gz", label))


def test_ignored_voxels_are_a_class_that_no_patch_is_drawn_from(case, tmp_path):
    half = with_ignored(case, tmp_path, np.s_[5:])
    entry = open_entry(ready(half, tmp_path, target(ignore_ids=[255])))
    assert np.bincount(entry.label.ravel()).tolist() == [5 * 144 - 32, 32, 7 * 144]
    assert entry.label.dtype == np.uint8
    assert set(entry.foreground[:, 0]) == {1}
    assert entry.facts["label_mm3"] == {"ball": 32.0}
    assert entry.facts["outside_percent"] == 0
    assert entry.facts["cut"] == ["ball"]


def test_a_localiser_learns_the_ellipsoid_and_ignores_what_lies_off_it(case, tmp_path):
    corner = with_ignored(case, tmp_path, np.s_[9:])
    learnt = Preparation("none", None, region_mm=4.0)
    entry = open_entry(ready(corner, tmp_path, target(ignore_ids=[255]), learnt))
    whole = open_entry(ready(case, tmp_path, target(), learnt))
    assert np.array_equal(entry.label == 1, whole.label == 1)
    assert (entry.label[9:] == 2).all()
    assert entry.facts["cut"] == []
