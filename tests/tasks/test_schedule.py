from datetime import timedelta

import pytest
import torch
from pytorch_lightning.callbacks import Callback, Timer

from neurotarget.tasks.schedule import Schedule, time_share


def sgd():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)


def rates(schedule, progress, steps, **settings):
    optimizer = sgd()
    scheduler = schedule.scheduler(optimizer, progress, **settings)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_rate_rises_in_steps_and_falls_over_progress():
    found = rates(Schedule(warmup_steps=4, power=1.0), lambda step: step / 8, 9)
    shares = [1 / 4, 2 / 4 * 7 / 8, 3 / 4 * 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0]
    assert found == pytest.approx([2 * share for share in shares])


def test_power_bends_the_fall():
    assert Schedule(warmup_steps=0, power=0.9).factor(10, 0.5) == pytest.approx(0.5**0.9)


def test_floor_holds_the_rate_and_progress_beyond_the_end_is_the_end():
    assert Schedule(warmup_steps=0, floor=0.1).factor(10, 1.7) == 0.1
    assert Schedule(warmup_steps=0).factor(10, 1.7) == 0


def test_rate_falls_by_a_factor_after_each_epoch():
    schedule = Schedule(warmup_steps=0, power=0.0, epoch_factor=0.985)
    found = rates(schedule, lambda step: step / 7, 8, steps_per_epoch=3)
    epochs = [0, 0, 0, 1, 1, 1, 2, 2]
    assert found == pytest.approx([2 * 0.985**epoch for epoch in epochs])


@pytest.mark.parametrize(("batches", "steps"), [(1, 6), (2, 3)])
def test_epochs_of_a_training_are_counted_in_updates_of_the_weights(toy, tmp_path, batches, steps):
    limits = {"max_steps": 7, "max_epochs": -1, "limit_val_batches": 0}
    trainer = toy.trainer(tmp_path, accumulate_grad_batches=batches, **limits)
    task = toy.task(schedule={"warmup_steps": 0, "power": 0.0, "epoch_factor": 0.5}, lr=0.01)
    trainer.fit(task, toy.batches(6, batch_size=1))
    (group,) = trainer.optimizers[0].param_groups
    assert group["lr"] == pytest.approx(0.01 * 0.5 ** (7 // steps))


def test_schedule_resumes_exactly_from_plain_values(tmp_path):
    schedule, half = Schedule(warmup_steps=3), lambda step: step / 10
    whole = rates(schedule, half, 10)
    optimizer = sgd()
    scheduler = schedule.scheduler(optimizer, half)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    torch.save([optimizer.state_dict(), scheduler.state_dict()], tmp_path / "state.pt")
    states = torch.load(tmp_path / "state.pt", weights_only=True)
    optimizer = sgd()
    scheduler = schedule.scheduler(optimizer, half)
    optimizer.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    rest = []
    for _ in range(5):
        rest.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rest == whole[5:]


def test_time_share_is_spent_over_budget():
    timer = Timer(duration=timedelta(seconds=100))
    timer.load_state_dict({"time_elapsed": {"train": 25.0}})
    assert time_share(timer) == pytest.approx(0.25)
    assert time_share(None) == time_share(Timer()) == 0


class Rates(Callback):
    def __init__(self):
        self.found = []

    def on_train_batch_end(self, trainer, *_):
        self.found.append(trainer.optimizers[0].param_groups[0]["lr"])


def test_rate_reaches_zero_with_the_steps(toy, tmp_path):
    seen = Rates()
    task = toy.task(schedule={"warmup_steps": 2, "power": 1.0}, lr=1.0)
    trainer = toy.trainer(tmp_path, [seen], max_epochs=2, enable_checkpointing=False)
    trainer.fit(task, toy.batches(3, 1))
    # read after the schedule has moved on to the next step
    assert seen.found == pytest.approx([2 / 2 * 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0])


def test_rate_reaches_zero_with_the_wall_clock(toy, tmp_path):
    seen = Rates()
    task = toy.task(schedule={"warmup_steps": 0, "power": 1.0}, lr=1.0)
    trainer = toy.trainer(
        tmp_path, [seen], max_time=timedelta(seconds=2), enable_checkpointing=False
    )
    trainer.fit(task, toy.batches(4, 1))
    assert seen.found == sorted(seen.found, reverse=True)
    assert seen.found[0] > 0.5
    assert seen.found[-1] < 0.2
