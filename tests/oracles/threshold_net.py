"""A network that labels bright voxels by a threshold, and scans with a false bright piece."""

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from torch import nn

TARGET = {
    "_target_": "neurotarget.types.Target",
    "name": "gland",
    "contrasts": ["t1"],
    "labels": {"gland": 1},
    "spacing_mm": [1.0, 1.0, 1.0],
    "patch_vox": [16, 16, 16],
}
CONFIG = {
    "target": TARGET,
    "model": {"_target_": "oracles.threshold_net.Bright", "widths": []},
    "data": {
        "preparation": {
            "_target_": "neurotarget.data.batches.prepare.Preparation",
            "intensity": "none",
            "clip_percent": None,
        }
    },
}


class Bright(nn.Module):
    """Class 1 where the first contrast is above 0.5."""

    def __init__(self, in_channels: int, num_labels: int, widths: Sequence[int] = ()) -> None:
        super().__init__()
        assert (in_channels, num_labels, *widths) == (1, 2)
        # weights that change nothing, so that a test can change them
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, image):
        return torch.cat([0.5 - image, image - 0.5], dim=1) * 100


def write_bright(folder: Path, cases: Sequence[str]) -> Path:
    """Write scans of a bright cube of 6³ voxels and a false piece of 2³, and a manifest.

    The mask is the cube alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["case_id\tsubject_id\tt1\tlabel\tage"]
    for number, case in enumerate(cases):
        label = np.zeros((16, 16, 16), np.uint8)
        label[2:8, 2:8, 2:8] = 1
        scan = label.astype(np.float32)
        scan[12:14, 12:14, 12:14] = 1
        scan[0, 0, number] = 0.1  # scans differ
        for name, array in ((case, scan), (f"{case}_seg", label)):
            nib.save(nib.Nifti1Image(array, np.eye(4)), folder / f"{name}.nii.gz")
        lines.append(f"{case}\t{case}\t{case}.nii.gz\t{case}_seg.nii.gz\t{30 + number}")
    (folder / "cases.tsv").write_text("\n".join(lines) + "\n")
    return folder / "cases.tsv"


def write_bright_weights(run: Path, value: float = 0.0) -> None:
    """Write weights of `Bright` as a checkpoint of training."""
    (run / "weights").mkdir(parents=True, exist_ok=True)
    state = {"net.unused": torch.full((1,), value)}
    torch.save({"state_dict": state}, run / "weights" / "best.ckpt")
