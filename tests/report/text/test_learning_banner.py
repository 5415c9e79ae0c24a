from dataclasses import replace

import pytest

from neurotarget.report.pages.study_page import page_html
from neurotarget.report.sections.cards import cards
from neurotarget.report.text.learning_banner import arms_banner, banner, banner_text
from neurotarget.report.text.sentences import answer, comparison_sentence, headlines
from neurotarget.stats.arms.comparison import compare
from neurotarget.stats.cohort.learning import Learning
from neurotarget.stats.study.analysis import analyse
from oracles.arms import dice_of

BAD = Learning("not learnt", ("The mean Dice is 0.",), ("Few steps.",))


@pytest.fixture(scope="module")
def failed(study):
    """The study with a Dice of 0.04 in every mask of the network."""
    rows = study.measured.scores.copy()
    rows.loc[rows["metric"] == "dice", "value"] = 0.04
    return analyse(replace(study.measured, scores=rows))


def test_what_is_wrong_is_stated_in_capitals_with_its_reasons():
    assert banner_text(banner(BAD)).splitlines() == [
        "NOT LEARNT: no conclusion can be drawn from this network",
        "  The mean Dice is 0.",
        "  Few steps.",
    ]
    assert banner_text(banner(BAD._replace(verdict="doubtful"))).startswith("DOUBTFUL: it is un")
    good = banner(BAD._replace(verdict="learnt"))
    assert (good.head, good.lines) == ("WARNING: the training was cut short", ("Few steps.",))


@pytest.mark.parametrize("learning", [None, Learning("learnt", ("x",)), Learning("not known", ())])
def test_a_network_that_has_learnt_has_no_banner(learning):
    assert banner(learning) is None
    assert banner_text(None) == ""


def test_a_study_of_failed_masks_says_that_they_cannot_answer(failed):
    for card in cards(failed):
        assert card.results[1].verdict == "no conclusion"
        assert card.results[1].estimate == "Not estimable"
        assert card.results[1].icon == "open"
        kind, sentence = card.conclusions[0]
        assert kind == "open"
        assert sentence.startswith("The network’s masks cannot answer: it has not learnt, and")
    text = " ".join(headlines(failed))
    assert "allow a conclusion" not in text
    assert "no conclusion on the predicted volumes: the network’s masks cannot answer" in text
    assert "and the predicted volumes allow no conclusion;" in answer(failed)
    page = page_html(failed, [], [], title="t")
    assert page.index("NOT LEARNT: no conclusion") < page.index('id="verdicts"')
    assert "Failure: failed" in page
    assert "A mask failed: no mask, an empty one where the reference is not empty" in page


def test_failed_masks_never_allow_what_the_reference_does_not():
    open_, none = {"verdict": "inconclusive", "method": "reference", "reason": ""}, {
        "verdict": "no conclusion", "method": "predicted", "reason": "the masks cannot answer"
    }  # fmt: skip
    for first in (open_, {**open_, "verdict": "shown"}):
        found = comparison_sentence(first, none, None)
        assert found == ("undecided", "The masks cannot answer.")


def test_a_comparison_has_a_banner_of_its_arms():
    good, bad = [0.8, 0.81, 0.82, 0.83], [0.01] * 4
    some = arms_banner(compare(dice_of({"a": good, "b": bad})))
    assert some.head.startswith("NOT LEARNT: some arms have no rank")
    assert some.lines[0].startswith("b: not learnt: The mean Dice of 4 held-out masks is 0.010.")
    assert arms_banner(compare(dice_of({"a": bad, "b": bad}))).head.startswith("NOT LEARNT: no net")
    doubtful = arms_banner(compare(dice_of({"a": good, "b": [0.2] * 4})))
    assert (doubtful.kind, doubtful.head[:9]) == ("open", "DOUBTFUL:")
    assert arms_banner(compare(dice_of({"a": good, "b": good}))) is None
