"""Several processes that train one network: one command line each, and nothing left behind.

Lightning starts the other ranks of a training with the words of this process. In a multirun these
are the words of the whole sweep, and what it leaves in the environment makes the next job of this
process wait for ranks that nobody starts.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from omegaconf import DictConfig, OmegaConf

from neurotarget.types import DataError

RANK = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # as Lightning looks for it
LEFT_BEHIND = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def rank() -> int:
    """Number of this process among those of its job; 0 is the one that writes."""
    return next((int(os.environ[key]) for key in RANK if key in os.environ), 0)


@contextmanager
def as_one_command(words: Sequence[str]) -> Iterator[None]:
    """Let this process look as if it had been started for one job, and tidy up after it."""
    said, before = sys.argv, {key: os.environ.get(key) for key in LEFT_BEHIND}
    sys.argv = [said[0], *words]
    try:
        yield
    finally:
        sys.argv = said
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def check_ranks(cfg: DictConfig) -> None:
    """Refuse several devices in a process that Lightning could not start a second time.

    Raises:
        DataError: submitit runs this job in one process, and several devices are asked for.
    """
    devices = OmegaConf.select(cfg, "trainer.devices")
    several = isinstance(devices, int) and devices > 1
    spec = sys.modules["__main__"].__spec__
    is_ours = spec is None or not spec.name.startswith("submitit")
    if several and not is_ours and "SLURM_NTASKS" not in os.environ:
        raise DataError(
            f"trainer.devices={devices}: a job of submitit on this machine is one process, wanted "
            "one device; leave hydra/launcher out, or with hydra/launcher=submitit_slurm say "
            f"hydra.launcher.tasks_per_node={devices} hydra.launcher.gpus_per_node={devices}"
        )
