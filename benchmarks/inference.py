"""Whole-volume inference: our sliding windows and MONAI's, with one network, in own processes.

    python benchmarks/inference.py [side=256] [window=64] [labels=3] [air=0.0] [threads=2]

The volume is a generated head in air, an ellipsoid of noise; with `air` above 0 the air is noise of
this standard deviation. Peak memory is that of the process above what it needs before it begins.
"""

import multiprocessing
import resource
import sys
import time
from typing import NamedTuple

import torch
from monai.inferers import SlidingWindowInferer

from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.models.memory_layout import channels_last
from neurotarget.models.nets.unet import UNet
from neurotarget.process.allocator import keep_freed_memory

KIB = 1024
WIDTHS = (16, 32, 64, 128)  # of model=resunet


class Measured(NamedTuple):
    """Time and memory of one inference, and a sum of its probabilities."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    mean: float


def head(side: int, air: float) -> torch.Tensor:
    """A volume (1, 1, side, side, side): noise in an ellipsoid, and air around it."""
    torch.manual_seed(1)
    along = torch.linspace(-1, 1, side)
    radius = (along[:, None, None] / 0.6) ** 2 + (along[:, None] / 0.8) ** 2 + (along / 0.75) ** 2
    volume = torch.where(radius < 1, 100 + 20 * torch.randn(side, side, side), 0.0)
    if air:
        volume += (radius >= 1) * air * torch.randn(side, side, side).abs()
    return volume[None, None] / 100


def run(kind: str, settings: dict[str, float]) -> Measured:
    """Probabilities of a volume by one of the two inferers."""
    torch.set_num_threads(int(settings["threads"]))
    side, window = int(settings["side"]), (int(settings["window"]),) * 3
    image = head(side, settings["air"])
    torch.manual_seed(2)
    net = UNet(1, int(settings["labels"]) + 1, widths=WIDTHS, top_width=8).eval()
    if kind == "ours":
        keep_freed_memory()
        channels_last(net)
        image = image.contiguous(memory_format=torch.channels_last_3d)
    infer = (
        SlidingWindow(window)
        if kind == "ours"
        else SlidingWindowInferer(window, sw_batch_size=4, overlap=0.5, mode="gaussian")
    )
    with torch.inference_mode():
        net(image[..., : window[0], : window[1], : window[2]])  # allocations of a first call
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall, cpu = time.perf_counter(), time.process_time()
        scores = infer(image, net)
        if kind == "ours":
            for slab in scores.split(16, dim=2):
                slab.copy_(torch.softmax(slab, dim=1))
        else:
            scores = torch.softmax(scores, dim=1)
        mean = float(scores[:, 1:].mean())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return Measured(time.perf_counter() - wall, time.process_time() - cpu, peak / KIB, mean)


def main(argv: list[str]) -> None:
    """Run both and print the ratios."""
    settings = {"side": 256.0, "window": 64.0, "labels": 3.0, "air": 0.0, "threads": 2.0}
    settings |= {key: float(value) for key, _, value in (one.partition("=") for one in argv)}
    made = {}
    for kind in ("monai", "ours"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            made[kind] = pool.apply(run, (kind, settings))
        print(kind, *(f"{name} {value:.4g}" for name, value in made[kind]._asdict().items()))
    ratios = [a / b for a, b in zip(made["monai"], made["ours"], strict=True)]
    print(f"MONAI / ours: wall {ratios[0]:.2f}, CPU {ratios[1]:.2f}, peak {ratios[2]:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
