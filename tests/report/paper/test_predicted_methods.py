import pytest

from neurotarget.report.paper.checklist import claim_table
from neurotarget.report.paper.methods_text import methods_text
from neurotarget.report.sections.outcome_sections import outcome_sentences
from neurotarget.stats.study.analysis import analyse
from oracles.predicted_cohorts import BINARY, cohort_of, rows_of, simulated


@pytest.fixture(scope="module")
def predicted():
    p, y = simulated()
    return analyse(cohort_of(BINARY, rows_of(BINARY, p, y)))


def test_methods_and_results_state_discrimination_and_calibration(predicted):
    text, references = methods_text(predicted)
    assert "area under the ROC curve (AUROC)" in text
    assert all(sentence in text for sentence in outcome_sentences(predicted))
    for doi in ("10.2307/2533958", "10.1186/s12916-019-1466-7", "10.1097/EDE.0b013e3181c30fb2"):
        assert doi in references


def test_the_checklist_names_the_tables_of_predicted_classes(predicted):
    table = claim_table(predicted)
    (text,) = table.loc[table["text"].str.contains("discrimination.tsv"), "text"]
    assert "calibration.tsv" in text
