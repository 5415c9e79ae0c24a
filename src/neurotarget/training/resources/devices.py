"""Run jobs on several devices, each job in its own process; Lightning starts the other ranks.

Lightning cannot start the other processes from the process of a multirun: they would get the
arguments of the whole sweep; environment variables that Lightning sets would make the next job wait
for ranks that are never started; and if one rank fails, Lightning kills the process that started
it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from neurotarget.problems import DataError
from neurotarget.runs.folder.jobs import quoted

RANK = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # in the order in which Lightning reads them
PROGRAM = "NEUROTARGET_PROGRAM"  # the script that the process of a job runs
JOB = "NEUROTARGET_JOB"  # the folder of the job that a process was started for


def rank(trainer: Mapping[str, Any]) -> int:
    """Return the rank of this process in its training; rank 0 writes the files.

    A training on one device always has rank 0, as Slurm numbers every task of one `srun` in the
    environment.
    """
    if num_devices(trainer) == 1:
        return 0
    return next((int(os.environ[key]) for key in RANK if key in os.environ), 0)


def num_devices(trainer: Mapping[str, Any]) -> int:
    """Return the number of devices of one training on all nodes; one node by default."""
    nodes = trainer.get("num_nodes")
    return devices_per_node(trainer) * (nodes if isinstance(nodes, int) else 1)


def devices_per_node(trainer: Mapping[str, Any]) -> int:
    """Return the number of devices of one training per node, at least 1.

    `devices` of the trainer may be a number, a list, text such as `0,1`, or `auto`: all GPUs, or
    one CPU.
    """
    devices = trainer.get("devices")
    if devices in ("auto", -1, "-1"):
        return 1 if trainer.get("accelerator") == "cpu" else max(1, _gpus())
    if devices is None or isinstance(devices, int):
        return max(1, devices or 1)
    if isinstance(devices, str):
        return max(1, int(devices)) if devices.isdigit() else devices.strip(",").count(",") + 1
    return max(1, len(devices))


def _gpus() -> int:
    return import_module("torch.cuda").device_count()  # torch takes seconds to load


def independent_slurm_task(trainer: Mapping[str, Any]) -> str:
    """Return a message if several Slurm tasks would train independently, else "".

    Without this message, `srun -n 4` would train the same network four times without notice.
    """
    tasks = os.environ.get("SLURM_NTASKS", "1")
    if num_devices(trainer) > 1 or not tasks.isdigit() or int(tasks) == 1:
        return ""
    return (
        f"Slurm started {tasks} tasks, and a training uses one device: each task trains by itself "
        f"(this is number {os.environ.get('SLURM_PROCID', '0')}); for one training on all of them, "
        "set trainer.devices=<tasks of a node> trainer.num_nodes=<nodes>"
    )


def starts_own_ranks(trainer: Mapping[str, Any]) -> bool:
    """Return whether Lightning starts the processes of a training that runs in a Slurm task.

    Lightning takes each task for one rank, and would train on the first of several devices alone
    where Slurm has started one task for all of them.

    Raises:
        DataError: Slurm has started neither one task on one node nor one task for each device.
    """
    if independent_slurm_task(trainer):
        return True
    tasks, devices = os.environ.get("SLURM_NTASKS", ""), num_devices(trainer)
    if not tasks.isdigit() or int(tasks) == devices or _is_interactive():
        return False
    if int(tasks) == 1 and devices == devices_per_node(trainer):
        return True
    raise DataError(
        f"trainer: found {devices} devices in {tasks} tasks of Slurm, wanted a task for each; set "
        "--ntasks-per-node to trainer.devices and --nodes to trainer.num_nodes, and use srun"
    )


def _is_interactive() -> bool:
    """Return whether Slurm's job is a shell, in which Lightning ignores Slurm's tasks."""
    return os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")


def needs_own_process(cfg: Mapping[str, Any]) -> bool:
    """Return whether a job trains on several devices whose processes are not yet started.

    Under Slurm with several tasks, `srun` has started one process per device.
    """
    if int(os.environ.get("SLURM_NTASKS", 1)) > 1:
        return False
    return devices_per_node(cfg.get("trainer") or {}) > 1


def run_in_own_process(overrides: Sequence[str], folder: Path, place: str) -> int:
    """Run a job in a new process, forward its output, and return its exit status.

    Args:
        overrides: overrides of the job.
        folder: run folder of the job.
        place: working folder of the process.

    Raises:
        KeyboardInterrupt: the user stops the job; its process is interrupted and awaited first.
    """
    command = [sys.executable, os.environ[PROGRAM], *overrides, f"hydra.run.dir={quoted(folder)}"]
    with subprocess.Popen(
        command,
        cwd=place,
        env=os.environ | {JOB: str(folder), "PYTHONIOENCODING": "utf-8:backslashreplace"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            while text := process.stdout.readline():
                sys.stdout.write(text)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
    return process.returncode
