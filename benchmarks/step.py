"""A step of training on a CPU: PyTorch's layers with shared convolutions, and ours.

    python benchmarks/step.py [batch=8] [side=32] [threads=2] [rounds=7] [steps=4] [busy=0]

The network is that of `model=resunet`, in channels last on both sides. The plain side shares each
convolution among the threads; ours has its own layers, divides the batch, and keeps freed memory.
Each side has a process, and they take turns. With `busy`, so many other processes keep the cores
busy, and the fair share is what is left of the cores for a step that takes as long as ours does
alone.
"""

import functools
import itertools
import multiprocessing
import os
import statistics
import sys
import time
from multiprocessing.connection import Connection

import torch
from torch import Tensor, nn

from neurotarget.losses import DiceCrossEntropy
from neurotarget.models.nets.unet import UNet
from neurotarget.process.allocator import keep_freed_memory
from neurotarget.shapes import Batch
from neurotarget.tasks.segmentation import SegmentationTask
from neurotarget.types import Target

SETTINGS = {"batch": 8, "side": 32, "threads": 2, "rounds": 7, "steps": 4, "busy": 0}
CLIP = 12.0  # of conf/trainer/default.yaml
LAST = torch.channels_last_3d
SIDES = ("plain", "ours")


def network() -> UNet:
    """The network of model=resunet for one contrast and two structures."""
    torch.manual_seed(1)
    return UNet(1, 3, widths=(16, 32, 64, 128), top_width=8).train()


def loss_of(kind: str, batch: Batch, net: nn.Module) -> Tensor:
    """Loss of a batch as one of the two sides computes it."""
    if kind == "plain":
        return DiceCrossEntropy()(net(batch.image.contiguous(memory_format=LAST)), batch.labels)
    return task_of(net, batch.image.shape[-1]).batch_loss(batch)


@functools.cache
def task_of(net: nn.Module, side: int) -> SegmentationTask:
    """The task that trains a network."""
    target = Target("noise", ("t1",), {"a": 1, "b": 2}, (1, 1, 1), (side,) * 3)
    return SegmentationTask(target, net, DiceCrossEntropy(), torch.optim.AdamW).train()


def answer(kind: str, settings: dict[str, int], pipe: Connection) -> None:
    """Time steps each time that the parent process asks, until it sends False."""
    torch.set_num_threads(settings["threads"])
    if kind == "ours":
        keep_freed_memory()
    net, sides = network(), (settings["side"],) * 3
    if kind == "plain":
        net.to(memory_format=LAST)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    torch.manual_seed(2)
    image = torch.randn(settings["batch"], 1, *sides)
    batch = Batch(image, torch.randint(3, (settings["batch"], *sides)), ["noise"])
    losses: list[float] = []

    def step() -> None:
        loss = loss_of(kind, batch, net)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimizer.step()
        losses.append(loss.item())

    while pipe.recv():
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(settings["steps"]):
            step()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        pipe.send((wall / settings["steps"], cpu / settings["steps"], losses))


def keep_busy() -> None:
    """Use a core for good."""
    for _ in itertools.count():
        pass


def taken_in_turns(settings: dict[str, int]) -> dict[str, tuple[float, float, list[float]]]:
    """Median seconds of a step of each side, its CPU seconds, and all losses."""
    spawn = multiprocessing.get_context("spawn")
    pipes = {}
    for kind in SIDES:
        pipes[kind], theirs = spawn.Pipe()
        spawn.Process(target=answer, args=(kind, settings, theirs), daemon=True).start()
    times: dict[str, list[tuple[float, float, list[float]]]] = {kind: [] for kind in SIDES}
    for _ in range(settings["rounds"] + 1):  # the first warms up
        for kind, pipe in pipes.items():
            pipe.send(True)
            times[kind].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    return {
        kind: (
            *map(statistics.median, zip(*(one[:2] for one in taken[1:]), strict=True)),
            taken[-1][2],
        )
        for kind, taken in times.items()
    }


def main(argv: list[str]) -> None:
    """Time both sides and print the ratios."""
    settings = SETTINGS | {
        key: int(value) for key, _, value in (one.partition("=") for one in argv)
    }
    alone = taken_in_turns(settings)
    for kind, (wall_s, cpu_s, losses) in alone.items():
        print(
            f"{kind}: {1e3 * wall_s:.0f} ms a step, {1e3 * cpu_s:.0f} ms of CPU; "
            f"loss {losses[-1]:.4f}"
        )
    print(f"plain / ours: {alone['plain'][0] / alone['ours'][0]:.2f}")
    if not settings["busy"]:
        return
    cores = len(os.sched_getaffinity(0))
    spawn = multiprocessing.get_context("spawn")
    for _ in range(settings["busy"]):
        spawn.Process(target=keep_busy, daemon=True).start()
    # each busy process and each thread gets an equal part of the cores
    share = min(cores / (settings["threads"] + settings["busy"]), 1)
    for kind, (wall_s, _, _) in taken_in_turns(settings).items():
        fair_s = alone["ours"][0] / share
        print(
            f"{kind} with {settings['busy']} busy processes: {1e3 * wall_s:.0f} ms a step, "
            f"{wall_s / fair_s:.2f} of the fair share"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
