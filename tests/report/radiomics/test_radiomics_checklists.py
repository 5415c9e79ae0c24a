"""METRICS and CLEAR: all items, filled in by what the study knows, and a score with its bounds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.report.radiomics.radiomics_checklists import (
    checklist_sentences,
    clear_table,
    grade,
    metrics_score,
    metrics_table,
)
from neurotarget.report.radiomics.radiomics_methods import (
    Extraction,
    Robustness,
    methods_paragraph,
    study_sentences,
)
from neurotarget.report.text.assets import asset_table
from neurotarget.stats.radiomics.chain import ChainSettings
from neurotarget.stats.radiomics.radiomic_arms import Material
from neurotarget.stats.radiomics.radiomics_outcome import Outcome
from neurotarget.stats.radiomics.radiomics_study import RadiomicSettings, analyse_radiomics

MEASURED = Extraction(("flair",), ("core",), FeatureSettings(bins=32, normalise="zscore"))


@pytest.fixture(scope="module")
def study():
    random = np.random.default_rng(0)
    y = np.repeat([0.0, 1.0], 20)
    material = Material([str(one) for one in range(40)], Outcome(y, np.arange(40)),
                        random.normal(size=(40, 1)), random.normal(size=(40, 3)), ["age"],
                        ["a", "b", "c"], np.zeros(40), "idh = mutant")  # fmt: skip
    settings = RadiomicSettings(ChainSettings(most=1), folds=2, repeats=1, permutations=0)
    return analyse_radiomics(material, settings)


def answers(study, *given):
    return metrics_table(study_sentences(study, *given)).set_index("item")["answer"]


def test_all_items_are_there_with_their_weights(study, shared_data):
    metrics, clear = (make(study_sentences(study)) for make in (metrics_table, clear_table))
    assert (len(metrics), len(clear)) == (30, 58)
    assert metrics["weight"].sum() == pytest.approx(1.0)
    place = shared_data / "checklists"
    known = pd.read_csv(place / "metrics_v1_items_weights.csv")
    assert metrics["topic"].tolist() == known["definition"].tolist()
    assert metrics["weight"].tolist() == known["weight"].tolist()
    conditions = asset_table("radiomics_checklists")["metrics"]
    listed = [" and ".join(one.get("conditions", ())) for one in conditions]
    assert listed == known["condition"].fillna("").tolist()
    assert clear["topic"].tolist() == pd.read_csv(place / "clear_v1_items.csv")["name"].tolist()


def test_a_table_alone_leaves_to_the_authors_what_it_cannot_know(study):
    found = answers(study)
    assert set(found[found == "authors"].index) == {
        *range(1, 14), 19, 23, 28, 29, 30
    }  # fmt: skip
    assert set(found[found == "no"].index) == {14, 27}
    assert set(found[found == "not applicable"].index) == {17}


def test_features_that_were_measured_here_and_twice_fill_in_more(study):
    before = answers(study)
    after = answers(study, MEASURED, Robustness(0.75, 3, 5, 20))
    assert {item for item in before.index if before[item] != after[item]} == {11, 12, 13, 14, 23}
    assert set(after[[11, 12, 13, 14, 23]]) == {"yes"}


def test_terms_without_ten_cases_each_are_a_no(study):
    assert answers(study)[16] == "yes"  # 20 cases for 2 terms
    few = replace(study, settings=RadiomicSettings(ChainSettings(most=2)))
    assert answers(few)[16] == "no"


def test_the_score_has_the_bounds_that_the_open_items_leave(study):
    table = metrics_table(study_sentences(study))
    weights = table.set_index("item")["weight"]
    yes, no = weights[[15, 16, 18, 20, 21, 22, 24, 25, 26]].sum(), weights[[14, 27]].sum()
    score = metrics_score(table)
    assert score.least == pytest.approx(yes / (1 - weights[17]))
    assert score.most == pytest.approx(1 - no / (1 - weights[17]))
    assert score.n_open == 18
    first, second = checklist_sentences(table, clear_table(study_sentences(study)))
    assert f"gives {100 * score.least:.1f} % (low)" in first
    assert "18 items left to the authors it can reach" in first
    assert second.startswith("CLEAR: ")


@pytest.mark.parametrize(
    ("score", "name"),
    [(0.19, "very low"), (0.2, "low"), (0.59, "moderate"), (0.6, "good"), (0.8, "excellent")],
)
def test_grades_are_those_of_metrics(score, name):
    assert grade(score) == name


def test_the_paragraph_names_what_was_done_and_nothing_else(study):
    alone = methods_paragraph(study_sentences(study, clinical=["age"]))
    assert "Clinical terms were age." in alone
    assert "people were split into 2 folds, 1 time;" in alone
    assert "ComBat" not in alone
    assert "images were" not in alone
    assert "masks were" not in alone
    whole = methods_paragraph(study_sentences(study, MEASURED, Robustness(0.75, 3, 5, 20)))
    assert "32 levels between the least and the largest intensity" in whole
    assert "scaled by mean and SD of the brain" in whole
    assert "3 of 5 features had an ICC(A,1) of 0.75 or more" in whole
    assert ".." not in whole


def test_tuning_is_reported_only_of_models_that_have_it(study):
    def tuning(model):
        chain = replace(study.settings.chain, model=model)
        settings = replace(study.settings, chain=chain)
        return study_sentences(replace(study, settings=settings))["tuning"]

    assert tuning("forest") == ""
    assert tuning("boosting").startswith("its learning rate was chosen in three inner folds")
    assert tuning("logistic").startswith("its penalty was chosen")


def test_items_of_clear_quote_the_study(study):
    table = clear_table(study_sentences(study, MEASURED)).set_index("item")
    assert table.loc[27, "text"] == "3 image features entered the study."
    assert "idh = mutant" in table.loc[18, "text"]
    assert (table.loc[[1, 8, 49, 53], "filled_by"] == "authors").all()
    assert (table.loc[[21, 22, 23, 26, 28], "filled_by"] == "study").all()
