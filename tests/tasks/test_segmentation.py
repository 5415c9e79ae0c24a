import time
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn

from neurotarget.inference.tiling import SlidingWindow
from neurotarget.models.unet import UNet
from neurotarget.tasks.segmentation import SegmentationTask

CONF = Path(__file__).resolve().parents[2] / "conf"


def load(*path):
    return OmegaConf.load(CONF.joinpath(*path).with_suffix(".yaml"))


def test_cubes_are_learned_in_seconds_on_a_cpu(toy, tmp_path):
    task = toy.task(schedule={"warmup_steps": 5}, ema_decay=0.9)
    trainer = toy.trainer(tmp_path, max_epochs=8, enable_checkpointing=False)
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
    whole.optimizer = load("optimizer", optimizer)
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


def test_unpadded_net_without_an_inferer_is_refused(toy):
    with pytest.raises(ValueError, match="got no inferer for Unpadded, which leaves 2 voxels"):
        toy.task(Unpadded())


def test_net_that_loses_voxels_without_saying_so_is_refused(toy):
    task = toy.task(nn.Conv3d(1, 2, 3))
    with pytest.raises(ValueError, match="got scores of 14×14×14 voxels for labels of 16×16×16"):
        task.training_step(next(iter(toy.batches(1, 2))), 0)
