"""A label map of many labels from the file of a head: time and memory, each in its own process.

    python benchmarks/many_labels.py [labels=33] [spacing=2] [window=96] [width=16] [top=16]
        [overlap=0.5] [threads=2] [scan=<256³ T1>] [peer=<folder of MeshNet-104>]

`slabs` is `predict`, `whole` keeps all probabilities, as `probabilities=true` does. Networks are
residual U-Nets with random weights, whose labels lie scattered over the head: the flags of a
trained network take less time. Without `scan` the head is noise in an ellipsoid of 256³ voxels.
With `peer` MeshNet-104 (brainchop, MIT) is run in PyTorch on the scan, which has to be conformed.
Peak memory is that of the process, with all that it imports.
"""

import json
import math
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from safetensors.torch import load_file
from torch import nn

from neurotarget.data.batches.prepare import Preparation
from neurotarget.inference.segment import Predictor
from neurotarget.inference.windows.memory_need import need_mib
from neurotarget.inference.windows.slab_labels import Slab
from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.models.nets.unet import UNet
from neurotarget.process.allocator import keep_freed_memory
from neurotarget.process.free_memory import own_memory_mib
from neurotarget.types import Case, Target

GB = 1e9 / 1024  # KiB
LEVELS = 4  # of the U-Net


class Measured(NamedTuple):
    """Time and memory from the file of a scan to that of its label map."""

    wall_s: float
    cpu_s: float
    peak_gb: float
    labels: int  # that the map has
    estimated_gb: float  # peak memory, before the network runs


class Estimating(Predictor):
    """A predictor that notes the estimate of its memory."""

    estimated_gb = math.nan

    def slabs(self, image: Float[ndarray, "C I J K"]) -> Iterator[Slab]:
        """Probabilities in slabs, see `Predictor.slabs`."""
        batch = self.batch(image)
        count = self.inferer.windows_together(batch)
        need = need_mib(self.inferer, batch, self.net, self.target.num_labels, count)
        self.estimated_gb = (own_memory_mib() + need) * 2**20 / 1e9
        return super().slabs(image)


def write_head(path: Path, side: int = 256) -> None:
    """Write a scan of 1 mm: noise in an ellipsoid, and air around it."""
    rng, along = np.random.default_rng(1), np.linspace(-1, 1, side)
    radius = (along[:, None, None] / 0.6) ** 2 + (along[:, None] / 0.8) ** 2 + (along / 0.75) ** 2
    values = np.where(radius < 1, rng.normal(100, 20, radius.shape), 0)
    nib.save(nib.Nifti1Image(values.astype(np.int16), np.diag([-1.0, 1, 1, 1])), path)


def predicted(
    scan: Path, output: Path, settings: dict[str, float], *, is_whole: bool
) -> tuple[Path, float]:
    """Write a label map with a residual U-Net; returns its file, and the estimate of memory."""
    keep_freed_memory()  # as the commands do
    count, spacing = int(settings["labels"]), settings["spacing"]
    labels = {f"structure{number}": number for number in range(1, count)}
    window = [int(settings["window"])] * 3
    target = Target("brain", ["t1"], labels, [spacing] * 3, window)
    torch.manual_seed(2)
    widths = [int(settings["width"]) * 2**level for level in range(LEVELS)]
    net = UNet(1, count, widths=widths, top_width=int(settings["top"]))
    inferer = SlidingWindow(window, overlap=settings["overlap"])
    predictor = Estimating(net, target, Preparation(), inferer=inferer)
    prediction = predictor.predict(Case("head", "head", {"t1": scan}), probabilities=is_whole)
    predictor.save(prediction, output, probabilities=False)
    return output / "head.nii.gz", predictor.estimated_gb


@torch.inference_mode()
def peer(scan: Path, output: Path, folder: Path) -> Path:
    """Write the label map of MeshNet, a stack of dilated convolutions on the whole scan."""
    image = nib.load(scan)
    values = torch.from_numpy(np.asarray(image.dataobj, dtype=np.float32))
    low, high = np.quantile(values.numpy()[::2, ::2, ::2], [0.02, 0.98])
    feature = ((values - low) / (high - low + 1e-3)).clamp(0, 1)[None, None]
    layers = json.loads((folder / "model.json").read_text(encoding="utf-8"))["layers"]
    weights = load_file(folder / "model.pth")
    for number, layer in enumerate(layers):
        geometry = {name: layer[name] for name in ("kernel_size", "padding", "dilation")}
        convolution = nn.Conv3d(layer["in_channels"], layer["out_channels"], **geometry)
        own = {name: weights[f"model.{2 * number}.{name}"] for name in ("weight", "bias")}
        convolution.load_state_dict(own)  # numbers between are those of the ReLUs
        if number < len(layers) - 1:
            feature = convolution(feature).relu_()
    slabs = [convolution(slab).argmax(1) for slab in feature.split(16, dim=2)]
    classes = torch.cat(slabs, dim=1)[0].to(torch.uint8).numpy()
    nib.save(nib.Nifti1Image(classes, image.affine), output / "head.nii.gz")
    return output / "head.nii.gz"


def run(kind: str, scan: Path, settings: dict[str, float], folder: Path | None) -> Measured:
    """Measure one way to a label map in this process."""
    torch.set_num_threads(int(settings["threads"]))
    with tempfile.TemporaryDirectory() as place:
        wall, cpu, estimate = time.perf_counter(), time.process_time(), math.nan
        if kind == "peer":
            path = peer(scan, Path(place), folder)
        else:
            path, estimate = predicted(scan, Path(place), settings, is_whole=kind == "whole")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GB
        labels = len(np.unique(np.asarray(nib.load(path).dataobj)))
    return Measured(wall, cpu, peak, labels, estimate)


def main(argv: list[str]) -> None:
    """Run each way once and print its numbers."""
    given = dict(one.split("=", 1) for one in argv)
    folder = Path(given.pop("peer")) if "peer" in given else None
    kinds = given.pop("kinds", "whole,slabs" + (",peer" if folder else "")).split(",")
    settings = {"labels": 33, "spacing": 2, "window": 96, "width": 16, "top": 16}
    settings |= {"overlap": 0.5, "threads": 2}
    with tempfile.TemporaryDirectory() as place:
        scan = Path(given.pop("scan", Path(place) / "head.nii.gz"))
        if scan.parent == Path(place):
            write_head(scan)
        settings |= {key: float(value) for key, value in given.items()}
        for kind in kinds:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                made = pool.apply(run, (kind, scan, settings, folder))
            print(kind, *(f"{name} {value:.4g}" for name, value in made._asdict().items()))


if __name__ == "__main__":
    main(sys.argv[1:])
