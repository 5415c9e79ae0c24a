"""Balls with a core and a shell: data set, target and arguments of a training of seconds."""

from pathlib import Path

import nibabel as nib
import numpy as np

TARGET = """
_target_: neurotarget.types.Target
name: ball
question: Are balls larger in women?
contrasts: [t1]
labels: {core: 1, shell: 2}
spacing_mm: [1.0, 1.0, 1.0]
patch_vox: [16, 16, 16]
volume_range_mm3: {core: [20, 2000], shell: [20, 4000]}
hypotheses:
  sex_difference: "volume: F > M"
  age_slope: "volume ~ age + sex: negative"
"""
SMALL = [
    "target=ball",
    "model.widths=[4,8]",
    "data.patches_per_epoch=24",
    "data.batch_size=4",
    "trainer.max_epochs=4",
    "trainer.accelerator=cpu",
    "optimizer.lr=0.01",
    "logger.wandb=offline",
    "logger.pictures=3",
]


def write_cohort(folder: Path, cases: int = 12, *, side: int = 24, radius_mm: float = 5.0) -> Path:
    """Balls with a bright core and a grey shell in noise; women's are larger.

    Scans of `side`³ voxels of 1 mm³.
    """
    rng = np.random.default_rng(0)
    lines = ["case_id\tsubject_id\tt1\tlabel\tage\tsex"]
    for number in range(cases):
        sex = "FM"[number % 2]
        radius = radius_mm + 0.8 * (sex == "F") + rng.normal(0, 0.3)
        centre = rng.uniform(10, 14, 3)
        far = np.linalg.norm(np.moveaxis(np.indices((side, side, side)), 0, -1) - centre, axis=-1)
        label = (far < radius) * 2 - (far < radius / 2)
        image = 100.0 * (label == 1) + 50.0 * (label == 2) + rng.normal(0, 5, label.shape)
        affine = np.diag([-1.0, -1.0, 1.0, 1.0])
        name = f"sub-{number:02d}"
        nib.save(nib.Nifti1Image(image.astype(np.float32), affine), folder / f"{name}.nii.gz")
        nib.save(nib.Nifti1Image(label.astype(np.uint8), affine), folder / f"{name}_seg.nii.gz")
        lines.append(f"{name}\t{name}\t{name}.nii.gz\t{name}_seg.nii.gz\t{20 + 4 * number}\t{sex}")
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.tsv"
