"""First messages of a training: what it does, how long it takes, and how to resume it."""

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.training.budget import planned_steps, warm_up_note
from neurotarget.training.devices import independent_slurm_task, num_devices
from neurotarget.training.step_probe import probed_seconds
from neurotarget.training.training_bar import duration
from neurotarget.training.training_parts import Start
from neurotarget.types import Target

Config = Mapping[str, Any]


def announce(
    config: Config,
    start: Start,
    data: TargetData,
    target: Target,
    *,
    net: nn.Module | None,
    done: int,
) -> None:
    """Print what a training is about to do; `done` of its steps are done already.

    `target` has the patch of the network; with `plan=auto` there is no network yet.
    """
    if line := independent_slurm_task(config["trainer"]):
        print(line, flush=True)
    length = _length(config, target, data, net, done=done)
    print(
        f"{config['name']}: {target.question or target.name}\n"
        f"  data      read and prepared once into {config['data']['cache']}\n"
        f"  training  {length}; the bar shows the time left\n"
        f"  then      {_next_step(config)}\n"
        f"  results   {start.folder}\n"
        f"  stopped?  {start.resume_command}",
        flush=True,
    )


def _length(
    config: Config, target: Target, data: TargetData, net: nn.Module | None, *, done: int
) -> str:
    """Length of training in steps and, from a timed probe, in minutes, where they are known."""
    budget, trainer = config["budget"], config["trainer"]
    together = trainer.get("accumulate_grad_batches", 1)  # batches per step
    batches = data.patches_per_epoch // num_devices(trainer) // data.batch_size
    steps = planned_steps(budget, trainer, math.ceil(batches / together))
    if steps is None:
        text = f"ends with its budget of {budget['kind']}" if budget["kind"] else "ends by its time"
    else:
        text = f"{steps:,} steps{warm_up_note(config['task'].get('schedule'), steps)}"
        step_s = None if net is None else probed_seconds(config, target, data, net)
        if step_s is not None:
            left = duration(max(steps - done, 0) * step_s * together)
            text += f", about {left} on this machine (a timed probe took {step_s:.2g} s a step; "
            text += "validation comes on top)"
    if trainer["max_time"] and budget["kind"] != "minutes":
        text += f"; at most {trainer['max_time']} (d:h:m:s), so the result depends on the machine"
    return text


def _next_step(config: Config) -> str:
    if config["held_out"]:
        return "the held-out cases are predicted and scored, in a few minutes"
    return "nothing: the held-out cases stay unseen"
