"""A toy problem: a bright cube in noise, and a task and a trainer small enough for tests."""

from functools import partial
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from neurotarget.shapes import Batch
from torch.utils.data import DataLoader, Dataset

from neurotarget.losses import DiceCrossEntropy
from neurotarget.models.nets.unet import UNet
from neurotarget.tasks.segmentation import SegmentationTask
from neurotarget.types import Target

TARGET = Target("toy", ("t1",), {"cube": 1}, (1, 1, 2), (16, 16, 16))


def scan(seed, sides=(16, 16, 16)):
    generator = torch.Generator().manual_seed(seed)
    size = 4 + seed % 4
    low = [int(torch.randint(0, side - size, (1,), generator=generator)) for side in sides]
    labels = torch.zeros(1, *sides, dtype=torch.long)
    labels[(0, *(slice(start, start + size) for start in low))] = 1
    return 0.5 * torch.randn(1, 1, *sides, generator=generator) + 2 * labels[:, None], labels


class Cubes(Dataset):
    def __init__(self, count, batch_size, sides=(16, 16, 16), spoil=None):
        self.count, self.batch_size, self.sides, self.spoil = count, batch_size, sides, spoil

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        seeds = range(index * self.batch_size, (index + 1) * self.batch_size)
        images, labels = zip(*(scan(seed, self.sides) for seed in seeds), strict=True)
        image = torch.cat(images)
        if index == self.spoil:
            image[0, 0, 0, 0, 0] = float("nan")
        return Batch(image, torch.cat(labels), [f"cube{seed}" for seed in seeds])


def batches(count, batch_size=4, **changes):
    return DataLoader(Cubes(count, batch_size, **changes), batch_size=None)


def toy_task(net=None, lr=1e-2, **changes):
    net = net or UNet(1, 2, widths=(8, 16), top_width=8)
    return SegmentationTask(
        TARGET, net, DiceCrossEntropy(), partial(torch.optim.AdamW, lr=lr), **changes
    )


def toy_trainer(folder, callbacks=(), **changes):
    given = {
        "accelerator": "cpu",
        "devices": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "default_root_dir": folder,
        "callbacks": list(callbacks),
    }
    return pl.Trainer(**{**given, **changes})


@pytest.fixture
def toy():
    """The toy problem's parts, at one seed."""
    torch.manual_seed(0)
    return SimpleNamespace(target=TARGET, batches=batches, task=toy_task, trainer=toy_trainer)
