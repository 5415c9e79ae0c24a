import pytest

from neurotarget.comparison.arms_text import summary_rows
from neurotarget.report.comparison.comparison_figures import all_figures
from neurotarget.report.comparison.comparison_page import compare_html
from neurotarget.report.comparison.discrimination_section import discrimination_section
from neurotarget.report.sections.plain_page import page_figures
from neurotarget.stats.arms.comparison import compare
from oracles.comparisons import a_comparison
from oracles.predicted_cohorts import BINARY, noisy, predicted_arms, simulated


@pytest.fixture(scope="module")
def compared():
    p, y = simulated(150)
    return compare(predicted_arms(BINARY, {"good": noisy(p, 0.1), "bad": noisy(p, 3.0)}, y))


def test_figures_and_captions_speak_of_the_brier_score(compared):
    figures = {figure.name: figure for figure in all_figures(compared)}
    assert list(figures) == ["ranks", "brier", "differences", "costs", "effects"]
    assert figures["brier"].title == "Brier score of every arm"
    assert "right of the dotted line an arm is worse" in figures["differences"].caption
    axes = figures["differences"].figure.axes[0]
    assert axes.get_xlabel() == "Brier score minus that of good"
    assert not any("Dice" in figure.caption for figure in figures.values() if figure.figure)


def test_the_section_states_each_difference_of_auroc(compared):
    (section,) = discrimination_section(compared)
    row = compared.tables["discrimination_differences"].iloc[0]
    assert section.findings[0].startswith("good has a higher AUROC of hyperplasia than bad (")
    assert f"({row['auc_arm']:.3f} against {row['auc_other']:.3f}, " in section.findings[0]
    assert "averaging the probabilities of all trainings" in section.lead


def test_the_page_and_the_terminal_name_the_score(compared):
    page = compare_html(compared, page_figures(all_figures(compared)), title="Arms")
    assert "Brier score [95 %]" in page
    assert "Dice [95 %]" not in page
    assert "ICC of" not in page
    assert summary_rows(compared)[0][1] == "Brier score [95 %]"


def test_masks_have_no_section_on_discrimination():
    assert discrimination_section(a_comparison(3)) == []
