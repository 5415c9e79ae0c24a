"""A network learns alike from the direct loader and from TorchIO's queue."""

from functools import partial

import numpy as np
import pytest
import torch

from neurotarget.data.augmentation.augment import build_augmentation, read_transforms
from neurotarget.data.batches.batch_cuts import BatchCuts
from neurotarget.data.batches.direct_loader import DirectLoader
from neurotarget.data.batches.draws import DrawSampler
from neurotarget.data.batches.patches import PatchQueue, Regions, patch_loader
from neurotarget.losses import DiceCrossEntropy
from neurotarget.models.nets.unet import UNet
from neurotarget.types import Target
from oracles.prepared import write_cloud

PATCH, STEPS, CASES = (16, 16, 16), 45, 4
TARGET = Target("toy", ("t1",), {"front": 1, "back": 2}, (1, 1, 1), PATCH)
AUGMENT = {
    "affine": {"p": 0.5},
    "flip": {"p": 0.5},
    "blur": {"p": 0.2, "std": [0.3, 1.0]},
    "noise": {"p": 0.3, "std": [0.0, 0.2]},
    "gamma": {"p": 0.3, "log_gamma": 0.3},
}


def batches(kind, folders, seed):
    settings = {"patch_vox": PATCH, "foreground_share": 0.5, "margin_share": 0.25, "seed": seed}
    draws = DrawSampler(CASES, 4 * STEPS, seed=seed)
    if kind == "direct":
        transforms = read_transforms(AUGMENT, target=TARGET)
        cuts = BatchCuts(folders, num_contrasts=1, transforms=transforms, **settings)
        return DirectLoader(cuts, draws, batch_size=4, workers=0)
    augmentation = build_augmentation(AUGMENT, target=TARGET)
    regions = Regions(folders, augmentation=augmentation, **settings)
    return patch_loader(PatchQueue(regions, draws, length=8, workers=0), batch_size=4)


def losses(kind, folders, seed):
    """Loss of every step of a short training."""
    torch.manual_seed(seed)
    net, loss_of = UNet(1, 3, widths=(4, 8), top_width=4), DiceCrossEntropy()
    optimizer = partial(torch.optim.AdamW, lr=1e-2)(net.parameters())
    found = []
    for batch in batches(kind, folders, seed):
        loss = loss_of(net(batch.image), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return np.array(found)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clouds")
    folders = [write_cloud(folder, number, sides=(32, 32, 32)) for number in range(CASES)]
    return {
        kind: np.stack([losses(kind, folders, seed) for seed in (1, 2)])
        for kind in ("direct", "queue")
    }


def test_the_loss_falls_with_both(learned):
    for found in learned.values():
        assert found.shape == (2, STEPS)
        assert (found[:, -15:].mean(axis=1) < 0.7 * found[:, :5].mean(axis=1)).all()


def test_the_losses_agree_within_their_noise(learned):
    ends = {kind: found[:, -15:].mean(axis=1) for kind, found in learned.items()}
    noise = max(float(np.ptp(found)) for found in ends.values())
    assert abs(ends["direct"].mean() - ends["queue"].mean()) < 2 * noise + 0.05
