from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

from neurotarget.stats.cohort.measured import Measured, of_volumes, with_regions
from neurotarget.stats.study.biomarkers import biomarkers_table
from neurotarget.stats.study.ranking import ranking_table
from neurotarget.types import Target

GAPS = np.linspace(-2.0, 0.5, 8)


def cohort(noise: float = 0.0, labels: int = 8, n: int = 30) -> Measured:
    """Patients and controls with graded effects; predictions are the reference with noise."""
    rng = np.random.default_rng(4)
    names = [f"l{number}" for number in range(labels)]
    cases = [f"c{number:03}" for number in range(2 * n)]
    people = pd.DataFrame(
        {"subject_id": cases, "group": np.repeat(["patient", "control"], n)},
        index=pd.Index(cases, name="case_id"),
    )
    is_patient = (people["group"] == "patient").to_numpy()
    values = 1000 + 100 * (
        rng.standard_normal((2 * n, labels)) + np.outer(is_patient, GAPS[:labels])
    )
    reference = pd.DataFrame(values, people.index, names)
    predicted = reference + 100 * noise * rng.standard_normal(values.shape)
    target = Target("t", ["t1"], dict(zip(names, range(1, 9), strict=False)), [1] * 3, [8] * 3)
    tables = {"reference": reference, "predicted": predicted}
    tables = {name: with_regions(table, target) for name, table in tables.items()}
    return Measured(target, of_volumes(tables), people, pd.DataFrame(), "reference")


def test_ranking_is_the_rank_correlation_of_the_effects():
    study = cohort(noise=1.0)
    row = ranking_table(study).iloc[0]
    table = biomarkers_table(study).query("label in @study.target.label_names")
    first, second = (table[table["method"] == name]["d"] for name in ("reference", "predicted"))
    assert row["rho"] == pytest.approx(spearmanr(first, second).statistic)
    assert row["tau"] == pytest.approx(kendalltau(first, second).statistic)
    assert row["rho_low"] < row["rho"] <= row["rho_high"] + 0.1
    assert (row["n_labels"], row["n_left_out"], row["n"]) == (8, 0, 60)


def test_equal_volumes_are_ranked_alike_and_noise_lowers_it():
    same, noisy = (ranking_table(cohort(noise)).iloc[0] for noise in (0.0, 6.0))
    assert (same["rho"], same["rho_low"], same["tau_low"]) == pytest.approx((1, 1, 1))
    assert noisy["rho_low"] < 0.5


def test_a_label_without_a_value_is_left_out_and_counted():
    study = cohort(noise=0.5)
    volumes = {name: table.copy() for name, table in study.values.items()}
    volumes["predicted"].loc["c003", "l2"] = np.nan
    row = ranking_table(replace(study, quantities=of_volumes(volumes))).iloc[0]
    assert (row["n_labels"], row["n_left_out"]) == (7, 1)


def test_a_target_of_few_labels_has_no_ranking():
    assert ranking_table(cohort(labels=3)).empty
