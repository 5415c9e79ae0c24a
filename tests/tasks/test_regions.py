import nibabel as nib
import numpy as np
import pytest
import torch

from neurotarget.data.batches.prepare import Preparation
from neurotarget.models.region_nets import RegionNets
from neurotarget.tasks.regions import RegionPredictor, fused, whole_target
from neurotarget.types import Case, Target
from oracles.region_scans import Near

TARGET = Target(
    *("bars", ["t1"], {"left": 1, "mid": (2, 5), "right": 3}, [1, 1, 1], [8, 8, 8]),
    pairs=[("left", "right")],
    volume_range_mm3={"left": (1, 10)},
    pieces={"mid": 2},
    hypotheses={"sex": "volume: F > M"},
)


def labels_of(*probabilities):
    """Label of a voxel whose regions have these probabilities."""
    logits = torch.logit(torch.tensor([0.5, *probabilities], dtype=torch.float64))
    shares = fused(logits[:, None])[:, 0]
    assert shares.sum() == pytest.approx(1)
    return int(shares.argmax())


@pytest.mark.parametrize(
    ("probabilities", "label"),
    [
        ((0.9, 0.2, 0.1), 1),
        ((0.49, 0.49, 0.49), 0),  # each below 0.5
        ((0.2, 0.51, 0.1), 2),  # the factor makes 0.51 enough: e^1.53 / (e^1.53 + 2) = 0.70
        ((0.8, 0.9, 0.1), 2),  # e^2.7 / (e^2.7 + e^2.4 + 1) = 0.56
        ((0.85, 0.9, 0.8), 0),  # three that agree too well: 0.37 for the largest
        ((0.9,), 1),  # the only region
        ((0.4,), 0),
        ((0.4, 0.4), 0),  # the softmax of nothing is 0.5 for both
        ((0.6, 0.7), 2),
    ],
)
def test_a_voxel_is_labelled_as_published(probabilities, label):
    assert labels_of(*probabilities) == label


def test_fusion_is_that_of_the_publication_in_numpy():
    """For 112 regions, with a network each that is sure of few voxels."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-3, 3, (112, 4, 5, 6))
    chances = 1 / (1 + np.exp(-logits))
    chances[chances < 0.5] = 0
    sharp = np.exp(112 * chances)
    kept = sharp / sharp.sum(axis=0) >= 0.5
    wanted = np.where(kept.any(axis=0), kept.argmax(axis=0) + 1, 0)
    scores = torch.from_numpy(np.concatenate([np.zeros((1, 4, 5, 6)), logits]))
    np.testing.assert_array_equal(fused(scores).argmax(dim=0), wanted)
    assert 0 < (wanted == 0).sum() < wanted.size


@pytest.fixture
def predictor():
    nets = [Near(0.5, is_limit=True), *(Near(value) for value in (1.0, 2.0, 3.0))]
    return RegionPredictor(RegionNets(nets), TARGET, Preparation("none", None))


@pytest.fixture
def case(tmp_path):
    scan = np.zeros((12, 8, 8), np.float32)
    for value in (1, 2, 3, 4):  # 4: of no region, but brighter than background
        scan[3 * value - 3 : 3 * value - 1, 2:5, 2:5] = value
    nib.save(nib.Nifti1Image(scan, np.eye(4)), tmp_path / "scan.nii.gz")
    return Case("c", "c", {"t1": tmp_path / "scan.nii.gz"})


def test_networks_agree_on_one_label_map(predictor, case):
    found = predictor.predict(case, probabilities=True)
    wanted = nib.load(case.images["t1"]).get_fdata()
    np.testing.assert_array_equal(found.classes, np.where(wanted > 3, 0, wanted))
    np.testing.assert_allclose(found.probabilities.sum(axis=0), 1, atol=1e-6)


def test_all_regions_together_are_segmented_by_a_network_of_their_own(predictor, case):
    whole = predictor.of_whole().predict(case)
    np.testing.assert_array_equal(whole.classes, nib.load(case.images["t1"]).get_fdata() > 0)
    assert whole.values == {"whole": 72.0}


def test_the_whole_has_all_ids_and_nothing_of_single_labels():
    whole = whole_target(TARGET)
    assert whole.labels == {"whole": (1, 2, 5, 3)}
    assert (whole.pairs, whole.hypotheses, whole.size_ranges) == ((), (), {})
    assert whole.expected_pieces == {"whole": None}


def test_settings_tell_of_the_fusion(predictor):
    assert predictor.settings["fusion"] == "regions"
