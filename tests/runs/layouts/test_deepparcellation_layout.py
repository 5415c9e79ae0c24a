import nibabel as nib
import numpy as np
import pytest

from neurotarget.data.batches.prepare import Preparation
from neurotarget.inference.predict_folder import predict_all
from neurotarget.models.region_nets import RegionNets
from neurotarget.problems import DataError
from neurotarget.runs.layouts.deepparcellation_layout import DeepParcellationLayout, statistics
from neurotarget.tasks.regions import RegionPredictor
from neurotarget.types import Case, Roi, Target
from oracles.region_scans import Near

TARGET = Target(
    *("two", ["t1"], {"Left-Hippocampus": 17, "ctx-rh-insula": 2035}, [1, 1, 1], [8, 8, 8]),
    roi=Roi((16.0, 16.0, 16.0), "scan"),
)


@pytest.fixture
def layout():
    nets = [Near(20.0, is_limit=True), Near(100.0), Near(200.0)]
    preparation = Preparation("none", None)
    return DeepParcellationLayout(RegionPredictor(RegionNets(nets), TARGET, preparation))


def test_a_scan_of_several_frames_becomes_a_folder_on_the_conformed_grid(layout, tmp_path):
    frames = np.zeros((10, 10, 10, 2), np.uint8)
    frames[2:4, 2:8, 2:8, 0], frames[5:7, 2:8, 2:8, 0], frames[8, 2:8, 2:8, 0] = 100, 200, 50
    affine = np.diag([-1.0, 1, 1, 1])
    affine[:3, 3] = [5, -5, -5]
    nib.save(nib.Nifti1Image(frames, affine), tmp_path / "scan.nii.gz")
    cases = [Case("sub-1", "sub-1", {"t1": tmp_path / "scan.nii.gz"})]
    (done,) = predict_all(layout, cases, tmp_path / "out", made_by="weights")
    assert (done.status, done.values) == ("done", {"Left-Hippocampus": 72.0, "ctx-rh-insula": 72.0})
    assert "the first of 2 frames was used" in done.note
    place = tmp_path / "out" / "sub-1" / "mri"
    assert {path.name for path in place.iterdir()} == {
        path.name for path in layout.files("a", place)
    }
    labels, brain, scan = (
        nib.load(place / f"{name}.nii.gz")
        for name in ("aparc.DKTatlas+aseg.deepparc", "brainmask.deepparc", "conformed_input")
    )
    assert labels.shape == brain.shape == scan.shape == (256, 256, 256)
    assert "".join(nib.aff2axcodes(labels.affine)) == "LIA"
    seen = np.asarray(scan.dataobj)
    np.testing.assert_array_equal(labels.dataobj, 17 * (seen == 100) + 2035 * (seen == 200))
    np.testing.assert_array_equal(brain.dataobj, seen > 20)  # its own network sees a third piece
    assert (place / "stat.csv").read_text().splitlines() == [
        "ROI\tn_voxels\tICV",
        "Left-Hippocampus\t72\t0.5",
        "ctx-rh-insula\t72\t0.5",
        "Brain mask\t144\t1.0",
    ]
    kept = predict_all(layout, cases, tmp_path / "out", made_by="weights")
    assert kept == [done]


def test_shares_of_nothing_are_0():
    assert statistics(np.zeros((2, 2, 2), np.uint8), TARGET)["ICV"].tolist() == [0, 0, 0]


def test_probabilities_have_no_place_there(layout, tmp_path):
    with pytest.raises(DataError, match="found true with layout=deepparcellation"):
        layout.save(None, tmp_path, probabilities=True)


def test_targets_of_several_contrasts_are_refused(layout):
    two = Target("two", ["t1", "t2"], {"a": 1}, [1, 1, 1], [8, 8, 8])
    layout.inner.target = two
    with pytest.raises(DataError, match="wanted labels of volumes and one contrast"):
        DeepParcellationLayout(layout.inner)
