"""Draw the tiny cases behind rows.csv and score them: `python tests/golden/make_rows.py`.

Run it only when a score is meant to change, and look at the difference before committing it.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np

from neurotarget.scoring import evaluate, write_rows
from neurotarget.types import Case, Manifest, Row, Target

GOLDEN = Path(__file__).with_name("rows.csv")
TARGET = Target(
    name="twin",
    contrasts=("t1",),
    labels={"left": (3,), "right": (7, 8)},  # the ids 7 and 8 are merged
    spacing_mm=(1, 1, 1),
    patch_vox=(8, 8, 8),
    pairs=(("left", "right"),),
)


def affine():
    """Oblique, left-handed, anisotropic: voxels of 0.9 × 0.9 × 1.5 mm.

    I runs to the left, so that by it the label left lies to the right of the label right.
    """
    turn = np.array([[-0.8, 0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag([0.9, 0.9, 1.5])
    matrix[:3, 3] = [40, -20, 10]
    return matrix


def brick(*, left=(4, 4, 4), right=(12, 5, 3), grow=0, ids=(3, 7)):
    """A map of 20 × 14 × 10 voxels with a 4 × 5 × 3 brick for each label that has a corner."""
    array = np.zeros((20, 14, 10), dtype=np.uint8)
    for corner, value in zip((left, right), ids, strict=True):
        if corner is not None:
            i, j, k = corner
            array[i : i + 4 + grow, j : j + 5, k : k + 3] = value
    return array


def pairs():
    """Reference and prediction of each case; None where there is no file."""
    merged = brick()
    merged[14:, :, :][merged[14:, :, :] == 7] = 8
    stray = brick()
    stray[0, 13, 9] = 3
    return {
        "same": (merged, brick()),
        "shifted": (brick(), brick(left=(5, 4, 4), right=(12, 6, 5))),
        "grown": (brick(), brick(grow=2)),
        "stray": (brick(), stray),
        "swapped": (brick(), brick(ids=(7, 3))),
        "half_missed": (brick(), brick(right=None)),
        "half_absent": (brick(right=None), brick(right=None)),
        "half_invented": (brick(left=None), brick()),
        "missing": (brick(), None),
        "unread": (brick(), b"not a scan"),
        "no_reference": (None, brick()),
    }


def write_cases(folder: Path) -> Manifest:
    """Write references and predictions as files; returns the manifest of the cases."""
    cases = []
    for number, (case_id, (truth, pred)) in enumerate(pairs().items()):
        label = None if truth is None else folder / f"{case_id}_label.nii.gz"
        if label:
            nib.save(nib.Nifti1Image(truth, affine()), label)
        path = folder / "predictions" / f"{case_id}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        if isinstance(pred, bytes):
            path.write_bytes(pred)
        elif pred is not None:
            nib.save(nib.Nifti1Image(pred, affine()), path)
        cases.append(Case(case_id, f"s{number // 2}", {}, label))
    return Manifest(tuple(cases), folder)


def score(folder: Path) -> list[Row]:
    """Rows of all the cases."""
    manifest = write_cases(folder)
    splits = dict.fromkeys((case.case_id for case in manifest.cases), "test")
    return evaluate(manifest, folder / "predictions", TARGET, splits)


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        write_rows(score(Path(scratch)), GOLDEN)
