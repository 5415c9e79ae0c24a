"""How a learned recalibration is shown in terminal, summary and page, and used by a study."""

import json

import numpy as np
import pytest
from scipy.special import expit

from neurotarget.inference.recalibration_choice import Known, choose
from neurotarget.outcome import Outcome
from neurotarget.report.sections.recalibration_texts import (
    recalibration_facts,
    recalibration_line,
    recalibration_section,
    recalibration_text,
    thresholds_of,
    trials_table,
)
from neurotarget.studies.study_inputs import stored_tables, stored_thresholds
from oracles.predicted_cohorts import binary_study

ILL = Outcome("ill", "binary", ("no", "yes"))


def a_record(shift: float, n: int = 200) -> dict:
    """A record of probabilities that are too low by `shift` on the logit scale."""
    rng = np.random.default_rng(1)
    raw = rng.normal(-1.0, 1.5, n)
    truth = rng.random(n) < expit(shift + raw)
    chosen = choose([Known(ILL, expit(raw)[:, None], truth.astype(int), np.arange(n))])
    return {
        "steps": chosen.steps.as_dict(),
        "n_cases": n,
        "changes": [one._asdict() for one in chosen.changes],
        "trials": [one._asdict() for one in chosen.trials],
    }


@pytest.fixture(scope="module")
def record():
    return a_record(1.5)


def test_the_line_names_correction_means_and_threshold(record):
    line = recalibration_line(record)
    change, steps = record["changes"][0], record["steps"]
    assert line.startswith("recalibrate  ill: intercept +1.")
    assert f"mean probability {change['mean_before']:.2f} → {change['mean_after']:.2f}" in line
    assert f"positive above {steps['thresholds']['ill']:.2f}: on 200 validation cases" in line


def test_good_probabilities_are_reported_as_left_alone():
    assert "ill: no correction helps, positive above" in recalibration_line(a_record(0.0))


def test_too_few_cases_are_named_and_numbers_are_not_mentioned():
    few = a_record(1.5, n=12)
    assert recalibration_line(few) == (
        "recalibrate  nothing learned from 12 validation cases: too few of each class"
    )
    assert "too few of each class" in recalibration_text(recalibration_facts(few))
    none = few | {"n_cases": 0}
    assert recalibration_line(none) == recalibration_text(recalibration_facts(none)) == ""


def test_the_table_has_before_after_and_observed(record):
    head, _, row = recalibration_text(recalibration_facts(record)).splitlines()
    change = record["changes"][0]
    assert "mean probability before" in head
    for value in (change["mean_before"], change["mean_after"], change["observed"]):
        assert f"{value:.3f}" in row


def test_a_run_gives_its_study_trials_and_thresholds(record, tmp_path):
    (tmp_path / "recalibration.json").write_text(json.dumps(record))
    table = stored_tables(tmp_path)["recalibration"]
    assert table["step"].tolist() == ["intercept", "slope"]
    assert table["kept"].tolist() == [True, False]
    assert stored_thresholds(tmp_path) == record["steps"]["thresholds"]
    assert stored_thresholds(tmp_path / "other") == thresholds_of({"steps": 1}) == {}


def test_the_section_lists_every_trial(record):
    study = binary_study({"ill": 0.3})
    assert recalibration_section(study) is None
    study.tables["recalibration"] = trials_table(record)
    section = recalibration_section(study)
    assert section.findings == ["Kept: intercept (ill)."]
    cells = [row[:3] for row in section.grids[0].rows]
    assert cells[0] == ["intercept", "ill", "kept"]
    assert cells[1][2].startswith("no: the log loss of cases")
