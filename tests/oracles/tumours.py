"""Skull-stripped heads with a tumour of two parts, whose volume decides about survival."""

import nibabel as nib
import numpy as np
import pandas as pd
import yaml

from neurotarget.metrics.metric_units import UNITS
from neurotarget.types import Row

SHAPE, SIDE_MM, BRAIN_VOX = (28, 28, 28), 5.0, 11.0
TARGET = {
    "_target_": "neurotarget.types.Target",
    "name": "lesion",
    "contrasts": ["t1"],
    "labels": {"core": 1, "rim": 2},
    "regions": {"whole": ["core", "rim"]},
    "spacing_mm": [5.0, 5.0, 5.0],
    "patch_vox": [16, 16, 16],
}
OUTCOME = {"survival": {"kind": "time_to_event", "column": "days", "event": "died", "unit": "days"}}
VOXEL_ML = SIDE_MM**3 / 1000


def ball(centre, radius):
    grid = np.indices(SHAPE).transpose(1, 2, 3, 0)
    return ((grid - np.asarray(centre)) ** 2).sum(axis=-1) <= radius**2


def brain():
    return ball([13.5] * 3, BRAIN_VOX)


def save(array, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([SIDE_MM] * 3 + [1.0])), path)


def write_tumours(folder, n=30, seed=0):
    """Write scans, masks and the manifest; returns the people with what was drawn."""
    random, head, people = np.random.default_rng(seed), brain(), []
    scan = (head * 100).astype(np.int16)
    for number in range(n):
        name = f"p{number:02d}"
        shift = int(random.integers(0, 6))
        radius = random.uniform(1.5, 4.0)
        centre = [13.5 + shift, 13.5, 13.5]
        whole, core = ball(centre, radius) & head, ball(centre, radius / 2) & head
        save(scan, folder / "t1" / f"{name}.nii.gz")
        save(np.where(core, 1, 2 * whole).astype(np.uint8), folder / "masks" / f"{name}.nii.gz")
        age = round(float(random.normal(60, 8)), 1)
        days = 900 * random.exponential() * np.exp(-(radius - 2.7) - (age - 60) / 20)
        end = random.uniform(300, 1500)
        people.append({
            "case_id": name, "t1": f"t1/{name}.nii.gz", "label": f"masks/{name}.nii.gz",
            "age": age, "days": int(np.ceil(min(days, end))), "died": int(days <= end),
            "whole_ml": whole.sum() * VOXEL_ML, "core_ml": core.sum() * VOXEL_ML,
            "shift_mm": shift * SIDE_MM,
        })  # fmt: skip
    table = pd.DataFrame(people)
    drawn = ["whole_ml", "core_ml", "shift_mm"]
    table.drop(columns=drawn).to_csv(folder / "manifest.csv", index=False)
    return table


def write_tumour_run(folder, people, data, *, lost=(), empty=()):
    """Write a finished run that predicted the reference masks, but for `lost` and `empty` ones."""
    (folder / "predictions").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"target": TARGET}))
    cases = people[["case_id", "age", "days", "died"]].assign(
        subject_id=people["case_id"], split="test",
        t1=[str(data / path) for path in people["t1"]],
        label=[str(data / path) for path in people["label"]],
    )  # fmt: skip
    cases.to_csv(folder / "cases.tsv", sep="\t", index=False)
    rows = []
    for one in people.itertuples():
        mask = np.asarray(nib.load(data / one.label).dataobj)
        if one.case_id in empty:
            mask = np.zeros_like(mask)
        if one.case_id not in lost:
            save(mask, folder / "predictions" / f"{one.case_id}.nii.gz")
        for label, number in TARGET["labels"].items():
            own = float((mask == number).sum()) * VOXEL_ML * 1000
            lost_one = one.case_id in lost
            values = {"volume_mm3": np.nan if lost_one else own, "reference_volume_mm3": own,
                      "failed": float(lost_one)}  # fmt: skip
            rows += [
                Row(one.case_id, one.case_id, "test", label, name, value, UNITS[name])
                for name, value in values.items()
            ]
    pd.DataFrame(rows).to_csv(folder / "rows.csv", index=False)
    return folder
