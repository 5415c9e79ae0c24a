"""Cohorts with predicted classes: of real adrenal glands by their size, and of made-up numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from neurotarget.outcome import Outcome
from neurotarget.stats.arms.arms import Arms
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.study.results import Study
from neurotarget.stats.tables.calibration_tables import calibration_bins_table, calibration_table
from neurotarget.stats.tables.discrimination_tables import confusion_table, discrimination_table
from neurotarget.types import Target

COLUMNS = ["case_id", "subject_id", "split", "label", "metric", "value", "unit"]
BINARY = Outcome("hyperplasia", "binary", ("normal", "hyperplasia"))
GRADES = Outcome("grade", "classes", ("none", "mild", "severe"), is_ordered=True)


def rows_of(outcome, p, codes, *, subjects=None, failed=(), split="test"):
    """Rows of rows.csv; `p` are probabilities of each label, `codes` the classes or NaN."""
    p = np.asarray(p, float).reshape(len(codes), -1)
    rows = []
    for number, code in enumerate(codes):
        case_id = f"c{number:03}"
        who = (case_id, case_id if subjects is None else f"s{subjects[number]:03}", split)
        for place, label in enumerate(outcome.labels):
            if number not in failed:
                rows.append((*who, label, "probability", p[number, place], ""))
            if np.isfinite(code):
                truth = float(code == place) if len(outcome.labels) > 1 else float(code)
                rows.append((*who, label, "reference_probability", truth, ""))
        rows.append((*who, outcome.name, "failed", float(number in failed), ""))
        error = np.nan
        if np.isfinite(code) and number not in failed:
            truth = np.eye(len(outcome.classes))[int(code)]
            error = np.square(p[number] - (truth if len(truth) > 2 else truth[1:])).sum()
        if np.isfinite(code):
            rows.append((*who, outcome.name, "brier", error, ""))
    return pd.DataFrame(rows, columns=COLUMNS)


def target_of(outcome):
    return Target("glands", ("mask",), {}, (1, 1, 1), (32, 32, 32), outcomes=(outcome,))


def cohort_of(outcome, rows, **covariates):
    index = pd.Index(rows["case_id"].unique(), name="case_id")
    return from_rows(rows, target_of(outcome), pd.DataFrame(covariates, index=index))


def adrenal_probabilities(folder: Path):
    """Probabilities of hyperplasia by the size of the gland, and the reference, of 298 test cases.

    A logistic regression on the logarithm of the number of voxels, fitted to the training split.
    """
    stored = np.load(folder / "adrenalmnist3d" / "adrenalmnist3d_64.npz", allow_pickle=False)
    sizes = {}
    for split in ("train", "test"):
        voxels = (stored[f"{split}_images"] > 0).reshape(len(stored[f"{split}_images"]), -1)
        sizes[split] = np.column_stack([np.ones(len(voxels)), np.log1p(voxels.sum(axis=1))])
    fit = GLM(stored["train_labels"].ravel(), sizes["train"], family=Binomial()).fit()
    return fit.predict(sizes["test"]), stored["test_labels"].ravel().astype(float)


def simulated(n=120, seed=0):
    """Well calibrated probabilities of a binary outcome, and its reference."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(-0.5, 1.3, n)))
    return p, (rng.random(n) < p).astype(float)


def graded(n=150, seed=0):
    """Probabilities of three grades, and the reference."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, n).astype(float)
    p = rng.dirichlet(np.ones(3), n) + 0.5 * np.eye(3)[codes.astype(int)]
    return p / p.sum(axis=1, keepdims=True), codes


def study_of(measured, thresholds=None):
    """A study with the tables of predicted classes alone."""
    tables = {
        "discrimination": discrimination_table(measured, thresholds),
        "calibration": calibration_table(measured),
        "calibration_bins": calibration_bins_table(measured),
        "confusion": confusion_table(measured, thresholds),
    }
    return Study(measured, tables)


def binary_study(thresholds=None, **options):
    p, y = simulated()
    return study_of(cohort_of(BINARY, rows_of(BINARY, p, y, **options)), thresholds)


def graded_study(**options):
    p, codes = graded()
    return study_of(cohort_of(GRADES, rows_of(GRADES, p, codes, **options)))


def predicted_arms(outcome, probabilities, codes, **options):
    """Arms of predicted classes; `probabilities` holds those of each seed, by arm."""
    tables = [
        rows_of(outcome, p, codes, **options).assign(
            arm=arm, kind="net", run=f"{arm}/seed={seed}", fold=0, seed=seed
        )
        for arm, of_seeds in probabilities.items()
        for seed, p in enumerate(of_seeds, start=1)
    ]
    scores = pd.concat(tables, ignore_index=True)
    runs = scores.drop_duplicates("run").set_index("run")[["arm", "kind", "fold", "seed"]]
    cases = scores.drop_duplicates("case_id").set_index("case_id")[["subject_id"]]
    return Arms(target_of(outcome), scores, runs, cases)


def noisy(p, sd, seeds=(1, 2)):
    """Probabilities with noise on their logits, once per seed."""
    place = np.log(p / (1 - p))
    drawn = [np.random.default_rng(seed).normal(0, sd, len(p)) for seed in seeds]
    return [1 / (1 + np.exp(-place - own)) for own in drawn]
