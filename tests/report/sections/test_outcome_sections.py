import numpy as np

from neurotarget.report.sections.outcome_numbers import outcome_numbers
from neurotarget.report.sections.outcome_sections import (
    outcome_answer,
    outcome_sections,
    outcome_sentences,
)
from neurotarget.report.text.definitions import definitions
from neurotarget.report.text.headed_tables import page_tables, table_specs
from oracles.predicted_cohorts import (
    BINARY,
    binary_study,
    cohort_of,
    graded_study,
    rows_of,
    study_of,
)


def row(study, table, statistic, **where):
    rows = study.tables[table]
    for name, value in {"stratum": "all", "statistic": statistic, **where}.items():
        rows = rows[rows[name] == value]
    return rows.iloc[0]


def test_key_numbers_are_those_of_the_tables():
    study = binary_study()
    (numbers,) = outcome_numbers(study)
    tiles = {tile.name: tile for tile in numbers.tiles}
    area, prevalence = (row(study, "discrimination", name) for name in ("auroc", "prevalence"))
    assert tiles["AUROC"].value == f"{area['value']:.2f}"
    assert tiles["AUROC"].interval == f"95 % interval {area['low']:.2f} to {area['high']:.2f}"
    assert f"the prevalence, {prevalence['value']:.2f}" in tiles["Average precision"].note
    slope = row(study, "calibration", "calibration_slope")
    assert tiles["Calibration slope"].value == f"{slope['value']:.2f}"
    assert tiles["Failed predictions"].value == "0 of 120"


def test_several_classes_have_key_numbers_over_all():
    (numbers,) = outcome_numbers(graded_study())
    assert [tile.name for tile in numbers.tiles][:4] == [
        *("AUROC, mean over classes", "Accuracy", "Balanced accuracy", "Kappa")
    ]


def test_an_interval_around_one_half_shows_no_discrimination():
    rng = np.random.default_rng(0)
    measured = cohort_of(BINARY, rows_of(BINARY, rng.random(60), rng.integers(0, 2, 60) * 1.0))
    sentence, _ = outcome_sentences(study_of(measured))
    assert "the interval includes 0.5, so no discrimination is shown" in sentence


def test_extreme_probabilities_are_called_so():
    study = binary_study()
    table = study.tables["calibration"]
    table.loc[table["statistic"] == "calibration_slope", ["value", "low", "high"]] = 0.6, 0.5, 0.8
    assert any("slope 0.60 [0.50, 0.80] (below 1: the probabilities are too extreme)" in one
               for one in outcome_sentences(study))  # fmt: skip


def test_an_unknown_area_has_its_reason():
    study = study_of(cohort_of(BINARY, rows_of(BINARY, np.linspace(0.1, 0.9, 20), np.zeros(20))))
    sentences = outcome_sentences(study)
    assert sentences[0] == "Discrimination of hyperplasia is unknown: no case is positive."
    (numbers,) = outcome_numbers(study)
    assert (numbers.tiles[0].value, numbers.tiles[0].note) == ("–", "no case is positive")


def test_failed_predictions_are_counted_in_the_section():
    section, _ = outcome_sections(binary_study(failed=[1, 2]))
    assert any(text.startswith("2 predictions failed.") for text in section.after)


def test_sections_have_a_line_for_each_class_and_threshold():
    section, calibration = outcome_sections(binary_study({"hyperplasia": 0.3}))
    assert [line[1] for line in section.grids[1].rows] == ["p > 0.50", "p > 0.30"]
    section, calibration = outcome_sections(graded_study())
    assert [line[0] for line in section.grids[0].rows] == ["none", "mild", "severe"]
    assert len(calibration.grids[0].rows) == 3
    assert len(section.grids[2].rows) == 1


def test_a_study_without_predicted_classes_has_no_section(study):
    assert outcome_sections(study) == outcome_numbers(study) == []


def test_every_statistic_is_defined_and_every_table_has_headings():
    names = {one.name for one in definitions(graded_study().tables)}
    assert {"AUROC", "Average precision", "Brier score", "Log loss", "ECE"} <= names
    assert "Kappa with quadratic weights" in names
    tables = page_tables(binary_study().tables, table_specs())
    assert [table.title for table in tables] == [
        *("Discrimination", "Calibration", "Observed by predicted probability"),
        "Predicted and reference classes",
    ]
    columns = {column.key: column for column in tables[0].columns}
    assert columns["value"].low == "low"


def test_the_answer_is_on_the_first_outcome(study):
    binary, several = binary_study(), graded_study()
    assert outcome_answer(binary) == outcome_sentences(binary)[0]
    area = row(several, "discrimination", "auroc_macro")
    assert f"The AUROC of grade is {area['value']:.2f} [" in outcome_answer(several)
    assert outcome_answer(study) == ""
