from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from neurotarget.data.batches.cache import open_entry
from neurotarget.data.batches.prepare import Preparation, prepare, read_scans, to_work
from neurotarget.problems import DataError
from neurotarget.types import Case, Manifest, Target

BRAIN = Preparation("zscore_brain", None)
SHAPE = (14, 12, 10)


def tumour(**more):
    derived = {"subtraction": "t1ce - 0.5*t1"}
    sizes = {"spacing_mm": [1] * 3, "patch_vox": [4] * 3}
    settings = {"derived": derived, **sizes, **more}
    return Target("tumour", ["t1", "t1ce"], {"core": 1}, **settings)


@pytest.fixture
def case(tmp_path):
    """A brain of 6 × 5 × 4 voxels, in files of int16 from the right to the left."""
    rng, box = np.random.default_rng(0), np.s_[5:11, 4:9, 3:7]
    images = {}
    for name in ("t1", "t1ce"):
        voxels = np.zeros(SHAPE, np.int16)
        voxels[box] = rng.integers(20_000, 32_000, voxels[box].shape)
        images[name] = tmp_path / f"a_{name}.nii.gz"
        nib.save(nib.Nifti1Image(voxels, np.diag([-1.0, 1, 1, 1])), images[name])
    label = np.zeros(SHAPE, np.uint8)
    label[6:9, 5:7, 4:6] = 1
    nib.save(nib.Nifti1Image(label, np.diag([-1.0, 1, 1, 1])), tmp_path / "seg.nii.gz")
    return Case("a", "a", images, tmp_path / "seg.nii.gz")


def voxels(case, name):
    return np.asarray(nib.load(case.images[name]).dataobj).astype(float)[::-1]  # canonical


def test_a_derived_contrast_is_computed_before_it_is_scaled(case):
    t1, t1ce = voxels(case, "t1"), voxels(case, "t1ce")
    brain = t1 != 0
    raw = t1ce - 0.5 * t1
    wanted = np.where(brain, (raw - raw[brain].mean()) / raw[brain].std(), 0)
    work = to_work(read_scans(case, tumour(), BRAIN), tumour())
    np.testing.assert_allclose(work.image[2], wanted[3:9, 4:9, 3:7], atol=1e-4)


def test_a_prepared_case_has_the_values_of_a_prediction(case, tmp_path):
    manifest = Manifest((case,), tmp_path)
    folder = prepare(manifest, tumour(), BRAIN, tmp_path / "cache", workers=1)["a"]
    entry = open_entry(folder)
    work = to_work(read_scans(case, tumour(), BRAIN), tumour())
    np.testing.assert_array_equal(entry.image, work.image.astype(np.float16))
    assert entry.image.shape == (3, 6, 5, 4)
    assert entry.label.sum() == 12
    other = tumour(derived={"subtraction": "t1ce - t1"})
    assert prepare(manifest, other, BRAIN, tmp_path / "cache", workers=1)["a"] != folder


def test_the_box_of_the_brain_is_that_of_coarser_voxels_too(case):
    coarse = tumour(spacing_mm=[2, 2, 2], patch_vox=[2, 2, 2])
    work = to_work(read_scans(case, tumour(), BRAIN), coarse)
    assert work.image.shape[1:] == (3, 2, 2)


def test_values_of_a_brain_may_be_clipped(case):
    clipped = Preparation("zscore_brain", (10, 90))
    image = to_work(read_scans(case, tumour(derived={}), clipped), tumour(derived={})).image
    assert (image.max(axis=(1, 2, 3)) < 2).all()
    assert image.mean(axis=(1, 2, 3)) == pytest.approx(0, abs=1e-5)


def test_a_scan_with_a_skull_is_refused_where_the_brain_is_wanted(case):
    noise = np.random.default_rng(1).integers(1, 2000, SHAPE).astype(np.int16)
    nib.save(nib.Nifti1Image(noise, np.diag([-1.0, 1, 1, 1])), case.images["t1"])
    message = r"a: .*a_t1.nii.gz: found 0.\d % of the voxels with .*wanted a brain without skull"
    with pytest.raises(DataError, match=message):
        read_scans(case, tumour(), BRAIN)


def test_a_missing_contrast_is_filled_with_the_background_and_named(case):
    whole = to_work(read_scans(case, tumour(), BRAIN), tumour())
    lacking = replace(case, images={"t1ce": case.images["t1ce"]})
    scans = read_scans(lacking, tumour(), BRAIN, fill=True)
    assert scans.warnings == ("missing contrasts: filled (t1)",)
    work = to_work(scans, tumour())
    np.testing.assert_array_equal(work.image[1], whole.image[1])
    assert not work.image[[0, 2]].any()  # t1, and what is derived from it
    assert work.grid.as_dict() == whole.grid.as_dict()


def test_a_missing_contrast_is_refused_where_it_is_not_to_be_filled(case):
    lacking = replace(case, images={"t1ce": case.images["t1ce"]})
    with pytest.raises(DataError, match=r"a: found no t1 image .only t1ce., wanted the contrasts"):
        read_scans(lacking, tumour(), BRAIN)
    with pytest.raises(DataError, match="found no t1 and no t1ce image"):
        read_scans(replace(case, images={}), tumour(), BRAIN, fill=True)
