"""The direct loader augments as TorchIO's queue does: the same patches, and like distributions."""

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from scipy import stats

from neurotarget.data.augmentation.augment import build_augmentation, read_transforms
from neurotarget.data.batches.batch_cuts import BatchCuts
from neurotarget.data.batches.draws import DrawSampler
from neurotarget.data.batches.patches import Regions, to_batch
from neurotarget.types import Target
from oracles.prepared import write_cloud

CONF = Path(__file__).resolve().parents[3] / "conf" / "augment"
STRONG = OmegaConf.to_container(OmegaConf.load(CONF / "strong.yaml"))
PATCH, CASES, COUNT = (16, 16, 16), 4, 64
TARGET = Target("toy", ("t1",), {"front": 1, "back": 2}, (1, 1, 1), PATCH)
FEW = 1e-4  # probability at which a difference counts as one


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clouds")
    return [write_cloud(folder, number, sides=(36, 36, 36)) for number in range(CASES)]


def features(images, labels):
    """Numbers (N,) of images (N, C, I, J, K) and labels that each transform changes."""
    images, labels = images.numpy().astype(float), labels.numpy()
    whole = images.reshape(len(images), -1)
    steps = [np.abs(np.diff(images, axis=axis)).mean(axis=(1, 2, 3, 4)) for axis in (2, 3, 4)]
    low, middle, high = np.quantile(whole, [0.05, 0.5, 0.95], axis=1)
    return {
        "mean": whole.mean(axis=1),
        "sd": whole.std(axis=1),
        "low": low,
        "middle": middle,
        "high": high,
        "steps along I": steps[0],
        "steps along J": steps[1],
        "steps along K": steps[2],
        "front": (labels == 1).mean(axis=(1, 2, 3)),
        "back": (labels == 2).mean(axis=(1, 2, 3)),
        "left": images[:, :, :8].mean(axis=(1, 2, 3, 4)),
    }


def both(folders, augment):
    """Features of the same draws by the queue and by the direct loader."""
    settings = {"patch_vox": PATCH, "foreground_share": 0.5, "margin_share": 0.5, "seed": 11}
    regions = Regions(folders, augmentation=build_augmentation(augment, target=TARGET), **settings)
    cuts = BatchCuts(
        folders,
        num_contrasts=1,
        transforms=read_transforms(augment, target=TARGET),
        **settings,
    )
    plain = BatchCuts(folders, num_contrasts=1, **settings)
    indices = list(DrawSampler(CASES, COUNT, seed=11))
    queue = to_batch([regions[index] for index in indices])
    direct, still = cuts[indices], plain[indices]
    return [features(batch.image, batch.labels) for batch in (queue, direct, still)]


@pytest.mark.parametrize("name", sorted(STRONG))
def test_each_transform_changes_patches_as_in_the_queue(folders, name):
    queue, direct, still = both(folders, {name: {**STRONG[name], "p": 1.0}})
    for feature, values in queue.items():
        # places are the same, so that the changes of a patch can be compared
        changes = (values - still[feature], direct[feature] - still[feature])
        if np.ptp(np.concatenate(changes)) < 1e-3:
            continue  # such as labels and noise
        assert stats.ks_2samp(*changes).pvalue > FEW, feature
        if np.ptp(np.subtract(*changes)) > 1e-3:  # else the same in every patch
            apart = stats.ttest_rel(*changes).pvalue
            assert apart > FEW, (feature, np.mean(changes, axis=1))


def test_all_transforms_together_give_patches_as_in_the_queue(folders):
    queue, direct, still = both(folders, STRONG)
    shares = []
    for made in (queue, direct):
        shares.append(np.mean(np.abs(made["steps along I"] - still["steps along I"]) > 1e-5))
    assert shares[0] == pytest.approx(shares[1], abs=0.12)
    for feature, values in queue.items():
        assert stats.ks_2samp(values, direct[feature]).pvalue > FEW, feature


def test_a_difference_is_seen(folders):
    blur = STRONG["blur"] | {"p": 1.0}
    queue, _, still = both(folders, {"blur": blur})
    _, direct, _ = both(folders, {"blur": blur | {"std": [0.5, 1.8]}})
    changes = (made["steps along I"] - still["steps along I"] for made in (queue, direct))
    assert stats.ttest_rel(*changes).pvalue < FEW
