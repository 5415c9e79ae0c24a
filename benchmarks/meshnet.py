"""Label maps by MeshNet-104 (brainchop, MIT), to be scored next to those of `predict`.

    python benchmarks/meshnet.py peer=<folder model21_104class> scans=<folder> output=<folder>
    neurotarget evaluate <manifest> predictions=<folder> target=parcellation

Scans are conformed to 256³ voxels of 1 mm first; maps have FreeSurfer's numbers and the grids of
the scans. Prints seconds of CPU per scan.
"""

import csv
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from many_labels import peer

from neurotarget.data.scans.conform import conform, first_frame, onto


def numbers(folder: Path) -> np.ndarray:
    """FreeSurfer's number of each of the network's classes; of the background 0."""
    with (folder / "to_freesurfer.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return np.array([int(row["freesurfer_id"] or 0) for row in rows])


def label(scan: Path, folder: Path, output: Path) -> None:
    """Write the label map of one scan, on the grid of the scan."""
    volume, _ = first_frame(scan)
    conformed = conform(volume)
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "scan.nii.gz"
        nib.save(nib.Nifti1Image(conformed.array, conformed.affine), whole)
        classes = np.asarray(nib.load(peer(whole, Path(place), folder)).dataobj).astype(int)
    ids = numbers(folder)[classes].astype(np.int16)
    shape = volume.array.shape
    own = onto(ids, conformed.affine, shape, volume.affine)
    nib.save(nib.Nifti1Image(own, volume.affine), output / scan.name)


def main(argv: list[str]) -> None:
    """Write all label maps."""
    given = {key: Path(value) for key, value in (one.split("=", 1) for one in argv)}
    given["output"].mkdir(parents=True, exist_ok=True)
    for scan in sorted(given["scans"].glob("*.nii.gz")):
        start = time.process_time()
        label(scan, given["peer"], given["output"])
        print(f"{scan.name}: {time.process_time() - start:.0f} CPU-seconds", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
