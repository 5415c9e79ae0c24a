import pytest
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from neurotarget.tasks.ema import EMA, blend


def weights(task):
    return torch.cat([weight.detach().flatten() for weight in task.net.parameters()])


def saved(state):
    return torch.cat([state[key].flatten() for key in state if key.startswith("net.")])


def fit(toy, folder, task, epochs, ckpt_path=None, callbacks=()):
    keep = ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1)
    trainer = toy.trainer(folder, [keep, *callbacks], max_epochs=epochs)
    trainer.fit(task, toy.batches(3, 2), toy.batches(2, 1), ckpt_path=ckpt_path, weights_only=True)
    return trainer


class Validated(Callback):
    def on_validation_batch_end(self, _, pl_module, *__):
        self.weights = weights(pl_module)


def test_blend_warms_up_and_copies_counters():
    average, current = [torch.zeros(2)], [torch.ones(2)]
    blend(average, current, torch.tensor(1), decay=0.9)
    assert average[0].tolist() == pytest.approx([1 - 2 / 11] * 2)
    blend(average := [torch.zeros(2)], current, torch.tensor(10_000), decay=0.9)
    assert average[0].tolist() == pytest.approx([0.1] * 2)
    blend(average := [torch.tensor(3)], [torch.tensor(7)], torch.tensor(5), decay=0.9)
    assert average[0].item() == 7


@pytest.mark.parametrize("decay", [0.0, 1.0, 5])
def test_decay_outside_zero_and_one_is_refused(decay):
    with pytest.raises(ValueError, match=f"EMA: got decay {decay}"):
        EMA(decay)


def test_checkpoint_holds_the_weights_that_were_validated(toy, tmp_path):
    seen = Validated()
    fit(toy, tmp_path, toy.task(ema_decay=0.9), 2, callbacks=[seen])
    checkpoint = torch.load(tmp_path / "epoch=1.ckpt", weights_only=True)
    assert torch.equal(saved(checkpoint["state_dict"]), seen.weights)
    assert not torch.equal(saved(checkpoint["current_model_state"]), seen.weights)


def test_checkpoint_of_weights_alone_holds_the_average_too(toy, tmp_path):
    seen = Validated()
    keep = ModelCheckpoint(tmp_path, "slim", monitor="val/loss", save_weights_only=True)
    fit(toy, tmp_path, toy.task(ema_decay=0.9), 1, callbacks=[seen, keep])
    checkpoint = torch.load(tmp_path / "slim.ckpt", weights_only=True)
    assert "optimizer_states" not in checkpoint
    assert torch.equal(saved(checkpoint["state_dict"]), seen.weights)


def test_fitted_task_has_the_averaged_weights(toy, tmp_path):
    seen, task = Validated(), toy.task(ema_decay=0.9)
    fit(toy, tmp_path, task, 1, callbacks=[seen])
    assert torch.equal(weights(task), seen.weights)


def test_resumed_training_equals_an_unbroken_one(toy, tmp_path):
    net = {key: value.clone() for key, value in toy.task().net.state_dict().items()}

    def fresh():
        task = toy.task(ema_decay=0.9, schedule={"warmup_steps": 2})
        task.net.load_state_dict(net)
        return task

    fit(toy, tmp_path / "whole", fresh(), 4)
    fit(toy, tmp_path / "half", fresh(), 4)
    fit(toy, tmp_path / "rest", fresh(), 4, ckpt_path=tmp_path / "half" / "epoch=1.ckpt")
    ends = [
        torch.load(tmp_path / name / "epoch=3.ckpt", weights_only=True)
        for name in ("whole", "rest")
    ]
    for key in ("state_dict", "current_model_state"):
        assert torch.equal(saved(ends[0][key]), saved(ends[1][key]))
    assert ends[0]["averaging_state"]["n_averaged"] == ends[1]["averaging_state"]["n_averaged"]


def test_validation_that_breaks_off_gives_the_latest_weights_back(toy, tmp_path):
    task, held = toy.task(ema_decay=0.9), {}

    class Breaks(Callback):
        def on_train_batch_end(self, _, pl_module, *__):
            held["latest"] = weights(pl_module)

        def on_validation_batch_end(self, *_):
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        fit(toy, tmp_path, task, 1, callbacks=[Breaks()])
    assert torch.equal(weights(task), held["latest"])
