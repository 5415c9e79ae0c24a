import numpy as np
import pytest

from neurotarget.hypothesis import Hypothesis
from neurotarget.report.pages.summary import summarise, summary_text
from neurotarget.report.sections.cards import cards
from neurotarget.report.sections.means_section import means_sections
from neurotarget.report.text.claims import claim_sentence
from neurotarget.report.text.text_tables import hypotheses_table
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.study.analysis import analyse
from neurotarget.studies.study_inputs import with_planted
from oracles.rater_cohort import GAP_PPM, TARGET, rater_rows


@pytest.fixture(scope="module")
def drawn(analysed_raters):
    return analysed_raters


def test_a_row_a_label_and_method_with_its_unit_in_the_head(drawn):
    (section,) = means_sections(drawn)
    (grid,) = section.grids
    assert [column.text for column in grid.columns][2:4] == ["Mean, ppm", "SD, ppm"]
    assert [row[:2] for row in grid.rows[:4]] == [
        ["left", name] for name in ("reference", "predicted", "again", "rater2")
    ]
    assert all(len(row) == len(grid.columns) for row in grid.rows)
    mean = drawn.measured.quantities["mean_qsm"].tables["predicted"]["left"].mean()
    predicted = grid.rows[1]
    assert predicted[2].startswith(f"{mean:.3f} [")
    assert predicted[4:6] == ["39", "1"]
    assert grid.rows[0][-2:] == ["–", "–"]  # the first method has nobody to be compared with


def test_one_method_alone_has_no_agreement():
    rows, covariates = rater_rows(12)
    alone = rows[rows["metric"].isin(["reference_volume_mm3", "reference_mean_qsm"])]
    (section,) = means_sections(analyse(from_rows(alone, TARGET, covariates)))
    assert len(section.grids[0].columns) == 6
    assert {len(row) for row in section.grids[0].rows} == {6}


def test_a_study_without_units_has_no_section(analysed):
    assert means_sections(analysed) == []


def with_effect(**planted):
    """The study of the network and the reference alone, with effects planted."""
    rows, covariates = rater_rows()
    people = rows["metric"].str.contains("@")
    return analyse(from_rows(rows[~people], with_planted(TARGET, planted), covariates))


def test_what_is_planted_in_tissue_is_expected_to_be_smaller(drawn):
    study = with_effect(susceptibility=GAP_PPM)
    (section,) = means_sections(study)
    assert "expected to be smaller than planted" in section.after[-1]
    found = {card.name: card.source for card in cards(study)}
    assert found["susceptibility"].endswith("a mean in a map shows less")
    text = hypotheses_table(summarise(study, planted={"susceptibility": GAP_PPM}))
    assert "  susceptibility: planted in the tissue; a mean in a map shows less of it" in text
    assert "planted" not in " ".join(means_sections(drawn)[0].after)


def test_volumes_are_planted_as_they_are():
    study = with_effect(nuclei_smaller=-250.0)
    assert "planted" not in " ".join(means_sections(study)[0].after)
    text = hypotheses_table(summarise(study, planted={"nuclei_smaller": -250.0}))
    assert "tissue" not in text


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (
            "mean_qsm ~ group + age: patient > control",
            "Hypothesis: the mean qsm of the whole nuclei is higher in the group “patient” than in "
            "the group “control”, adjusted for age.",
        ),
        (
            "mean_qsm[left]: F < M",
            "Hypothesis: the mean qsm of left is lower in women than in men.",
        ),
        ("mean_qsm[left] ~ age: positive", "Hypothesis: the mean qsm of left rises with age."),
        ("mean_qsm[left] ~ age: negative", "Hypothesis: the mean qsm of left falls with age."),
    ],
)
def test_claims_on_means_are_sentences(claim, sentence):
    assert claim_sentence(Hypothesis.parse("x", claim), TARGET) == sentence


def test_planted_effects_on_means_stand_in_the_summary(drawn):
    summary = summarise(drawn, planted={"susceptibility": GAP_PPM})
    found = summary["hypotheses"]["susceptibility"]
    assert (found["planted"], found["recovered"]) == (GAP_PPM, True)
    lines = summary_text(summary).splitlines()
    planted = next(line for line in lines if " planted " in line)
    assert planted.split()[:3] == ["planted", "+0.030", "ppm"]
    left_out = hypotheses_table(summary).splitlines()
    for name in ("susceptibility", "nuclei_smaller"):
        (line,) = (one for one in left_out if one.startswith(f"  {name}, predicted: "))
        assert "1 mask failed and is left out" in line


def test_numbers_of_means_are_finite(drawn):
    table = drawn.tables["means"].query("stratum == 'all'")
    assert np.isfinite(table["mean"]).all()
