from functools import partial

import pytest
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader

from neurotarget.losses import DiceCrossEntropy
from neurotarget.models.nets.unet import UNet
from neurotarget.problems import DataError
from neurotarget.tasks.kinds import NWay
from neurotarget.tasks.nway import NWayTask
from neurotarget.types import Target

TARGET = Target("two", ("t1",), {"cube": 1, "rest": 2}, (1, 1, 2), (16, 16, 16))


def task_of(lr=1e-2, **changes):
    torch.manual_seed(0)
    nets = NWay.make_net(partial(UNet, 1, 1, widths=(4, 8), top_width=4), TARGET)
    return NWayTask(TARGET, nets, DiceCrossEntropy(), partial(torch.optim.AdamW, lr=lr), **changes)


def two_labels(batches):
    """The toy's batches; the right half of each cube is brighter, and a second label."""
    changed = []
    for one in batches:
        labels = one.labels.clone()
        for cube in labels:
            cube[int(cube.nonzero()[:, 0].double().mean()) + 1 :] *= 2
        changed.append(one._replace(image=one.image + 2 * (labels == 2)[:, None], labels=labels))
    return DataLoader(changed, batch_size=None)


class Turns(Callback):
    """Notes which networks changed their weights in each step."""

    def __init__(self):
        self.changed = []

    def on_train_batch_start(self, trainer, task, *_):  # noqa: ARG002
        self.before = [self._sum(net) for net in task.net.nets]

    def on_train_batch_end(self, trainer, task, *_):  # noqa: ARG002
        after = [self._sum(net) for net in task.net.nets]
        pairs = zip(self.before, after, strict=True)
        self.changed.append([number for number, (a, b) in enumerate(pairs) if a != b])

    def _sum(self, net):
        return sum(float(weight.detach().double().abs().sum()) for weight in net.parameters())


def test_networks_train_in_turn_and_go_on_where_a_run_was_stopped(toy, tmp_path):
    """Weights after a stop are those without one; decoupled decay leaves others untouched."""
    batches, turns = two_labels(toy.batches(5, 2)), Turns()
    keep = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
    whole = task_of(ema_decay=0.9)
    toy.trainer(tmp_path, [keep, turns], max_epochs=2).fit(whole, batches)
    assert turns.changed == [[step % 3] for step in range(10)]
    rest = task_of(ema_decay=0.9)
    trainer = toy.trainer(tmp_path, max_epochs=2, enable_checkpointing=False)
    trainer.fit(rest, batches, ckpt_path=tmp_path / "epoch=0.ckpt", weights_only=True)
    torch.testing.assert_close(rest.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_cubes_are_learned_by_networks_that_agree(toy, tmp_path):
    task = task_of(lr=2e-2, schedule={"warmup_steps": 5}, ema_decay=0.9)
    train, val = (two_labels(toy.batches(*sizes)) for sizes in ((15, 4), (6, 1)))
    trainer = toy.trainer(tmp_path, max_epochs=4, enable_checkpointing=False)
    trainer.fit(task, train, val)
    found = trainer.callback_metrics
    assert set(NWayTask.logged(TARGET)) <= set(found)
    assert found["val/dice/cube"] > 0.75
    assert found["val/dice/rest"] > 0.75
    assert 0 < found["val/loss"] < 0.5


def test_a_region_is_taught_against_everything_else_but_ignored_voxels():
    task, labels = task_of(), torch.tensor([0, 1, 2, 3]).view(1, 1, 1, 4)
    assert task._of(2, labels).flatten().tolist() == [0, 0, 1, 3]
    assert task._of(0, labels).flatten().tolist() == [0, 1, 1, 3]


def test_fewer_steps_than_networks_are_refused(toy, tmp_path):
    trainer = toy.trainer(tmp_path, max_steps=2, enable_checkpointing=False)
    with pytest.raises(DataError, match=r"found 2 steps for 3 networks .* wanted at least 3"):
        trainer.fit(task_of(), two_labels(toy.batches(2, 2)))


def test_ddp_that_waits_for_all_weights_is_refused(toy, tmp_path):
    trainer = toy.trainer(tmp_path, max_steps=3, strategy="ddp", enable_checkpointing=False)
    task = task_of()
    task.trainer = trainer
    trainer.fit_loop.epoch_loop.max_steps = -1
    trainer.fit_loop.max_epochs = -1
    with pytest.raises(DataError, match=r"set trainer\.strategy=ddp_find_unused_parameters_true"):
        task.configure_optimizers()


def test_a_network_for_all_labels_is_refused():
    with pytest.raises(DataError, match="found a Conv3d for all labels, wanted RegionNets"):
        NWayTask(TARGET, nn.Conv3d(1, 3, 1), DiceCrossEntropy(), torch.optim.AdamW)
