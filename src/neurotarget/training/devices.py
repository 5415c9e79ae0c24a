"""Jobs on several devices: each has a process of its own, from which Lightning starts the others.

Within a multirun's process it could not: the others would be told the words of the whole sweep,
what Lightning leaves in the environment would make the next job wait for ranks that nobody starts,
and where one rank fails, Lightning kills the process that started it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from neurotarget.runs.folder.jobs import quoted

RANK = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # as Lightning looks for it
PROGRAM = "NEUROTARGET_PROGRAM"  # the script that a job's process runs
JOB = "NEUROTARGET_JOB"  # the folder of the job that a process was started for


def rank(trainer: Mapping[str, Any]) -> int:
    """Number of this process among those of its training; 0 is the one that writes.

    A training on one device is its own, whatever number the environment gives its process: Slurm
    numbers all that one `srun` starts.
    """
    if num_devices(trainer) == 1:
        return 0
    return next((int(os.environ[key]) for key in RANK if key in os.environ), 0)


def num_devices(trainer: Mapping[str, Any]) -> int:
    """Devices that one training uses, on all of its nodes."""
    nodes = trainer.get("num_nodes")
    return _per_node(trainer) * (nodes if isinstance(nodes, int) else 1)


def _per_node(trainer: Mapping[str, Any]) -> int:
    asked = trainer.get("devices")
    if asked in ("auto", -1, "-1"):
        return 1 if trainer.get("accelerator") == "cpu" else max(1, torch.cuda.device_count())
    if asked is None or isinstance(asked, int):
        return max(1, asked or 1)
    if isinstance(asked, str):
        return max(1, int(asked)) if asked.isdigit() else asked.strip(",").count(",") + 1
    return max(1, len(asked))


def apart_from_slurm(trainer: Mapping[str, Any]) -> str:
    """Sentence for one of several tasks of Slurm that trains by itself, else ""."""
    tasks = os.environ.get("SLURM_NTASKS", "1")
    if num_devices(trainer) > 1 or not tasks.isdigit() or int(tasks) == 1:
        return ""
    return (
        f"Slurm started {tasks} tasks, and a training uses one device: each task trains by itself "
        f"(this is number {os.environ.get('SLURM_PROCID', '0')}); for one training on all of them, "
        "say trainer.devices=<tasks of a node> trainer.num_nodes=<nodes>"
    )


def needs_own_process(cfg: Mapping[str, Any]) -> bool:
    """Whether a job trains on several devices, whose processes nobody has started yet."""
    if int(os.environ.get("SLURM_NTASKS", 1)) > 1:
        return False
    return _per_node(cfg.get("trainer") or {}) > 1


def run_in_own_process(words: Sequence[str], folder: Path, place: str) -> int:
    """Run a job by itself in the folder `place`, and print what it prints; returns its status."""
    command = [sys.executable, os.environ[PROGRAM], *words, f"hydra.run.dir={quoted(folder)}"]
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
