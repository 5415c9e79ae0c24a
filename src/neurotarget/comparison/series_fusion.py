"""Fuse probabilities of the same exams; one network per MR series has predicted them.

Each outcome is fused separately. An exam's fused probability comes from weights that were fitted
to the exams of other people; the plain mean over the series is given for comparison.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from neurotarget.comparison.read_run import Run, read_run
from neurotarget.files.ownership import claim, claimed
from neurotarget.files.writing import check_writable, expand_home, table_text, write_text
from neurotarget.problems import DataError
from neurotarget.quantity import PROBABILITY
from neurotarget.report.comparison.fusion_page import fusion_html
from neurotarget.report.text.numbers import counted
from neurotarget.runs.folder.finished_runs import run_folders, why_unfinished
from neurotarget.runs.folder.older_output import older_output
from neurotarget.stats.core.clustered_auc import auc_difference_of_cases, auc_of_cases
from neurotarget.stats.core.logistic_fusion import (
    fit_fusion,
    fused_out_of_fold,
    plain_mean,
    weight_intervals,
)

REFERENCE = f"reference_{PROBABILITY}"
MEAN, FUSION = "mean", "fusion"
FEWEST = 10  # exams of each kind, for a fusion in five folds
PAGE = "fusion.html"


class FusedSeries(NamedTuple):
    """AUROC of series, mean and fusion, the weights, each exam's probabilities, and the page.

    `notes` name the runs and findings that are left out.
    """

    scores: pd.DataFrame
    weights: pd.DataFrame
    exams: pd.DataFrame
    report: Path
    notes: tuple[str, ...]


def fuse_runs(
    places: Sequence[Path | str],
    *,
    output: Path | str | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> FusedSeries:
    """Fuse finished runs, each of one series; writes fusion.html and fusion_{…}.tsv.

    A finding with too few exams is left out, with a note.

    Args:
        places: a multirun folder, run folders, or folders that contain run folders.
        output: folder to write into; by default `fusion` in the first folder of `places`.
        seed: seed of folds and bootstrap.
        overwrite: whether files that neurotarget did not write may be replaced.

    Raises:
        DataError: no outcome has finished runs of two series, or enough exams.
    """
    folders = [expand_home(place) for place in places]
    if not folders:
        raise DataError("fuse-series: found no runs, wanted a multirun folder or run folders")
    runs, notes = _finished(folders)
    tables = exam_tables(runs)
    if not tables:
        raise DataError(
            f"{folders[0]}: found no outcome with runs of two series, wanted networks of one "
            "contrast each; train them, such as with python train.py experiment=knee"
        )
    few = {label: found for label, table in tables.items() if (found := too_few(table))}
    notes += [f"{label} is left out: {found}." for label, found in few.items()]
    if len(few) == len(tables):
        found = "; ".join(f"{label}: {found}" for label, found in few.items())
        raise DataError(f"{folders[0]}: {found}; hold out more exams, or join several folds")
    into = expand_home(output) if output is not None else folders[0] / FUSION
    check_writable(into)
    claim(into, older=older_output, overwrite=overwrite)
    parts = {
        label: fused_label(table, seed=seed) for label, table in tables.items() if label not in few
    }
    scores, weights, exams = (
        pd.concat([part[n].assign(label=label) for label, part in parts.items()], ignore_index=True)
        for n in range(3)
    )
    claimed(into, older=older_output)
    for name, table in {"scores": scores, "weights": weights, "exams": exams}.items():
        ordered = table[["label", *table.columns.drop("label")]]
        write_text(into / f"fusion_{name}.tsv", table_text(ordered, float_format="%.6g"))
    page = into / PAGE
    write_text(page, fusion_html(scores, weights, facts=_facts(runs, seed), notes=notes))
    return FusedSeries(scores, weights, exams, page, tuple(notes))


def _finished(folders: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """Return the finished runs in some folders, and notes about the other folders."""
    runs, notes = [], []
    for folder in run_folders(folders):
        if reason := why_unfinished(folder):
            notes.append(f"{folder.name} is left out: {reason}.")
        else:
            runs.append(read_run(folder))
    return runs, notes


def _facts(runs: Sequence[Run], seed: int) -> dict[str, str]:
    return {
        "runs": counted(len(runs), "run"),
        "seed of folds and bootstrap": str(seed),
        "networks": ", ".join(sorted({run.model for run in runs})),
        "seeds of training": ", ".join(map(str, sorted({run.seed for run in runs}))),
    }


def print_fused(folder: Path) -> None:
    """Fuse the runs of a multirun and print the scores, or the reason why there are none.

    The networks are already trained, so an impossible fusion is not a failure of the multirun.
    """
    try:
        done = fuse_runs([folder])
    except DataError as error:
        print(f"no fusion: {error}", flush=True)
    else:
        print_scores(done)


def print_scores(done: FusedSeries) -> None:
    """Print what was left out, the AUROC of each series, mean and fusion, and the page's path."""
    for note in done.notes:
        print(f"note: {note}")
    for row in done.scores.to_dict("records"):
        area = f"AUROC {row['auroc']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        print(f"{row['label']:<12}{row['score']:<10}{area} of {row['n']} exams")
    print(f"report  {done.report}", flush=True)


def too_few(table: pd.DataFrame) -> str:
    """Return why a table of `exam_tables` has too few exams for a fusion; "" for enough exams.

    Ten exams with the finding and ten without it are needed, so that each of five folds has some.
    """
    count, positive = len(table), int(table["reference"].sum())
    if min(positive, count - positive) >= FEWEST:
        return ""
    return (
        f"found {positive} of {count} exams with the finding, wanted at least {FEWEST} with and "
        f"{FEWEST} without it"
    )


def exam_tables(runs: Sequence[Run]) -> dict[str, pd.DataFrame]:
    """Collect the exams of each outcome, from runs of one series each.

    Runs of several folds are joined, those of several seeds averaged. Outcomes that are not binary
    or have runs of one series only, and runs of several contrasts, are left out.

    Returns:
        Tables by outcome, one row per exam: `case_id`, `subject_id`, `reference` (1 with the
        finding, else 0), and the probability by series, NaN where the exam lacks it.
    """
    columns: dict[str, dict[str, list[pd.DataFrame]]] = {}
    for run in runs:
        if len(run.target.contrasts) != 1:
            continue
        for outcome in run.target.outcomes:
            own = run.rows[run.rows["label"] == outcome.name]
            wide = own.pivot_table(
                index=["case_id", "subject_id"], columns="metric", values="value"
            )
            if outcome.kind == "binary" and {PROBABILITY, REFERENCE} <= {*wide.columns}:
                of_series = columns.setdefault(outcome.name, {})
                of_series.setdefault(run.target.contrasts[0], []).append(wide)
    return {label: _joined(parts) for label, parts in columns.items() if len(parts) > 1}


def _joined(parts: Mapping[str, Sequence[pd.DataFrame]]) -> pd.DataFrame:
    known = pd.concat([table for tables in parts.values() for table in tables])[REFERENCE]
    means = {
        series: pd.concat(tables)[PROBABILITY].groupby(level=[0, 1]).mean()
        for series, tables in parts.items()
    }
    reference = known.groupby(level=[0, 1]).first().rename("reference")
    table = pd.concat([reference, *(mean.rename(name) for name, mean in means.items())], axis=1)
    table = table[table["reference"].notna() & table[[*means]].notna().any(axis=1)]
    return table.sort_index().reset_index()


def fused_label(
    table: pd.DataFrame, *, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Fuse one outcome of a table of `exam_tables`; return scores, weights and exams.

    There must be `FEWEST` exams with and without the finding, see `too_few`.

    Returns:
        Scores: one row for each series, `mean` and `fusion`, with `n`, `n_positive`, `auroc` and
        its interval `low` to `high`; the fusion also has `gain` over the mean, its interval and
        `p`. Weights: one row per series, with `weight` (shrunk), `free_weight` and its bootstrap
        interval, `n_lacking`, and penalty, intercept and slope of the fit. Exams: the table with
        the probabilities `mean` and `fusion`; the fusion is fitted to other people.
    """
    series = [name for name in table if name not in ("case_id", "subject_id", "reference")]
    p, y = table[series].to_numpy(float), table["reference"].to_numpy(float)
    subject = pd.factorize(table["subject_id"])[0]
    out = fused_out_of_fold(p, y, subject, seed=seed)
    exams = table.assign(**{MEAN: plain_mean(p), FUSION: expit(out.score)})
    rows = []
    for name in (*series, MEAN, FUSION):
        there = exams[name].notna().to_numpy()
        value = exams[name].to_numpy(float)[there]
        area = auc_of_cases(value, y[there] == 1, subject[there])
        counts = {"n": int(there.sum()), "n_positive": int(y[there].sum())}
        rows.append(
            {"score": name, **counts, "auroc": area.value, "low": area.low, "high": area.high}
        )
    both = exams[[MEAN, FUSION]].to_numpy(float)
    gain = auc_difference_of_cases(both, y == 1, subject)
    rows[-1] |= {"gain": gain.estimate.value, "gain_low": gain.estimate.low}
    rows[-1] |= {"gain_high": gain.estimate.high, "p": gain.p}
    fusion = fit_fusion(p, y, subject, seed=seed)
    free, (low, high) = weight_intervals(p, y, subject, seed=seed)
    weights = pd.DataFrame(
        {
            "series": series,
            "weight": fusion.weights,
            "free_weight": free,
            "low": low,
            "high": high,
            "n_lacking": np.isnan(p).sum(axis=0),
        }
    ).assign(penalty=fusion.penalty, intercept=fusion.intercept, slope=fusion.slope)
    return pd.DataFrame(rows), weights, exams
