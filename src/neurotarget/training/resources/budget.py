"""Training budgets (`budget=steps|minutes|flops`), so that compared models end at the same cost."""

import math
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, Timer
from pytorch_lightning.trainer.states import RunningStage

from neurotarget.problems import DataError

UNITS = {"steps": "steps", "minutes": "minutes", "flops": "petaflops"}  # kind → key of amount
PETA = 1e15


class Budget(NamedTuple):
    """End of a training: trainer settings, callbacks, and a description for messages.

    Attributes:
        trainer: settings of the trainer, with the limits of the budget.
        callbacks: callbacks that end the training.
        description: text for messages; "" if only the trainer's own settings apply.
    """

    trainer: dict[str, Any]
    callbacks: list[Callback]
    description: str


def apply_budget(
    budget: Mapping[str, Any],
    trainer: Mapping[str, Any],
    flops_per_step: float | Callable[[], float],
) -> Budget:
    """Combine a budget with the trainer's own limits; training stops at whichever comes first.

    Steps are optimizer steps. Minutes count training steps and the preparation of their patches,
    but not validation: its frequency and duration depend on the data settings, so that equal models
    would have unequal time to learn. A budget in minutes replaces the trainer's `max_time`. FLOPs
    are converted to steps of this model, patch and batch, at least one. Without a kind, and without
    a limit in the trainer, the budget's `epochs` are trained. The learning rate schedule ends with
    the budget in each case.

    Args:
        budget: `kind`, and its amount under `steps`, `minutes` or `petaflops`; without a kind,
            `epochs`.
        trainer: settings of the trainer.
        flops_per_step: FLOPs of both passes of one batch; used only by `kind: flops`.

    Raises:
        DataError: the kind is unknown, or its amount is missing or not positive.
    """
    kind, own = budget.get("kind"), trainer_limits(trainer)
    ends = {"max_steps": -1, "max_epochs": -1, "max_time": None}
    if kind is None:
        ends |= own or {"max_epochs": budget["epochs"]}
        return Budget({**trainer, **ends}, [StepEnd()], "")
    amount = _amount(kind, budget)
    if kind == "minutes":
        own.pop("max_time", None)
        settings, text = {**trainer, **ends, **own}, f"{amount:g} minutes of training steps"
        return Budget(settings, [TrainingTimer(amount), StepEnd()], text + _earlier(own))
    steps, text = int(amount), f"{amount:g} steps"
    if kind == "flops":
        per_step = flops_per_step() if callable(flops_per_step) else flops_per_step
        steps = _steps_of(amount, per_step)
        text = f"{amount:g} petaFLOPs, which are {steps} steps of this model"
    ends |= own | {"max_steps": min(steps, own.get("max_steps", steps))}
    return Budget({**trainer, **ends}, [StepEnd()], text + _earlier(own))


def trainer_limits(trainer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits in the trainer's settings, by key; None and -1 mean no limit.

    Keys are `max_steps`, `max_epochs` and `max_time`; without limits the mapping is empty.
    """
    values = {key: trainer.get(key) for key in ("max_steps", "max_epochs", "max_time")}
    return {key: value for key, value in values.items() if value not in (None, -1)}


def planned_steps(budget: Mapping[str, Any], trainer: Mapping[str, Any], epoch: int) -> int | None:
    """Return the optimizer steps of a training; None for budgets in minutes or FLOPs.

    A time limit may end the training earlier.

    Args:
        budget: `kind`, and its amount under `steps`; without a kind, `epochs`.
        trainer: settings of the trainer, whose own limits count too.
        epoch: number of steps in one epoch.

    Returns:
        Number of steps, or None if the trainer has no limit other than its time.

    Raises:
        DataError: the budget's steps are missing or not a positive number.
    """
    if budget["kind"] not in (None, "steps"):
        return None
    own = trainer_limits(trainer)
    ends = [own["max_steps"]] if "max_steps" in own else []
    if budget["kind"] == "steps":
        ends.append(_amount("steps", budget))
    if "max_epochs" in own or not (own or ends):
        ends.append(own.get("max_epochs", budget.get("epochs")) * epoch)
    return int(min(ends)) if ends else None


def warm_up_note(schedule: Mapping[str, Any] | None, steps: int) -> str:
    """Return a clause that warns of a warm-up longer than the training; else "".

    Args:
        schedule: schedule of the learning rate, with `warmup_steps`; None has no warm-up.
        steps: number of steps of the training.
    """
    warm_up = (schedule or {}).get("warmup_steps", 0)
    if warm_up <= steps:
        return ""
    return (
        f", fewer than task.schedule.warmup_steps={warm_up:,}, so the learning rate stays below "
        "optimizer.lr (set fewer, or train for longer)"
    )


def _earlier(own: Mapping[str, Any]) -> str:
    """Return a clause on the trainer limits that may stop training before the budget does."""
    others = [f"trainer.{key}={value}" for key, value in own.items()]
    return f", or fewer if {' or '.join(others)} is reached first" if others else ""


def _amount(kind: str, budget: Mapping[str, Any]) -> float:
    if kind not in UNITS:
        raise DataError(
            f"budget.kind: got {kind!r}, wanted one of {', '.join(UNITS)}; set budget=steps, "
            "budget=minutes, budget=flops or budget=none"
        )
    unit = UNITS[kind]
    if budget.get(unit) is None:
        raise DataError(
            f"budget: found kind {kind} and no {unit}; set budget={kind} budget.{unit}=<number>"
        )
    amount = budget[unit]
    is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
    if not is_number or not 0 < amount < math.inf:
        raise DataError(f"budget.{unit}: got {amount!r}, wanted a positive number")
    if kind == "steps" and amount != int(amount):
        raise DataError(f"budget.steps: got {amount}, wanted a whole number of steps")
    return amount


def _steps_of(petaflops: float, flops_per_step: float) -> int:
    if not 0 < flops_per_step < math.inf:
        raise DataError(
            f"budget=flops: found {flops_per_step:g} FLOPs in a step of this model, wanted a "
            "positive number; set budget=steps or budget=minutes"
        )
    return max(1, int(petaflops * PETA / flops_per_step))


class StepEnd(Callback):
    """Validates when `max_steps` ends a training, and permits an exact resume.

    Within an epoch, Lightning validates at the end only for `max_time`. Without this callback the
    last steps, which have the smallest learning rate, would never be validated, and a run shorter
    than an epoch would have no best weights.

    With `max_steps`, a resumed Lightning trainer repeats the end of the last epoch and counts one
    epoch too many, so that an epoch of patches would be skipped.
    Lightning decides this between `on_fit_start` and `on_train_start`; these hooks hide `max_steps`
    from it there.
    """

    def __init__(self) -> None:
        self._steps = -1

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:  # noqa: ARG002
        """Move to the front, since the other callbacks read `max_steps` when training starts."""
        trainer.callbacks.remove(self)
        trainer.callbacks.insert(0, self)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Hide `max_steps` while the loops are restored; the schedule has already read it."""
        self._steps, trainer.fit_loop.epoch_loop.max_steps = trainer.max_steps, -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Restore `max_steps`."""
        trainer.fit_loop.epoch_loop.max_steps = self._steps

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Request a stop at the last step; Lightning validates before it stops."""
        if trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps:
            trainer.should_stop = True


class TrainingTimer(Timer):
    """Lightning's timer, paused during validation.

    Schedule and progress bar read it like any other timer, and checkpoints store its time.

    Args:
        minutes: minutes of training steps, after which training stops.
    """

    def __init__(self, minutes: float) -> None:
        super().__init__(timedelta(minutes=minutes), verbose=False)
        self._validated_s, self._validating_since = 0.0, None

    def time_elapsed(self, stage: str = RunningStage.TRAINING) -> float:
        """Return the seconds spent in a stage; training excludes the seconds of validation."""
        elapsed_s = super().time_elapsed(stage)
        if stage != RunningStage.TRAINING:
            return elapsed_s
        return elapsed_s - self._validated_s - self._in_validation_s()

    def _in_validation_s(self) -> float:
        since = self._validating_since
        return 0.0 if since is None else time.monotonic() - since

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start at zero, or at the time in the checkpoint."""
        self._validated_s, self._validating_since = 0.0, None
        super().on_train_start(trainer, pl_module)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Pause the timer, as validation does not count."""
        super().on_validation_start(trainer, pl_module)
        self._validating_since = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Continue the timer; the seconds of this validation are subtracted from its time."""
        super().on_validation_end(trainer, pl_module)
        self._validated_s += self._in_validation_s()
        self._validating_since = None
