"""A network whose convolutions stay frozen sees each case once, whatever the number of epochs."""

from functools import partial

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.prepare import Preparation
from neurotarget.data.cases.sources import Files
from neurotarget.inference.windows.whole_image import WholeImage
from neurotarget.models.backbone import VectorBackbone
from neurotarget.tasks.classification import ClassificationTask
from neurotarget.tasks.frozen_features import features_of_cases, hash_of_frozen
from neurotarget.types import Target

TARGET = Target(
    "person",
    ["t1"],
    {},
    [1] * 3,
    [6, 8, 4],
    outcomes={"ill": {"kind": "binary", "classes": ["no", "yes"]}},
)


class Frozen(VectorBackbone):
    """The mean of an image after a convolution, which is frozen, and a linear layer."""

    frozen = True

    def __init__(self, factor=1.0):
        super().__init__(1)
        self.net = nn.Conv3d(1, 2, 1)
        with torch.no_grad():
            self.net.weight[0], self.net.weight[1] = factor, -factor
            self.net.bias.zero_()
        self.net.requires_grad_(False)
        self.last, self.count = nn.Linear(2, 1), 0

    def encode(self, image):
        self.count += len(image)
        return self.net(image).relu().mean(dim=(2, 3, 4))

    def decide(self, features):
        return self.in_unit(self.last(features))

    def raw(self, image):
        return self.last(self.encode(image))


@pytest.fixture
def data(tmp_path):
    lines = ["case_id,t1,ill,split"]
    for number in range(12):
        image = np.random.default_rng(number).normal(number % 2, 0.1, (6, 7, 5)).astype("f4")
        nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / f"c{number}.nii.gz")
        split = ("train", "train", "train", "val", "val", "test")[number // 2]
        lines.append(f"c{number},c{number}.nii.gz,{('no', 'yes')[number % 2]},{split}")
    (tmp_path / "cases.csv").write_text("\n".join(lines))
    made = TargetData(
        TARGET,
        Files(),
        cache=tmp_path / "cache",
        preparation=Preparation("none", None),
        root=str(tmp_path / "cases.csv"),
        batch_size=2,
        patches_per_epoch=8,
        workers=0,
        learns_from="outcomes",
    )
    made.prepare_data()
    return made


def fitted(net, data, toy, folder):
    task = ClassificationTask(TARGET, net, partial(torch.optim.AdamW, lr=0.5))
    task.prepare(data)
    trainer = toy.trainer(folder, max_epochs=4)
    trainer.fit(task, datamodule=data)
    return task, {key: float(value) for key, value in trainer.callback_metrics.items()}


def test_each_case_is_encoded_once_and_its_features_are_kept(data, toy, tmp_path):
    net = Frozen()
    _, scores = fitted(net, data, toy, tmp_path)
    assert net.count == 10  # 6 for training, 4 for validation
    assert scores["val/auroc_mean"] == 1.0
    again = Frozen()
    fitted(again, data, toy, tmp_path)
    assert again.count == 0


def test_features_give_the_outputs_of_the_whole_network(data, toy, tmp_path):
    task, _ = fitted(Frozen(), data, toy, tmp_path)
    task.eval()
    for batch in data.val_dataloader():
        kept = task.score(batch)
        task.features, known = {}, task.features
        np.testing.assert_allclose(task.score(batch).outputs, kept.outputs, rtol=1e-5)
        task.features = known


def test_other_frozen_weights_and_windows_have_features_of_their_own(data):
    folders = {"c0": data.folders["c0"]}
    window = WholeImage(TARGET.patch_vox)
    first = features_of_cases(Frozen(), folders, data.cache, window=window)["c0"]
    other = features_of_cases(Frozen(2.0), folders, data.cache, window=window)["c0"]
    torch.testing.assert_close(other, 2 * first)
    part = features_of_cases(Frozen(), folders, data.cache, window=WholeImage([2, 2, 1]))["c0"]
    assert not torch.allclose(part, first)


def test_what_a_training_sets_does_not_change_the_hash_of_the_frozen_part():
    net = Frozen()
    before = hash_of_frozen(net)
    net.rescale(torch.ones(1), torch.ones(1))
    with torch.no_grad():
        net.last.weight.add_(1)
    assert hash_of_frozen(net) == before
    assert hash_of_frozen(Frozen(1.001)) != before


def test_a_timed_step_of_noise_encodes_nothing():
    net = Frozen()
    task = ClassificationTask(TARGET, net, torch.optim.AdamW)
    example = task.example(4)
    before = net.count
    task.batch_loss(example).backward()
    assert net.count == before
    assert net.last.weight.grad.isfinite().all()
