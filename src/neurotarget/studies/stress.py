"""Share of cases in which a run fails on distorted scans, compared with the original scans."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from neurotarget.data.cases.manifest import read_manifest
from neurotarget.data.scans.volume import read_volume
from neurotarget.files.ownership import claim
from neurotarget.files.writing import table_text, write_text, written
from neurotarget.problems import DataError, did_you_mean
from neurotarget.report.drawing.figure import save_figure
from neurotarget.report.figures.stress_rates import stress_figure
from neurotarget.runs.network.objects import recorded_target
from neurotarget.runs.network.predict_scans import predict_scans
from neurotarget.runs.network.requested_networks import requested_networks
from neurotarget.scoring import evaluate
from neurotarget.stats.core.interval import mean_interval, wilson_interval
from neurotarget.synthesis.distortions import BASELINE, DISTORTIONS, Scanned
from neurotarget.types import Case, Manifest, Target

COLUMNS = (
    *("condition", "n", "n_failed", "failed", "failed_low", "failed_high", "failed_labels"),
    *("dice", "dice_change", "dice_change_low", "dice_change_high"),
)
FEWEST = 3  # cases for an interval


def stress_run(
    run: Path | str,
    data: Path,
    output: Path,
    *,
    conditions: Sequence[str] = tuple(DISTORTIONS),
    seed: int = 0,
    device: str = "auto",
    overwrite: bool = False,
) -> pd.DataFrame:
    """Distort scans with label maps, segment and score them; writes `output`/stress.{tsv,svg,png}.

    A case has failed if any of its labels has: no mask, or a Dice below 0.1; `failed` is the share
    of such cases with Wilson's interval, `failed_labels` the share of labels. `dice` is the mean
    over cases, `dice_change` its paired difference from the baseline with Student's interval.

    Args:
        run: a run folder, a file that `export` has written, or the name of a shipped network.
        data: a manifest or data set with label maps.
        output: new or empty folder; each condition has a folder with `scans`, `labels` and `masks`.
        conditions: names of `synthesis.distortions.DISTORTIONS`; the baseline is always made.
        seed: of noise, movements and rotations.
        device: `auto`, `cpu`, `cuda` or `mps`.
        overwrite: replace an earlier result in `output`.

    Returns:
        The content of stress.tsv, one row per condition, the baseline first. Intervals of changes
        are NaN with fewer than three cases.

    Raises:
        DataError: a condition is unknown, or nothing can be read or written.
    """
    for name in conditions:
        if name not in DISTORTIONS:
            hint = did_you_mean(name, DISTORTIONS)
            raise DataError(f"conditions: found {name}; {hint}known are {', '.join(DISTORTIONS)}")
    network = next(requested_networks(str(run), "best"))
    target = recorded_target(network.config, network.config_file.parent)
    manifest = read_manifest(data, target)
    cases = [case for case in manifest.cases if case.label is not None]
    if not cases:
        raise DataError(f"{data}: found no case with a label map, wanted one to score")
    claim(output, overwrite=overwrite)
    scores = {}
    for name in dict.fromkeys((BASELINE, *conditions)):
        folder = output / name
        table = _distorted(cases, folder, name, seed)
        predict_scans(run, table, folder / "masks", device=device, overwrite=overwrite)
        scores[name] = _scores(read_manifest(table, target), folder / "masks", target)
    found = pd.DataFrame(_rows(scores), columns=list(COLUMNS))
    write_text(output / "stress.tsv", table_text(found))
    save_figure(stress_figure(found), output / "stress")
    return found


def _distorted(cases: Iterable[Case], folder: Path, name: str, seed: int) -> Path:
    """Write the scans and label maps of a condition; returns their manifest."""
    lines = []
    for number, case in enumerate(cases):
        line = {"case_id": case.case_id, "subject_id": case.subject_id}
        label = read_volume(case.label, case_id=case.case_id)
        for contrast, path in case.images.items():
            volume = read_volume(path, case_id=case.case_id)
            # the same head in all contrasts of a case
            rng = np.random.default_rng([seed, number])
            made = DISTORTIONS[name](Scanned(volume.array, label.array, volume.affine), rng)
            line[contrast] = _written(made.image.astype(np.float32), made, folder / contrast, case)
            line["label"] = _written(made.label, made, folder / "labels", case)
        lines.append(line)
    table = folder / "cases.tsv"
    write_text(table, table_text(pd.DataFrame(lines)))
    return table


def _written(array: np.ndarray, made: Scanned, folder: Path, case: Case) -> str:
    path = folder / f"{case.case_id}.nii.gz"
    with written(path) as draft:
        nib.save(nib.Nifti1Image(array, made.affine), draft)
    return f"{folder.name}/{path.name}"


def _scores(manifest: Manifest, masks: Path, target: Target) -> pd.DataFrame:
    """Dice and failure of each label (rows: case, label)."""
    splits = dict.fromkeys((case.case_id for case in manifest.cases), "test")
    rows = pd.DataFrame(evaluate(manifest, masks, target, splits))
    rows = rows[rows["label"].isin(target.label_names)]
    return rows.pivot_table(index=["case_id", "label"], columns="metric", values="value")[
        ["dice", "failed"]
    ]


def _rows(scores: dict[str, pd.DataFrame]) -> Iterable[tuple]:
    """Statistics of each condition."""
    usual = scores[BASELINE]["dice"].groupby("case_id").mean()
    for name, table in scores.items():
        by_case = table.groupby("case_id")
        dice, is_failed = by_case["dice"].mean(), by_case["failed"].max() > 0
        n, n_failed = len(dice), int(is_failed.sum())
        change = (dice - usual).to_numpy(float)
        ends = (math.nan, math.nan)
        if n >= FEWEST and name != BASELINE:
            ends = mean_interval(change, np.arange(n), n)
        share = n_failed / n
        wilson = wilson_interval(share, n)
        labels = float(table["failed"].mean())
        yield name, n, n_failed, share, *wilson, labels, dice.mean(), change.mean(), *ends
