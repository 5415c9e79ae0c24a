"""First messages of a training: its steps, its duration, and the command that resumes it."""

import math
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.problems import DataError
from neurotarget.process.programs import command_for
from neurotarget.tasks.guard import NotFiniteError
from neurotarget.training.resources.budget import planned_steps, warm_up_note
from neurotarget.training.resources.devices import independent_slurm_task, num_devices
from neurotarget.training.resources.step_probe import probed_seconds
from neurotarget.training.training_bar import duration
from neurotarget.training.training_parts import Start
from neurotarget.types import Target

Config = Mapping[str, Any]


@contextmanager
def replayable(start: Start) -> Iterator[None]:
    """Add the command that shows the patches of the step to an error about the loss.

    Raises:
        DataError: the loss or the weights are not finite.
    """
    try:
        yield
    except NotFiniteError as error:
        raise DataError(
            f"{error}; the patches of this step, as NIfTI and in a picture: "
            f"{replay_command(start, error.step)}"
        ) from error


def replay_command(start: Start, step: int) -> str:
    """Return the command that writes the patches of a step, counted from 1.

    For a run of a notebook, this is a shell command with the folder of the run.
    """
    command = start.resume_command
    if command.startswith("nt."):  # a notebook
        command = shlex.join([*command_for("train"), f"resume={start.folder}"])
    return f"{command} replay={step}"


def announce(
    config: Config,
    start: Start,
    data: TargetData,
    target: Target,
    *,
    net: nn.Module | None,
    done: int,
    memory: str,
) -> None:
    """Print the steps of a training, and its expected duration.

    Args:
        config: resolved configuration of plain values.
        start: folder of the run, and command that resumes it.
        data: data module, for the number of patches per epoch.
        target: target with the patch of the network.
        net: network for a timed probe; None with `plan=auto`, which has not built it yet.
        done: number of steps that a resumed run has already trained.
        memory: text on the memory forecast; "" without a network.
    """
    if line := independent_slurm_task(config["trainer"]):
        print(line, flush=True)
    lines = {
        "data": f"read and prepared once into {config['data']['cache']}",
        "training": f"{_length(config, target, data, net, done=done)}; the bar shows the time left",
        "memory": memory,
        "then": _next_step(config),
        "results": start.folder,
        "stopped?": start.resume_command,
    }
    if config["dry_run"]:  # its folder goes when the command ends
        lines = {name: lines[name] for name in ("training", "memory")}
    print(f"{config['name']}: {target.question or target.name}")
    for name, text in lines.items():
        if text:
            print(f"  {name:<9} {text}", flush=True)


def _length(
    config: Config, target: Target, data: TargetData, net: nn.Module | None, *, done: int
) -> str:
    """Describe the length of training in steps, and in minutes from a timed probe, if known."""
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
            text += "validation takes further time)"
    if trainer["max_time"] and budget["kind"] != "minutes":
        text += f"; at most {trainer['max_time']} (d:h:m:s), so the result depends on the machine"
    return text


def _next_step(config: Config) -> str:
    if config["held_out"]:
        return "the held-out cases are predicted and scored, in a few minutes"
    return "nothing: the held-out cases stay unseen"
