from dataclasses import replace

import numpy as np
import pytest

from neurotarget.report.sections.cards import cards


@pytest.fixture(scope="module")
def found(analysed):
    return analysed


def changed(study, name, **values):
    """The study with other values in a column of one table."""
    return replace(study, tables={**study.tables, name: study.tables[name].assign(**values)})


def test_each_hypothesis_has_a_card_with_an_answer_by_each_method(found):
    sex, age = cards(found)
    assert (sex.title, age.title) == ("Sex difference", "Age slope")
    assert [result.values for result in sex.results] == ["reference volumes", "predicted volumes"]
    assert [result.unit for result in age.results] == ["mm³ per year"] * 2
    assert sex.published == "+70 mm³"
    assert age.published == ""


def test_a_card_names_the_person_on_whom_an_effect_hangs(found):
    rows = found.tables["influence"].assign(
        changes="verdict", case_id="p07", verdict="shown", verdict_without="inconclusive"
    )
    facts = cards(replace(found, tables={**found.tables, "influence": rows}))[0].results[0].facts
    assert facts[-1].startswith("without case p07 it is ")
    assert "inconclusive instead of shown; a robust estimate (Huber) is " in facts[-1]
    calm = replace(found, tables={**found.tables, "influence": rows.assign(changes="")})
    assert not any("without case" in fact for fact in cards(calm)[0].results[0].facts)


def test_a_remark_of_both_methods_stands_once(found):
    remarks = ["the sign depends on head size", "the sign depends on head size; 3 masks failed"] * 2
    card = cards(changed(found, "effects", remark=remarks))[0]
    assert card.remarks[:2] == ("The sign depends on head size.", "3 masks failed.")
    assert sum("sign depends" in remark for remark in card.remarks) == 1


def test_a_verdict_has_an_icon_beside_its_colour(found):
    verdicts = ["shown", "inconclusive"] * 2
    icons = [[one.icon for one in card.results]
             for card in cards(changed(found, "effects", verdict=verdicts))]  # fmt: skip
    assert icons == [["yes", "open"]] * 2
    opposite = changed(found, "effects", verdict="opposite", reason="")
    assert cards(opposite)[0].results[0].icon == "no"


def test_places_on_the_strip_keep_their_proportions(found):
    given = {"estimate": 50.0, "low": 0.0, "high": 100.0, "expected": 25.0}
    strip = cards(changed(found, "effects", **given))[0].strip
    for mark in strip.marks:
        assert mark.low == strip.zero == 6.0
        assert mark.high == 94.0
        assert mark.at == 50.0
    assert strip.published == 28.0
    assert [text for _, text in strip.ticks] == ["0", "25", "50", "75", "100"]


def test_a_strip_holds_zero_and_the_published_effect(found):
    given = {"estimate": 5.0, "low": 4.0, "high": 6.0, "expected": -20.0}
    strip = cards(changed(found, "effects", **given))[0].strip
    assert strip.published == 6.0 < strip.zero < strip.marks[0].low


def test_what_cannot_be_estimated_has_a_reason_and_no_strip(found):
    columns = ("estimate", "low", "high", "p", "size", "power", "expected")
    card = cards(
        changed(found, "effects", **dict.fromkeys(columns, np.nan), reason="one sex only")
    )[0]
    assert card.strip is None
    assert card.results[0].estimate == "Not estimable"
    assert card.results[0].reason == "One sex only."
    assert card.results[0].facts == ("24 people",)


def test_what_two_methods_find_is_compared_by_the_difference(found):
    def concluded(**values):
        return cards(changed(found, "effect_differences", **values))[0].conclusions

    apart = {"difference": 8.0, "low": 3.0, "high": 13.0, "matters": 23.0}
    assert concluded(**apart, finding="different") == (
        (
            "other",
            "The network measures another effect than the reference, by +8.0 [3.0, 13.0] mm³.",
        ),
    )
    assert concluded(**apart, finding="equivalent")[0][0] == "same"
    assert (
        "lies within the smallest effect of interest (23 mm³)"
        in (concluded(**apart, finding="equivalent")[0][1])
    )
    assert concluded(difference=np.nan, reason="2 people") == (
        ("open", "The two effects cannot be compared: 2 people."),
    )


def test_one_method_has_no_conclusion(analysed_alone):
    card = cards(analysed_alone)[0]
    assert card.conclusions == ()
    assert len(card.results) == 1


def test_a_study_without_effects_has_no_card(study):
    assert cards(replace(study, tables={})) == []
