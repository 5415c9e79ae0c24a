import math
import time
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
import yaml
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, Timer
from torch.utils.data import DataLoader, Sampler

from neurotarget.problems import DataError
from neurotarget.tasks.schedule import Schedule, training_progress
from neurotarget.training.resources.budget import (
    UNITS,
    TrainingTimer,
    apply_budget,
    planned_steps,
    warm_up_note,
)

CONF = Path(__file__).parents[2] / "conf" / "budget"
TRAINER = {"max_epochs": 200, "max_time": "00:00:15:00", "precision": "auto"}


class Line(pl.LightningModule):
    """A straight line, trained with our schedule; its batches and volumes take a while."""

    def __init__(self, step_s=0.0, validation_s=0.0):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)
        self.step_s, self.validation_s = step_s, validation_s

    def training_step(self, batch):
        time.sleep(self.step_s)
        return (self.line(batch) - 2 * batch).square().mean()

    def validation_step(self, *_):
        time.sleep(self.validation_s)
        self.log("val/dice_mean", float(self.global_step))

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=1.0)
        progress = training_progress(self.trainer)
        scheduler = Schedule(warmup_steps=0, power=1.0).scheduler(optimizer, progress)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


class Turned(Sampler):
    """Four draws in an order of each epoch's own, as our patches have it."""

    epoch = 0

    def __len__(self):
        return 4

    def __iter__(self):
        return iter([(self.epoch + place) % 4 for place in range(4)])

    def set_epoch(self, epoch):
        self.epoch = epoch


class Seen(Callback):
    """Steps that were expected and that were validated, and the learning rates."""

    def __init__(self):
        self.validated, self.rates, self.expected = [], [], None

    def on_train_start(self, trainer, *_):
        self.expected = trainer.estimated_stepping_batches

    def on_validation_end(self, trainer, *_):
        self.validated.append(trainer.global_step)

    def on_train_batch_end(self, trainer, *_):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


class Killed(Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step:
            raise KeyError("killed")


def trained(folder, budget, *further, task=None, resumed=False):
    """Train with a budget; an epoch is four steps and ends with validation."""
    torch.manual_seed(0)
    seen, weights = Seen(), folder / "weights"
    trainer = {"max_epochs": 2} if budget["kind"] is None else {}
    budget = apply_budget(budget, trainer, 1.0)
    best = ModelCheckpoint(weights, "best", monitor="val/dice_mean", mode="max")
    last = ModelCheckpoint(
        weights,
        "last",
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    trainer = pl.Trainer(
        **budget.trainer,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[seen, best, last, *further, *budget.callbacks],
    )
    values = torch.tensor([[0.1], [0.2], [0.4], [0.8]])
    task, batches = task or Line(), DataLoader(values, sampler=Turned())
    path = weights / "last.ckpt" if resumed else None
    trainer.fit(task, batches, DataLoader(torch.ones(1, 1)), ckpt_path=path, weights_only=True)
    return trainer, seen, task


def never():
    raise AssertionError("nobody needs FLOPs here")


def test_no_budget_leaves_the_trainers_own_end():
    budget = apply_budget({"kind": None}, TRAINER, never)
    assert budget.trainer == {**TRAINER, "max_steps": -1}
    assert budget.description == ""


def test_no_budget_and_no_end_is_an_end_in_epochs():
    budget = apply_budget({"kind": None, "epochs": 7}, {"max_epochs": None}, never)
    assert budget.trainer == {"max_steps": -1, "max_epochs": 7, "max_time": None}


def test_steps_end_where_the_trainer_names_no_end():
    trainer = {"max_epochs": None, "max_time": None, "precision": "auto"}
    budget = apply_budget({"kind": "steps", "steps": 1000}, trainer, never)
    ends = {"max_steps": 1000, "max_epochs": -1, "max_time": None}
    assert budget.trainer == {"precision": "auto", **ends}
    assert budget.description == "1000 steps"


def test_an_end_of_the_trainers_own_holds_beside_steps():
    budget = apply_budget({"kind": "steps", "steps": 1000}, TRAINER, never)
    assert budget.trainer == {**TRAINER, "max_steps": 1000}
    assert budget.description == (
        "1000 steps, or fewer if trainer.max_epochs=200 or trainer.max_time=00:00:15:00 "
        "is reached first"
    )


@pytest.mark.parametrize(
    ("budget", "trainer", "steps"),
    [
        ({"kind": "steps", "steps": 100}, {}, 100),
        ({"kind": "steps", "steps": 100}, {"max_epochs": 2}, 50),
        ({"kind": None, "epochs": 3}, {"max_epochs": None, "max_time": None}, 75),
        ({"kind": None, "epochs": 3}, {"max_epochs": 2}, 50),
        ({"kind": None, "epochs": 3}, {"max_time": "00:00:01:00"}, None),
        ({"kind": "minutes", "minutes": 3}, {"max_epochs": 2}, None),
        ({"kind": "steps", "steps": 100}, {"max_steps": 30}, 30),
    ],
)
def test_steps_are_known_before_where_no_time_ends_a_training(budget, trainer, steps):
    assert planned_steps(budget, trainer, epoch=25) == steps


def test_a_warm_up_longer_than_training_is_reported():
    assert "warmup_steps=50, so the learning rate stays below" in warm_up_note(
        {"warmup_steps": 50}, 49
    )
    assert warm_up_note({"warmup_steps": 50}, 50) == ""
    assert warm_up_note(None, 1) == ""


def test_fewer_steps_of_the_trainer_hold_before_a_budget():
    budget = apply_budget({"kind": "steps", "steps": 1000}, {"max_steps": 100}, never)
    assert budget.trainer["max_steps"] == 100
    assert budget.description == "1000 steps, or fewer if trainer.max_steps=100 is reached first"


@pytest.mark.parametrize("steps", [None, "abc", 0])
def test_steps_that_are_no_number_are_refused_before_training(steps):
    with pytest.raises(DataError, match="budget"):
        planned_steps({"kind": "steps", "steps": steps}, {}, epoch=25)


def test_minutes_take_the_place_of_a_time():
    budget = apply_budget({"kind": "minutes", "minutes": 2.5}, TRAINER, never)
    assert budget.trainer == {**TRAINER, "max_steps": -1, "max_time": None}
    (timer,) = [one for one in budget.callbacks if isinstance(one, Timer)]
    assert timer.time_remaining() == 150
    assert "2.5 minutes of training steps" in budget.description


@pytest.mark.parametrize(
    ("flops", "steps"), [(4e14, 2), (5e14, 2), (1.1e15, 1), (7.0, 10**15 // 7)]
)
def test_flops_become_whole_steps_within_the_budget_but_one(flops, steps):
    found = apply_budget({"kind": "flops", "petaflops": 1.0}, TRAINER, lambda: flops)
    assert found.trainer["max_steps"] == steps
    assert apply_budget({"kind": "flops", "petaflops": 1.0}, TRAINER, flops)[0] == found[0]


@pytest.mark.parametrize("file", sorted(CONF.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_shipped_budget_ends_a_training(file):
    text = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert text["kind"] == (None if file.stem == "none" else file.stem)
    assert set(text) == {"kind", UNITS[text["kind"]] if text["kind"] else "epochs"}
    assert bool(apply_budget(text, TRAINER, 1e9).description) == (file.stem != "none")


@pytest.mark.parametrize(
    ("budget", "error"),
    [
        ({"kind": "hours", "hours": 1}, "budget.kind: got 'hours', wanted one of steps, minutes"),
        ({"kind": "steps"}, r"found kind steps and no steps; set budget=steps budget.steps=<num"),
        ({"kind": "flops", "petaflops": None}, "found kind flops and no petaflops"),
        ({"kind": "steps", "steps": 0}, "budget.steps: got 0, wanted a positive number"),
        ({"kind": "steps", "steps": 2.5}, "got 2.5, wanted a whole number of steps"),
        ({"kind": "minutes", "minutes": -1}, "budget.minutes: got -1, wanted a positive"),
        ({"kind": "minutes", "minutes": math.nan}, "budget.minutes: got nan"),
        ({"kind": "minutes", "minutes": "10min"}, "budget.minutes: got '10min'"),
        ({"kind": "flops", "petaflops": math.inf}, "budget.petaflops: got inf"),
        ({"kind": "steps", "steps": True}, "budget.steps: got True"),
    ],
)
def test_a_budget_that_ends_nothing_is_refused(budget, error):
    with pytest.raises(DataError, match=error):
        apply_budget(budget, TRAINER, 1e9)


@pytest.mark.parametrize("flops", [0.0, math.nan])
def test_a_model_without_flops_has_no_budget_of_them(flops):
    with pytest.raises(DataError, match="set budget=steps or budget=minutes"):
        apply_budget({"kind": "flops", "petaflops": 1}, TRAINER, flops)


@pytest.mark.parametrize(("steps", "validated"), [(10, [4, 8, 10]), (8, [4, 8]), (2, [2])])
def test_the_last_steps_are_validated_also_in_the_middle_of_an_epoch(tmp_path, steps, validated):
    trainer, seen, _ = trained(tmp_path, {"kind": "steps", "steps": steps})
    assert trainer.global_step == seen.expected == steps
    assert seen.validated == validated
    best = torch.load(tmp_path / "weights" / "best.ckpt", weights_only=True)
    last = torch.load(tmp_path / "weights" / "last.ckpt", weights_only=True)
    assert best["global_step"] == last["global_step"] == steps


def test_the_learning_rate_ends_with_the_steps(tmp_path):
    _, seen, _ = trained(tmp_path, {"kind": "steps", "steps": 5})
    assert seen.rates == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.0])


@pytest.mark.parametrize("step", [5, 9])
def test_a_killed_run_of_steps_resumes_as_if_not_interrupted(tmp_path, step):
    budget = {"kind": "steps", "steps": 10}
    _, _, whole = trained(tmp_path / "whole", budget)
    with pytest.raises(KeyError, match="killed"):
        trained(tmp_path / "killed", budget, Killed(step))
    trainer, seen, broken = trained(tmp_path / "killed", budget, resumed=True)
    assert trainer.global_step == 10
    assert seen.validated[-1] == 10
    assert torch.equal(whole.line.weight, broken.line.weight)  # the order of draws decides on it
    trainer, seen, _ = trained(tmp_path / "killed", budget, resumed=True)
    assert (trainer.global_step, seen.validated) == (10, [])


def test_minutes_count_training_steps_and_not_validation(tmp_path):
    task, started = Line(step_s=0.05, validation_s=0.4), time.monotonic()
    trainer, seen, _ = trained(tmp_path, {"kind": "minutes", "minutes": 1 / 60}, task=task)
    wall_s = time.monotonic() - started
    (timer,) = [one for one in trainer.callbacks if isinstance(one, TrainingTimer)]
    assert 1 <= timer.time_elapsed() < wall_s - 0.4 * len(seen.validated) + 0.01
    assert seen.validated[-1] == trainer.global_step  # the last steps too
    assert len(seen.validated) > 1
    assert seen.rates == sorted(seen.rates, reverse=True)
    assert seen.rates[-1] == pytest.approx(0, abs=0.1)


def test_minutes_continue_from_the_checkpoint(tmp_path):
    budget = {"kind": "minutes", "minutes": 1.5 / 60}
    with pytest.raises(KeyError, match="killed"):
        trained(tmp_path, budget, Killed(6), task=Line(step_s=0.05, validation_s=1.0))
    state = torch.load(tmp_path / "weights" / "last.ckpt", weights_only=True)
    spent_s = state["callbacks"]["TrainingTimer"]["time_elapsed"]["train"]
    assert 0.2 <= spent_s < 1.0  # four steps without their validation
    trainer, _, _ = trained(tmp_path, budget, task=Line(step_s=0.1), resumed=True)
    (timer,) = [one for one in trainer.callbacks if isinstance(one, TrainingTimer)]
    assert trainer.global_step <= 4 + 13
    assert timer.time_elapsed() >= 1.5
