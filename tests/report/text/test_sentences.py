import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.hypothesis import Hypothesis
from neurotarget.number_text import digits_for, number, unit_text
from neurotarget.report.sections.key_numbers import key_numbers
from neurotarget.report.text.claims import claim_sentence
from neurotarget.report.text.numbers import estimate
from neurotarget.report.text.sentences import (
    answer,
    cohort,
    comparison_sentence,
    failed_is,
    headlines,
    not_estimated,
    rating,
    title_of,
    verdict_sentence,
)
from neurotarget.stats.study.analysis import analyse
from neurotarget.types import Target

ROW = {
    "method": "reference",
    "verdict": "shown",
    "estimate": 132.4,
    "low": 58.2,
    "high": 206.6,
    "unit": "mm3",
    "reason": "",
}
APART = {
    "difference": -6.0,
    "low": -15.0,
    "high": 3.0,
    "matters": 23.0,
    "unit": "mm3",
    "finding": "equivalent",
    "reason": "",
}


def row(method="predicted", **changes):
    return {**ROW, "method": method, **changes}


def a_target(*labels):
    names = labels or ("pituitary",)
    return Target(
        name="gland",
        contrasts=("t1",),
        labels={name: number for number, name in enumerate(names, start=1)},
        spacing_mm=(1, 1, 1),
        patch_vox=(8, 8, 8),
    )


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ("volume: F > M", "is larger in women than in men."),
        (
            "volume ~ group + age: patient < control",
            "is smaller in the group “patient” than in the group “control”, adjusted for age.",
        ),
        ("volume: F != M", "differs between women and men."),
        (
            "volume ~ age + sex + tiv: negative",
            "shrinks with age, adjusted for sex and TIV.",
        ),
        (
            "volume ~ age + eTIV: any",
            "changes with age, adjusted for eTIV.",
        ),
        ("volume ~ age: positive", "grows with age."),
        ("volume ~ bmi: any", "changes with bmi."),
        (
            "volume ~ sex + spline(age): F > M",
            "is larger in women than in men, adjusted for age (as a curve).",
        ),
        (
            "volume ~ age*sex: any",
            "changes with age in a way that depends on sex.",
        ),
        (
            "volume ~ age*dose: negative",
            "has a slope over age that falls with dose.",
        ),
        (
            "volume ~ age*sex: positive",
            "rises more, or falls less, with age in men than in women.",
        ),
        (
            "volume ~ sex*dose: negative",
            "rises less, or falls more, with dose in men than in women.",
        ),
    ],
)
def test_claims_are_sentences(claim, sentence):
    found = claim_sentence(Hypothesis.parse("x", claim), a_target())
    assert found == f"Hypothesis: the pituitary volume {sentence}"


def test_a_claim_on_a_table_names_no_file():
    target = replace(a_target("left", "right"), name="groups120", contrasts=("table",))
    sentence = claim_sentence(Hypothesis.parse("x", "volume: F > M"), target)
    assert sentence == "Hypothesis: the total volume is larger in women than in men."


def test_a_claim_without_label_is_of_the_total_of_several():
    hypothesis = Hypothesis.parse("x", "volume: F > M")
    sentence = claim_sentence(hypothesis, a_target("left", "right_part"))
    assert sentence == "Hypothesis: the total gland volume is larger in women than in men."
    of_one = replace(hypothesis, label="right_part")
    assert claim_sentence(of_one, a_target("left", "right_part")).startswith(
        "Hypothesis: the right part volume"
    )


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (-12.34, None, "−12.3"),
        (0.5, 2, "0.50"),
        (-0.001, 2, "0.00"),
        (12345.6, 0, "12\u202f346"),
        (math.nan, None, "–"),
        (None, None, "–"),
        (math.inf, 1, "–"),
    ],
)
def test_numbers_are_written_for_people(value, digits, text):
    assert number(value, digits) == text


def test_a_sign_is_shown_where_asked():
    assert number(12345, 0, sign=True) == "+12\u202f345"
    assert number(0.0, 1, sign=True) == "0.0"


def test_an_interval_has_the_decimals_of_its_largest_number():
    assert estimate(ROW, "estimate", sign=True) == "+132 [58, 207]"
    assert estimate({"value": -0.31, "low": -1.2, "high": 0.6}, "value") == "−0.31 [−1.20, 0.60]"
    assert estimate({"value": 3.0, "low": math.nan, "high": math.nan}, "value") == "3.00"
    assert estimate({"value": math.nan}, "value") == "–"
    assert [digits_for(100), digits_for(-12, 3), digits_for(1), digits_for(0.2), digits_for()] == [
        0, 1, 2, 3, 0
    ]  # fmt: skip


def test_a_small_slope_is_not_written_as_nothing():
    tiny = {"value": 2.2e-5, "low": -1e-6, "high": 4.5e-5}
    assert estimate(tiny, "value", sign=True) == "+0.000022 [−0.000001, 0.000045]"
    assert number(-0.0042) == "−0.0042"
    assert [number(-1e-17, 3), number(-0.04, 1, sign=True)] == ["0.000", "0.0"]
    assert [number(value) for value in (0, 0.25, math.nan)] == ["0", "0.250", "–"]


def test_units_and_names_are_words():
    assert unit_text("mm3/year") == "mm³ per year"
    assert title_of("sex_difference") == "Sex difference"


def test_a_verdict_stands_with_its_effect_or_the_reason():
    text = "shown on the reference volumes, +132 [58, 207] mm³"
    assert verdict_sentence(ROW, "volumes") == text
    lost = row("rater A", estimate=math.nan, verdict="inconclusive", reason="one sex")
    assert verdict_sentence(lost, "volumes") == "inconclusive on the volumes by rater A: one sex"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {},
            "The network measures the same effect as the reference: the difference, "
            "−6.0 [−15.0, 3.0] mm³, lies within the smallest effect of interest (23 mm³).",
        ),
        (
            {"finding": "different by less than matters", "high": -1.0},
            "The network measures another effect than the reference, by −6.0 [−15.0, −1.0] mm³: "
            "less than the smallest effect of interest (23 mm³).",
        ),
        (
            {"finding": "different", "low": -45.0, "high": -1.0, "difference": -20.0},
            "The network measures another effect than the reference, by −20.0 [−45.0, −1.0] mm³.",
        ),
        (
            {"finding": "undecided", "low": -45.0, "high": 33.0},
            "Whether the network measures the same effect as the reference is undecided: the "
            "interval of the difference, −6.0 [−45.0, 33.0] mm³, reaches beyond the smallest "
            "effect of interest (23 mm³).",
        ),
        (
            {"finding": "undecided", "matters": math.nan},
            "Whether the network measures the same effect as the reference is undecided: the "
            "difference is −6.0 [−15.0, 3.0] mm³, and no smallest effect of interest (matters) is "
            "stated.",
        ),
        (
            {"difference": math.nan, "reason": "one sex"},
            "The two effects cannot be compared: one sex.",
        ),
    ],
)
def test_two_effects_are_compared_by_their_difference(changes, text):
    finding, sentence = comparison_sentence(ROW, row(), APART | changes)
    assert sentence == text
    assert finding == ("undecided" if "reason" in changes else {**APART, **changes}["finding"])


def test_methods_are_named_where_they_are_neither_network_nor_reference():
    _, sentence = comparison_sentence(row("A"), row("B"), APART)
    assert sentence.startswith("The method B measures the same effect as A: the difference, ")


def test_ratings_follow_the_interval():
    assert rating(0.91, 0.97) == "excellent"
    assert rating(0.4, 0.8) == "poor to good"
    assert rating(0.5, 0.74) == "moderate"
    assert rating(math.nan, 0.9) == ""


def with_findings(study, *findings):
    rows = [
        APART | {"hypothesis": name, "first": "reference", "second": "predicted"}
        | {"model": "declared", "finding": finding}
        for name, finding in zip(("sex_difference", "age_slope"), findings, strict=True)
    ]  # fmt: skip
    return replace(study, tables={**study.tables, "effect_differences": pd.DataFrame(rows)})


def test_the_answer_counts_what_each_method_shows_and_where_they_differ(study):
    assert answer(with_findings(study, "equivalent", "different")) == (
        "The reference volumes show 1 of 2 expected effects (1 inconclusive) and the predicted "
        "volumes 1 (1 inconclusive); in 2 comparisons of reference and predicted the effect is the "
        "same in 1 and different in 1."
    )
    assert answer(with_findings(study, "undecided", "undecided")).endswith(
        "; in 2 comparisons of reference and predicted the effect is undecided in 2."
    )


def test_one_method_has_an_answer_of_its_own(alone):
    assert answer(alone) == "The reference volumes show 1 of 2 expected effects (1 inconclusive)."


@pytest.mark.parametrize(
    ("verdicts", "text"),
    [
        (["inconclusive"], "do not show the expected effect (inconclusive)."),
        (["opposite"], "do not show the expected effect (opposite)."),
        (["shown"], "show the expected effect."),
        (["shown, smaller than published"], "show the expected effect (smaller than published)."),
        (["inconclusive"] * 2, "show none of 2 expected effects (2 inconclusive)."),
        (["shown", "absent"], "show 1 of 2 expected effects (1 absent)."),
    ],
)
def test_the_answer_names_what_is_found_where_an_effect_is_not_shown(alone, verdicts, text):
    rows = alone.tables["effects"].iloc[: len(verdicts)].assign(verdict=verdicts)
    found = replace(alone, tables={**alone.tables, "effects": rows})
    assert answer(found) == f"The reference volumes {text}"


def test_a_study_without_hypotheses_has_no_answer(make_study):
    assert answer(make_study(without=["effects"])) == ""


def test_the_cohort_is_reported_in_numbers(study, with_covariates):
    assert cohort(study) == "24 cases from 3 sites. Volumes: reference and predicted."
    people = ["a"] * 2 + [f"s{number}" for number in range(22)]
    doubled = with_covariates(study, subject_id=people, site=None)
    assert cohort(doubled) == "24 cases of 23 people. Volumes: reference and predicted."


def test_headlines_tell_verdicts_agreement_and_failures(analysed):
    lines = headlines(analysed)
    assert lines[0].startswith(
        "Hypothesis: the total gland volume is larger in women than in men. "
    )
    assert "on the reference volumes" in lines[0]
    assert "on the predicted volumes" in lines[0]
    assert any(line.startswith("Volumes of total, predicted against reference:") for line in lines)
    (failed,) = (line for line in lines if line.startswith("Failed cases of predicted: "))
    assert "2 of 24, 8.3 [2.3, 25.8] % (no mask, an empty one" in failed  # Wilson


def test_headlines_of_an_empty_study_are_none(study):
    assert headlines(replace(study, tables={})) == []
    nothing = {name: table.iloc[:0] for name, table in study.tables.items()}
    assert headlines(replace(study, tables=nothing)) == []


def test_what_was_not_estimated_is_counted_by_reason():
    table = pd.DataFrame(
        {"value": [1.0, np.nan, np.nan, np.nan], "reason": ["fine", "one sex", "one sex", ""]}
    )
    assert not_estimated(table, "value") == {"one sex": 2, "no reason given": 1}
    assert not_estimated(table, "mean") == {}


def test_a_table_of_volumes_has_no_masks_that_fail(study, analysed):
    assert failed_is(study, "predicted").endswith("or a Dice below 0.1")
    assert failed_is(analysed, "predicted").endswith("or a Dice below 0.1")
    bare = replace(study.measured, scores=study.measured.scores.iloc[:0])
    table = analyse(bare)
    assert failed_is(table, "predicted") == "no volume, or one of 0 where the reference is not 0"
    assert headlines(table)[-1].endswith("(no volume, or one of 0 where the reference is not 0).")
    (found,) = key_numbers(table)
    assert "Dice" not in found.columns
