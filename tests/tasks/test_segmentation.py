import math
import time
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader

from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.models.nets.unet import UNet
from neurotarget.problems import DataError
from neurotarget.tasks.base import fuse
from neurotarget.tasks.segmentation import SegmentationTask

CONF = Path(__file__).resolve().parents[2] / "conf"


def load(*path):
    return OmegaConf.load(CONF.joinpath(*path).with_suffix(".yaml"))


def test_cubes_are_learned_in_seconds_on_a_cpu(toy, tmp_path):
    task = toy.task(schedule={"warmup_steps": 5}, ema_decay=0.9)
    trainer = toy.trainer(tmp_path, max_epochs=6, enable_checkpointing=False)
    start_s = time.monotonic()
    trainer.fit(task, toy.batches(10, 4), toy.batches(6, 1))
    assert time.monotonic() - start_s < 60  # a few seconds on a free machine
    assert trainer.callback_metrics["val/dice/cube"] > 0.9
    assert trainer.callback_metrics["val/dice_mean"] > 0.9


def test_validation_logs_every_promised_key(toy, tmp_path):
    trainer = toy.trainer(tmp_path, max_epochs=1, enable_checkpointing=False)
    trainer.fit(toy.task(), toy.batches(1, 2), toy.batches(4, 1))
    promised = {"train/loss", "val/loss", "val/dice/cube", "val/dice_mean"}
    promised |= {f"val/volume_{name}/cube" for name in ("r", "rho", "icc")}
    assert promised <= set(trainer.callback_metrics)


@pytest.mark.parametrize("sides", [(10, 16, 16), (23, 17, 30), (8, 8, 8)])
def test_volumes_of_any_size_are_scored_on_their_own_grid(toy, sides):
    task = toy.task().eval()
    with torch.no_grad():
        assert task(torch.randn(1, 1, *sides)).shape == (1, 2, *sides)


def test_stitched_windows_equal_one_window_where_the_volume_is_the_patch(toy):
    task = toy.task().eval()
    image = torch.randn(1, 1, 16, 16, 16)
    with torch.no_grad():
        assert torch.allclose(task(image), task.net(image), atol=1e-5)


def test_checkpoint_is_plain_and_its_weights_give_the_same_scores(toy, tmp_path):
    task = toy.task(ema_decay=0.9)
    keep = ModelCheckpoint(tmp_path, filename="best", monitor="val/dice_mean", mode="max")
    trainer = toy.trainer(tmp_path, [keep], max_epochs=1)
    trainer.fit(task, toy.batches(2, 2), toy.batches(2, 1))
    checkpoint = torch.load(tmp_path / "best.ckpt", weights_only=True)
    again = toy.task()
    again.load_state_dict(checkpoint["state_dict"])
    image = torch.randn(1, 1, 16, 16, 16)
    with torch.no_grad():
        assert torch.equal(again.eval()(image), task.eval()(image))


def test_deep_supervision_trains_and_validates(toy, tmp_path):
    net = UNet(1, 2, widths=(4, 8, 16), deep_supervision=True)
    trainer = toy.trainer(tmp_path, max_epochs=1, enable_checkpointing=False)
    trainer.fit(toy.task(net), toy.batches(2, 2), toy.batches(2, 1))
    assert torch.isfinite(trainer.callback_metrics["val/loss"])


def test_bfloat16_trains_with_a_float32_loss(toy, tmp_path):
    trainer = toy.trainer(
        tmp_path, max_epochs=1, precision="bf16-mixed", enable_checkpointing=False
    )
    trainer.fit(toy.task(), toy.batches(3, 2), toy.batches(1, 1))
    assert trainer.callback_metrics["train/loss"].dtype == torch.float32
    assert torch.isfinite(trainer.callback_metrics["val/loss"])


def test_test_volumes_are_logged_under_their_own_name(toy, tmp_path):
    trainer = toy.trainer(tmp_path, enable_checkpointing=False)
    (found,) = trainer.test(toy.task(), toy.batches(3, 1), verbose=False)
    assert {"test/dice/cube", "test/loss"} <= set(found)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_shipped_settings_train(toy, tmp_path, optimizer):
    whole = OmegaConf.create({"task": load("task", "segmentation")})
    whole.loss, whole.optimizer = load("loss", "dice_ce"), load("optimizer", optimizer)
    net = instantiate(load("model", "unet").model, in_channels=1, num_labels=2, _convert_="all")
    task = instantiate(whole.task, _partial_=True, _convert_="all")(target=toy.target, net=net)
    assert isinstance(task, SegmentationTask)
    trainer = toy.trainer(tmp_path, max_epochs=1, enable_checkpointing=False)
    trainer.fit(task, toy.batches(2, 2), toy.batches(1, 1))
    assert torch.isfinite(trainer.callback_metrics["train/loss"])


class Unpadded(nn.Sequential):
    """Two convolutions that lose two voxels at each face."""

    margin_vox = 2

    def __init__(self):
        super().__init__(nn.Conv3d(1, 8, 3), nn.ReLU(), nn.Conv3d(8, 2, 3))


def test_unpadded_net_learns_from_the_voxels_it_scores(toy, tmp_path):
    windows = SlidingWindow((12, 12, 12), margin_vox=2)
    task = toy.task(Unpadded(), inferer=windows, schedule={"warmup_steps": 5})
    trainer = toy.trainer(tmp_path, max_epochs=8, enable_checkpointing=False)
    trainer.fit(task, toy.batches(10, 4), toy.batches(6, 1))
    assert trainer.callback_metrics["val/dice/cube"] > 0.8


def test_unpadded_net_is_taught_the_middle_of_the_labels(toy):
    task = toy.task(Unpadded(), inferer=SlidingWindow((16, 16, 16), margin_vox=2))
    batch = next(iter(toy.batches(1, 2)))
    wanted = task.loss.loss(task.net(batch.image), batch.labels[:, 2:-2, 2:-2, 2:-2])
    assert task.training_step(batch, 0).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_windows_of_an_unpadded_net_know_its_margin(toy):
    batch = next(iter(toy.batches(1, 1)))
    assert toy.task(Unpadded())(batch.image).shape[2:] == batch.labels.shape[1:]


def test_net_that_loses_voxels_without_saying_so_is_refused(toy, any_array):
    task = toy.task(nn.Conv3d(1, 2, 3))
    with pytest.raises(ValueError, match="got scores of 14×14×14 voxels for labels of 16×16×16"):
        task.training_step(next(iter(toy.batches(1, 2))), 0)


def half_judged(batches, as_class):
    """Batches whose masks have another class in the half towards the front."""
    changed = [batch._replace(labels=batch.labels.clone()) for batch in batches]
    for batch in changed:
        batch.labels[:, :, 8:] = as_class
    return DataLoader(changed, batch_size=None)


def test_half_of_each_mask_teaches_the_whole_where_the_rest_is_ignored(toy, tmp_path):
    def dice(as_class):
        torch.manual_seed(0)
        task = toy.task(schedule={"warmup_steps": 5}, ema_decay=0.9)
        task.ignore()
        trainer = toy.trainer(tmp_path, max_epochs=6, enable_checkpointing=False)
        trainer.fit(task, half_judged(toy.batches(10, 4), as_class), toy.batches(6, 1))
        return float(trainer.callback_metrics["val/dice/cube"])

    ignored, background = dice(2), dice(0)
    assert ignored > 0.8
    assert background < ignored - 0.2


def test_validation_scores_the_judged_half(toy, tmp_path):
    task = toy.task()
    task.ignore()
    batches = half_judged(toy.batches(1, 1), task.target.ignored_class)
    (one,) = toy.trainer(tmp_path).validate(task, batches, verbose=False)
    image, labels, *_ = next(iter(toy.batches(1, 1)))
    with torch.no_grad():
        pred = task.eval()(image).argmax(1)[:, :, :8] == 1
    truth = labels[:, :, :8] == 1
    wanted = 2 * (pred & truth).sum() / (pred.sum() + truth.sum())
    assert one["val/dice/cube"] == pytest.approx(float(wanted))
    assert math.isfinite(one["val/loss"])


def test_a_loss_that_counts_every_voxel_is_refused_beside_ignored_ones(toy):
    task = SegmentationTask(toy.target, UNet(1, 2), nn.CrossEntropyLoss(), torch.optim.AdamW)
    with pytest.raises(DataError, match="found CrossEntropyLoss, which cannot leave voxels out"):
        task.ignore()


@pytest.mark.parametrize(
    ("settings", "wanted"), [({}, True), ({"fused": False}, False), ({"foreach": True}, None)]
)
def test_optimizers_update_weights_in_one_operation_unless_they_are_configured(settings, wanted):
    optimizer = torch.optim.AdamW([torch.zeros(2, requires_grad=True)], **settings)
    fuse(optimizer)
    assert optimizer.param_groups[0]["fused"] is wanted


def test_fused_updates_are_those_of_the_optimizer():
    weights = [torch.ones(3, requires_grad=True) for _ in range(2)]
    for weight, is_fused in zip(weights, (False, True), strict=True):
        optimizer = torch.optim.AdamW([weight], lr=0.1)
        if is_fused:
            fuse(optimizer)
        for _ in range(3):
            optimizer.zero_grad()
            (weight * torch.tensor([1.0, -2.0, 0.5])).sum().backward()
            optimizer.step()
    torch.testing.assert_close(*weights)


def gradients(toy, folder, steps, **settings):
    """Gradients when a training ends in which no weight moves, and so each step has the same."""
    torch.manual_seed(0)
    task = toy.task(lr=0.0, ema_decay=None, **settings)
    limits = {"max_steps": steps, "max_epochs": -1, "limit_val_batches": 0}
    trainer = toy.trainer(folder, enable_checkpointing=False, **limits)
    trainer.fit(task, toy.batches(1, batch_size=1))
    return torch.cat([one.grad.flatten() for one in task.net.parameters()])


def test_gradients_that_are_kept_add_up_over_the_steps(toy, tmp_path):
    once = gradients(toy, tmp_path, 1)
    torch.testing.assert_close(gradients(toy, tmp_path, 3), once)
    torch.testing.assert_close(gradients(toy, tmp_path, 3, keep_gradients=True), 3 * once)
