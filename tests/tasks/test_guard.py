import pytest
import torch
from pytorch_lightning.callbacks import LambdaCallback, ModelCheckpoint

from neurotarget.problems import DataError
from neurotarget.tasks.guard import NotFiniteError


def keeper(folder):
    return ModelCheckpoint(folder, filename="{step}", every_n_train_steps=1, save_top_k=-1)


def test_nan_loss_stops_with_the_cases_and_the_last_good_checkpoint(toy, tmp_path):
    trainer = toy.trainer(tmp_path, [keeper(tmp_path)], max_epochs=2)
    with pytest.raises(DataError, match="epoch 0, step 3, cases cube4, cube5: found a loss"):
        trainer.fit(toy.task(), toy.batches(4, 2, spoil=2))
    assert sorted(path.name for path in tmp_path.glob("*.ckpt")) == ["step=1.ckpt", "step=2.ckpt"]


def test_message_names_the_checkpoint_that_is_there(toy, tmp_path):
    trainer = toy.trainer(tmp_path, [keeper(tmp_path)], max_epochs=2)
    with pytest.raises(DataError, match=r"the last good checkpoint is .*step=2\.ckpt"):
        trainer.fit(toy.task(), toy.batches(4, 2, spoil=2))


def test_first_batch_says_that_nothing_was_saved(toy, tmp_path):
    trainer = toy.trainer(tmp_path, [keeper(tmp_path)], max_epochs=2)
    with pytest.raises(DataError, match="no checkpoint was saved before"):
        trainer.fit(toy.task(), toy.batches(2, 2, spoil=0))


def test_broken_weights_behind_a_good_training_loss_stop_at_validation(toy, tmp_path):
    task = toy.task()
    keep = ModelCheckpoint(tmp_path, filename="{epoch}")
    trainer = toy.trainer(tmp_path, [keep], max_epochs=2)

    def spoil(*_):
        task.net.top.weight.data.fill_(float("inf"))

    task.on_train_epoch_end = task.on_validation_start = spoil
    with pytest.raises(DataError, match="validation after epoch 0, step 2: found a loss of"):
        trainer.fit(task, toy.batches(2, 2), toy.batches(2, 1))
    assert not list(tmp_path.glob("*.ckpt"))


def test_good_losses_pass(toy, tmp_path):
    trainer = toy.trainer(tmp_path, [keeper(tmp_path)], max_epochs=1)
    trainer.fit(toy.task(), toy.batches(2, 2), toy.batches(2, 1))
    assert torch.isfinite(trainer.callback_metrics["train/loss"])


@pytest.mark.parametrize("wrong", [float("nan"), float("-inf")])
def test_weights_that_the_last_step_broke_are_not_saved(wrong, toy, tmp_path):
    task = toy.task()

    def spoil(trainer, *_, **__):
        if trainer.global_step == 3:
            task.net.top.weight.data.view(-1)[0] = wrong

    callbacks = [LambdaCallback(on_train_batch_end=spoil), keeper(tmp_path)]
    trainer = toy.trainer(tmp_path, callbacks, max_epochs=1)
    found = r"step 3: found NaN or infinite weights \(\d tensors, such as net.top.weight\)"
    with pytest.raises(DataError, match=found):
        trainer.fit(task, toy.batches(3, 2))
    assert sorted(path.name for path in tmp_path.glob("*.ckpt")) == ["step=1.ckpt", "step=2.ckpt"]


@pytest.mark.parametrize(("spoil", "step"), [(0, 1), (1, 1), (2, 2), (3, 2)])
def test_the_error_has_the_step_that_its_batch_belongs_to(spoil, step, toy, tmp_path):
    trainer = toy.trainer(tmp_path, max_epochs=1, accumulate_grad_batches=2)
    with pytest.raises(NotFiniteError, match=f"step {step}, cases") as caught:
        trainer.fit(toy.task(), toy.batches(4, 2, spoil=spoil))
    assert caught.value.step == step
