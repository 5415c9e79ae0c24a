"""Jobs on several devices: each has a process of its own, from which Lightning starts the others.

Within a multirun's process it could not: the others would be told the words of the whole sweep,
what Lightning leaves in the environment would make the next job wait for ranks that nobody starts,
and where one rank fails, Lightning kills the process that started it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from neurotarget.cli.jobs import quoted

RANK = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # as Lightning looks for it
PROGRAM = "NEUROTARGET_PROGRAM"  # the script that a job's process runs
JOB = "NEUROTARGET_JOB"  # the folder of the job that a process was started for


def rank() -> int:
    """Number of this process among those of its job; 0 is the one that writes."""
    return next((int(os.environ[key]) for key in RANK if key in os.environ), 0)


def needs_own_process(cfg: DictConfig) -> bool:
    """Whether a job trains on several devices, whose processes nobody has started yet."""
    if int(os.environ.get("SLURM_NTASKS", 1)) > 1:
        return False
    devices = OmegaConf.select(cfg, "trainer.devices")
    if devices in ("auto", -1, "-1"):
        on_cpu = OmegaConf.select(cfg, "trainer.accelerator") == "cpu"
        return not on_cpu and torch.cuda.device_count() > 1
    if isinstance(devices, int | str):
        text = str(devices)
        return text.count(",") > 0 or (text.isdigit() and int(text) > 1)
    return devices is not None and len(devices) > 1


def run_in_own_process(words: Sequence[str], folder: Path, place: str) -> int:
    """Run a job by itself in the folder `place`, and print what it prints; returns its status."""
    command = [sys.executable, os.environ[PROGRAM], *words, f"hydra.run.dir={quoted(folder)}"]
    with subprocess.Popen(
        command,
        cwd=place,
        env=os.environ | {JOB: str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
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
