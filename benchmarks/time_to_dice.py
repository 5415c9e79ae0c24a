"""Training seconds until a mean Dice on held-out cases: a plain MONAI script, and a finished run.

    python benchmarks/time_to_dice.py root=<Task04_Hippocampus> run=<run folder> [goal=0.88]
        [every=250] [steps=8000] [batch=8] [threads=2]

`run` is a run of `experiment=hippocampus`: its training and held-out cases are used, and its
training time and Dice are printed in the end. The script does as MONAI's tutorials: whole volumes
in memory, affine transforms, flips and intensity changes, random patches, a residual U-Net of 16 to
128 channels, AdamW with a rate that falls to 0 at `steps`, bfloat16 where the processor has it, and
sliding windows in prediction. Time of prediction is left out on both sides.
"""

import csv
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from monai.data import CacheDataset, DataLoader, list_data_collate
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from monai.transforms import (
    Compose,
    EnsureChannelFirstd,
    LoadImaged,
    NormalizeIntensityd,
    Orientationd,
    RandAffined,
    RandCropByPosNegLabeld,
    RandFlipd,
    RandGaussianNoised,
    RandScaleIntensityd,
    SpatialPadd,
)

from neurotarget.runs.network.precision import cpu_has_bf16

KEYS, PATCH = ["image", "label"], (40, 56, 40)
DEFAULTS = {"goal": 0.88, "every": 250, "steps": 8000, "batch": 8, "threads": 2}
LABELS = (1, 2)  # anterior, posterior


def files(root: Path, run: Path, part: str) -> list[dict[str, str]]:
    """Scans and label maps of a part of the run's split."""
    with (run / "splits.tsv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream, delimiter="\t") if row["split"] == part]
    name = "{}/{}/{}.nii.gz"
    return [
        {
            "image": name.format(root, "imagesTr", row["case_id"]),
            "label": name.format(root, "labelsTr", row["case_id"]),
        }
        for row in rows
    ]


def loader(cases: list[dict[str, str]], batch: int) -> DataLoader:
    """Random patches of augmented scans."""
    read = [*reading(), SpatialPadd(KEYS, PATCH)]
    turned = {"rotate_range": [0.26] * 3, "scale_range": [0.15] * 3, "padding_mode": "zeros"}
    change = [
        RandAffined(KEYS, prob=0.5, mode=("bilinear", "nearest"), **turned),
        RandFlipd(KEYS, prob=0.5, spatial_axis=0),
        RandCropByPosNegLabeld(KEYS, label_key="label", spatial_size=PATCH),
        RandScaleIntensityd("image", factors=0.2, prob=0.3),
        RandGaussianNoised("image", prob=0.15),
    ]
    data = CacheDataset(cases, Compose([*read, *change]), progress=False)
    return DataLoader(data, batch, shuffle=True, drop_last=True, collate_fn=list_data_collate)


def batches(patches: DataLoader) -> Iterator[dict[str, torch.Tensor]]:
    """Batches without end."""
    while True:
        yield from patches


@torch.inference_mode()
def held_out_dice(net: torch.nn.Module, cases: list[dict[str, str]]) -> float:
    """Mean Dice over cases and labels on whole volumes."""
    read = Compose(reading())
    scores = []
    for case in map(read, cases):
        windows = sliding_window_inference(case["image"][None], PATCH, 4, net, 0.5, "gaussian")
        found, truth = windows.argmax(1)[0], case["label"][0]
        for label in LABELS:
            one, other = found == label, truth == label
            scores.append(float(2 * (one & other).sum() / (one.sum() + other.sum())))
    return float(np.mean(scores))


def reading() -> list:
    """Transforms that read a scan and its label map."""
    return [
        LoadImaged(KEYS),
        EnsureChannelFirstd(KEYS),
        Orientationd(KEYS, axcodes="RAS"),
        NormalizeIntensityd("image"),
    ]


def train(root: Path, run: Path, settings: dict[str, float]) -> None:
    """Train until the goal is reached or the steps are done; print each score."""
    torch.manual_seed(1)
    torch.set_num_threads(int(settings["threads"]))
    channels, strides = (16, 32, 64, 128), (2, 2, 2)
    net = UNet(3, 1, 1 + len(LABELS), channels, strides, num_res_units=2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
    steps = int(settings["steps"])
    rate = torch.optim.lr_scheduler.PolynomialLR(optimizer, steps, power=0.9)
    loss = DiceCELoss(to_onehot_y=True, softmax=True, include_background=False)
    has_bf16 = cpu_has_bf16()
    held_out = files(root, run, "test")
    drawn = batches(loader(files(root, run, "train"), int(settings["batch"])))
    spent, dice = 0.0, 0.0
    for step in range(1, steps + 1):
        began = time.perf_counter()
        batch = next(drawn)
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16):
            value = loss(net(batch["image"]), batch["label"])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        rate.step()
        spent += time.perf_counter() - began
        if step % int(settings["every"]) == 0:
            net.eval()
            dice = held_out_dice(net, held_out)
            net.train()
            print(f"MONAI step {step}: {spent:.0f} s, Dice {dice:.4f}", flush=True)
        if dice >= settings["goal"]:
            break


def main(argv: list[str]) -> None:
    """Train by MONAI, then print the numbers of the run."""
    given = dict(one.split("=", 1) for one in argv)
    root, run = Path(given.pop("root")), Path(given.pop("run"))
    train(root, run, DEFAULTS | {key: float(value) for key, value in given.items()})
    cost = json.loads((run / "cost.json").read_text(encoding="utf-8"))
    with (run / "rows.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == "dice"]
    dice = np.mean([float(row["value"]) for row in rows if row.get("split") == "test"])
    print(f"run step {cost['steps']}: {cost['train_s']:.0f} s, Dice {dice:.4f}")


if __name__ == "__main__":
    main(sys.argv[1:])
