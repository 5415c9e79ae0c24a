"""Run folders with given scores and weights, as a training would write them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
import yaml

from neurotarget.metrics.metric_units import UNITS
from neurotarget.models.nets.plain_unet import PlainUNet
from neurotarget.models.nets.unet import UNet
from neurotarget.types import Row

TARGET = {
    "_target_": "neurotarget.types.Target",
    "name": "ball",
    "contrasts": ["t1"],
    "labels": {"core": 1, "shell": 2},
    "spacing_mm": [1.0, 1.0, 1.0],
    "patch_vox": [16, 16, 16],
    "hypotheses": {"sex_difference": "volume: F > M"},
}
RESIDUAL, PLAIN = (
    "neurotarget.models.nets.unet.UNet",
    "neurotarget.models.nets.plain_unet.PlainUNet",
)
MODELS = {
    "unet": {"_target_": PLAIN, "widths": [2, 4]},
    "resunet": {"_target_": RESIDUAL, "widths": [2, 4]},
    "wide": {"_target_": RESIDUAL, "widths": [4, 8]},
}
CASES = tuple(f"sub-{number:02d}" for number in range(6))
PERFECT = 1000.0  # mm³ of every reference but those of `write_images`
DRAWN = {"core": 64.0, "shell": 448.0}


def write_run(
    folder: Path,
    *,
    model: str = "unet",
    fold: int = 0,
    seed: int = 1,
    test: Sequence[str] | None = None,
    external: Sequence[str] = (),
    cases: Sequence[str] = CASES,
    dice: float = 0.8,
    images: Path | None = None,
    config: Mapping | None = None,
    summary: Mapping | None = None,
    fingerprint: str = "",
) -> Path:
    """Write a finished run; fold k of three holds out cases 2k and 2k + 1.

    `external` cases are held out by every fold, and are of an unseen site.
    `config` and `summary` are merged into what a run has; weights are drawn with `seed` where
    `images` is the folder of a cohort by `write_images`.
    """
    test = list(cases[2 * fold : 2 * fold + 2]) if test is None else list(test)
    settings = settings_of(model, fold, seed, config or {})
    _write(folder / "config.yaml", yaml.safe_dump(settings))
    splits = {case: "test" if case in test else "train" for case in cases}
    splits |= dict.fromkeys(external, "external")
    held = {case: split for case, split in splits.items() if split != "train"}
    lines = [f"{case}\t{case}\t{split}" for case, split in splits.items()]
    _write(folder / "splits.tsv", "\n".join(["case_id\tsubject_id\tsplit", *lines]) + "\n")
    _write_rows(folder / "rows.csv", held, list(settings["target"]["labels"]), dice)
    _write_cases(folder / "cases.tsv", held, images)
    facts = {"experiment": "ball", "model": model, "seed": seed, "fold": fold}
    facts |= {"data_fingerprint": fingerprint or f"fold{fold}", "train_seconds": 60.0}
    _write(folder / "summary.json", json.dumps(facts | dict(summary or {})))
    cost = {"parameters": 1000, "steps": 10, "step_s": 0.5, "predict_s_per_case": 2.0}
    _write(folder / "cost.json", json.dumps(cost | {"batch_size": 2, "patch_vox": [16, 16, 16]}))
    if images is not None:
        write_weights(folder, model, seed)
    return folder


def settings_of(model: str, fold: int, seed: int, further: Mapping) -> dict:
    """Config of a run, resolved; `further` is merged into it."""
    settings = {
        "target": {**TARGET},
        "data": {
            "fold": fold,
            "seed": seed,
            "split_seed": 1,
            "batch_size": 2,
            "preparation": {
                "_target_": "neurotarget.data.batches.prepare.Preparation",
                "intensity": "zscore",
                "clip_percent": [0.5, 99.5],
            },
        },
        "augment": {"flip": None},
        "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.001},
        "model": {**MODELS[model]},
        "trainer": {"max_epochs": 4, "max_time": None},
        "name": "ball",
        "seed": seed,
        "patch_vox": [16, 16, 16],
        "weights": "best",
        "windows": {"overlap": 0.5, "mirror": False},
        "paths": {"runs": "runs"},
    }
    for key, value in further.items():
        settings[key] = {**settings.get(key, {}), **value} if isinstance(value, Mapping) else value
    return settings


def write_weights(folder: Path, model: str, seed: int, *, num_labels: int = 3) -> None:
    """Write a network's first weights as a checkpoint of training."""
    torch.manual_seed(seed)
    kind = {RESIDUAL: UNet, PLAIN: PlainUNet}[MODELS[model]["_target_"]]
    net = kind(1, num_labels, widths=MODELS[model]["widths"])
    state = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    (folder / "weights").mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": state}, folder / "weights" / "best.ckpt")


def write_images(folder: Path, cases: Sequence[str] = CASES) -> Path:
    """Write noise with a bright cube, and masks of two labels, a pair of files a case."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases:
        label = np.zeros((16, 16, 16), np.uint8)
        label[4:12, 4:12, 4:12], label[6:10, 6:10, 6:10] = 2, 1
        image = (label * 20 + rng.normal(0, 5, label.shape)).astype(np.float32)
        for name, array in ((case, image), (f"{case}_seg", label)):
            nib.save(nib.Nifti1Image(array, np.eye(4)), folder / f"{name}.nii.gz")
    return folder


def _write_rows(path: Path, splits: Mapping[str, str], labels: Sequence[str], dice: float) -> None:
    scores = {"dice": dice, "hd95_mm": 2.0, "assd_mm": 0.5, "surface_dice": 0.9}
    rows = [
        Row(case, case, split, label, metric, value, UNITS[metric])
        for case, split in splits.items()
        for label in labels
        for metric, value in (scores | _volumes(DRAWN.get(label, PERFECT), dice)).items()
    ]
    lines = [",".join(map(str, row)) for row in rows]
    _write(path, "\n".join([",".join(Row._fields), *lines]) + "\n")


def _volumes(reference: float, dice: float) -> dict[str, float]:
    return {"volume_mm3": reference * dice, "reference_volume_mm3": reference, "failed": 0.0}


def _write_cases(path: Path, splits: Mapping[str, str], images: Path | None) -> None:
    folder = images or Path("/nowhere")
    lines = ["case_id\tsubject_id\tt1\tlabel\tsplit\tage\tsex"]
    for case, split in splits.items():
        number = int(case.rpartition("-")[2])
        files = f"{folder / f'{case}.nii.gz'}\t{folder / f'{case}_seg.nii.gz'}"
        lines.append(f"{case}\t{case}\t{files}\t{split}\t{30 + number}\t{'FM'[number % 2]}")
    _write(path, "\n".join(lines) + "\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
