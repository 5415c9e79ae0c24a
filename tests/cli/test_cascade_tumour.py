"""The cascade on real tumours: four contrasts, several labels, anywhere in the brain."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

CONTRASTS = ("flair", "t1", "t1ce", "t2")
SPLITS = {"009": "train", "009m": "train", "119m": "val", "119": "test"}  # m: seen in a mirror
WORDS = [
    "target=tumour",
    "target.labels.edema=1",
    "target.labels.non_enhancing=2",
    "target.labels.enhancing=3",
    "target.spacing_mm=[3,3,3]",
    "target.patch_vox=[24,24,16]",
    "cascade=localise",
    "cascade.spacing_mm=[6,6,6]",
    "cascade.patch_vox=[32,32,8]",
    "cascade.model.widths=[8,16]",
    "cascade.steps=120",
    "cascade.folds=2",
    "model=resunet",
    "model.widths=[8,16,32]",
    "data.patches_per_epoch=200",
    "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
    "logger.wandb=disabled",
]


@pytest.fixture(scope="module")
def tumours(shared_data, tmp_path_factory) -> Path:
    """Manifest of both scans and of their mirror images, each contrast in a file of its own.

    Every second voxel of a slice, 2 × 2 mm, which takes a quarter of the time.
    """
    folder = tmp_path_factory.mktemp("tumours")
    rows = []
    for case_id, split in SPLITS.items():
        stem = shared_data / "tumour" / f"BRATS_{case_id[:3]}_partial"
        image, label = nib.load(f"{stem}_img.nii.gz"), nib.load(f"{stem}_seg.nii.gz")
        turn = slice(None, None, -2 if case_id.endswith("m") else 2), slice(None, None, 2)
        voxels, mask = np.asarray(image.dataobj)[turn], np.asarray(label.dataobj)[turn]
        affine = image.affine @ np.diag([2.0, 2.0, 1.0, 1.0])
        for number, contrast in enumerate(CONTRASTS):
            scan = nib.Nifti1Image(voxels[..., number], affine)
            nib.save(scan, folder / f"{case_id}_{contrast}.nii.gz")
        nib.save(nib.Nifti1Image(mask, affine), folder / f"{case_id}_label.nii.gz")
        files = {name: f"{case_id}_{name}.nii.gz" for name in (*CONTRASTS, "label")}
        rows.append({"case_id": case_id, "subject_id": case_id, **files, "split": split})
    path = folder / "manifest.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_a_cascade_localises_and_segments_real_tumours(tumours, command):
    folder = tumours.parent / "run"
    command(
        "train.py", *WORDS, f"data.root={tumours}", f"hydra.run.dir={folder}", cwd=tumours.parent
    )
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["n_test"] == 1
    for part in ("training", "other"):
        facts = summary["localiser"][part]
        assert (facts["cases"], facts["found"]) == (2, 2)
    found = pd.read_csv(folder / "localiser" / "localisations.tsv", sep="\t").set_index("case_id")
    assert found["note"].isna().all()
    assert (found.loc[["119m", "119"], "share_inside"] > 0.8).all()  # unseen, on one side each
    assert found.loc["119m", "x_mm"] < found.loc["119", "x_mm"]
    label = nib.load(folder / "predictions" / "119.nii.gz")
    assert label.shape == (120, 120, 33)
    assert set(np.unique(np.asarray(label.dataobj))) == {0, 1, 2, 3}
    assert summary["dice"]["edema"] > 0.1
    rows = pd.read_csv(folder / "rows.csv").set_index(["label", "metric"])["value"]
    parts = ("edema", "non_enhancing", "enhancing")
    assert rows["whole", "volume_mm3"] == sum(rows[name, "volume_mm3"] for name in parts)
    assert 0 <= rows["core", "lesion_dice"] <= 1
