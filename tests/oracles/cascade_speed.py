"""Seconds and memory of a cascade on a 256×256×256 scan, compared with a sliding window.

    python tests/oracles/cascade_speed.py <run folder of a cascade> [<scan>] [repeats=5]

The scan (by default the first case of the run's cases.tsv) is resampled to 256 voxels of 1 mm a
side. Each method is measured in its own process, from the file on disk to the label map on disk,
after loading the networks and one first prediction; memory is the peak of the process.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.processing import resample_from_to

from neurotarget.inference.segment import save_labels
from neurotarget.runs.network.predictor import load_predictor
from neurotarget.types import Case

SIDE = 256
WAYS = ("cascade", "whole scan")


def main(run: str, scan: str | None = None, repeats: str = "repeats=5") -> None:
    """Print a line a way, and the ratio of their medians."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "scan.nii.gz"
        nib.save(laid_out(scan or first_scan(Path(run))), path)
        times = {}
        for way in WAYS:
            count = repeats.rpartition("=")[2] if way == WAYS[0] else "1"
            arguments = [sys.executable, __file__, "--one", run, str(path), way, count]
            output = json.loads(subprocess.run(arguments, capture_output=True, check=True).stdout)
            times[way] = statistics.median(output["seconds"])
            listed = ", ".join(f"{value:.2f}" for value in output["seconds"])
            print(f"{way:<11} {times[way]:7.2f} s ({listed})  peak {output['peak_mib']:.0f} MiB")
    print(f"{times[WAYS[1]] / times[WAYS[0]]:.1f} times as fast")


def laid_out(path: str) -> nib.Nifti1Image:
    """A scan on the grid of 256³ voxels of 1 mm, about its own middle."""
    scan = nib.as_closest_canonical(nib.load(path))
    middle = scan.affine @ [*(np.array(scan.shape[:3]) - 1) / 2, 1.0]
    affine = np.eye(4)
    affine[:3, 3] = middle[:3] - (SIDE - 1) / 2
    there = resample_from_to(scan, ((SIDE,) * 3, affine), order=1)
    kind = np.int16 if scan.get_data_dtype().kind in "iu" else np.float32
    return nib.Nifti1Image(np.asarray(there.dataobj).astype(kind), affine)


def first_scan(run: Path) -> str:
    """First contrast of the first held-out case."""
    table = pd.read_csv(run / "cases.tsv", sep="\t")
    return str(table.iloc[0, 2])


def one(run: str, path: str, way: str, repeats: str) -> None:
    """Measure one way in this process."""
    predictor, _ = load_predictor(Path(run), device="cpu")
    if way != WAYS[0]:
        predictor.localiser = None
    case = Case("scan", "scan", dict.fromkeys(predictor.target.contrasts, Path(path)))
    seconds = []
    for number in range(int(repeats) + (way == WAYS[0])):
        start = time.perf_counter()
        prediction = predictor.predict(case)
        save_labels(prediction, predictor.target, Path(path).with_name("labels.nii.gz"))
        if number or way != WAYS[0]:
            seconds.append(time.perf_counter() - start)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib}))


if __name__ == "__main__":
    one(*sys.argv[2:]) if sys.argv[1:2] == ["--one"] else main(*sys.argv[1:])
