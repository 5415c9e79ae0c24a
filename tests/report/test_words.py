import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.hypothesis import Hypothesis
from neurotarget.report.text import number
from neurotarget.report.words import (
    answer,
    claim_sentence,
    cohort,
    conclusion,
    digits_for,
    estimate,
    headlines,
    not_estimated,
    rating,
    same_conclusion,
    shown,
    title_of,
    unit_words,
    verdict_sentence,
)
from neurotarget.stats.analysis import analyse
from neurotarget.types import Target

ROW = {
    "method": "reference",
    "verdict": "replicated",
    "estimate": 132.4,
    "low": 58.2,
    "high": 206.6,
    "unit": "mm3",
    "reason": "",
}
NOTHING = {"verdict": "not replicated", "reason": ""}
OPPOSITE = {"verdict": "not replicated", "reason": "the opposite is found"}
TOO_FEW = {"verdict": "not enough data", "reason": "2 subjects, wanted more"}


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
        ("volume: F > M", "The pituitary volume is larger in women than in men."),
        (
            "volume ~ group + age: patient < control",
            "The pituitary volume is smaller in the group “patient” than in the group “control”, "
            "at equal age.",
        ),
        ("volume: F != M", "The pituitary volume differs between women and men."),
        (
            "volume ~ age + sex + tiv: negative",
            "The pituitary volume shrinks with age, at equal sex and TIV.",
        ),
        ("volume ~ age + eTIV: any", "The pituitary volume changes with age, at equal eTIV."),
        ("volume ~ age: positive", "The pituitary volume grows with age."),
        ("volume ~ bmi: any", "The pituitary volume changes with bmi."),
        (
            "volume ~ sex + spline(age): F > M",
            "The pituitary volume is larger in women than in men, at equal age (as a curve).",
        ),
        (
            "volume ~ age*sex: any",
            "The pituitary volume changes with age in a way that depends on sex.",
        ),
        (
            "volume ~ age*dose: negative",
            "The pituitary volume has a slope over age that falls with dose.",
        ),
        (
            "volume ~ age*sex: positive",
            "The pituitary volume rises more, or falls less, with age in men than in women.",
        ),
        (
            "volume ~ sex*dose: negative",
            "The pituitary volume rises less, or falls more, with dose in men than in women.",
        ),
    ],
)
def test_claims_are_sentences(claim, sentence):
    assert claim_sentence(Hypothesis.parse("x", claim), a_target()) == sentence


def test_a_claim_without_label_is_of_the_total_of_several():
    asked = Hypothesis.parse("x", "volume: F > M")
    sentence = claim_sentence(asked, a_target("left", "right_part"))
    assert sentence == "The total gland volume is larger in women than in men."
    of_one = replace(asked, label="right_part")
    assert claim_sentence(of_one, a_target("left", "right_part")).startswith(
        "The right part volume"
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
    assert shown(value, digits) == text


def test_a_sign_is_shown_where_asked():
    assert shown(12345, 0, sign=True) == "+12\u202f345"
    assert shown(0.0, 1, sign=True) == "0.0"


def test_an_interval_has_the_decimals_of_its_largest_number():
    assert estimate(ROW, "estimate", sign=True) == "+132 [58, 207]"
    assert estimate({"value": -0.31, "low": -1.2, "high": 0.6}, "value") == "−0.31 [−1.20, 0.60]"
    assert estimate({"value": 3.0, "low": math.nan, "high": math.nan}, "value") == "3.00"
    assert estimate({"value": math.nan}, "value") == "–"
    assert [digits_for(100), digits_for(-12, 3), digits_for(1), digits_for(0.2), digits_for()] == [
        0, 1, 2, 3, 3
    ]  # fmt: skip


def test_a_small_slope_is_not_written_as_nothing():
    tiny = {"value": 2.2e-5, "low": -1e-6, "high": 4.5e-5}
    assert estimate(tiny, "value", sign=True) == "+0.000022 [−0.000001, 0.000045]"
    assert number(-0.0042) == "-0.0042"
    assert [number(-1e-17, 3), number(-0.04, 1, sign=True)] == ["0.000", "0.0"]
    assert [number(value) for value in (0, 0.25, math.nan)] == ["0.00", "0.25", "nan"]


def test_units_and_names_are_words():
    assert unit_words("mm3/year") == "mm³ per year"
    assert title_of("sex_difference") == "Sex difference"


def test_a_verdict_stands_with_its_effect_or_the_reason():
    text = "replicated on the reference volumes, +132 [58, 207] mm³"
    assert verdict_sentence(ROW) == text
    lost = row("rater A", estimate=math.nan, verdict="not enough data", reason="one sex")
    assert verdict_sentence(lost) == "not enough data on the volumes by rater A: one sex"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (ROW, row(), True),
        (NOTHING, NOTHING, True),
        (NOTHING, OPPOSITE, False),
        (OPPOSITE, OPPOSITE, True),
        (ROW, NOTHING, False),
        (ROW, TOO_FEW, False),
        (TOO_FEW, TOO_FEW, None),
        (ROW, row(estimate=-132.0, low=-207.0, high=-58.0), False),
    ],
)
def test_conclusions_are_compared_by_what_was_found(first, second, same):
    assert same_conclusion(first, second) is same


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (ROW, row(), "The network’s volumes lead to the same conclusion."),
        (
            ROW,
            row(**NOTHING),
            "The network’s volumes lead to another conclusion: “not replicated” instead of "
            "“replicated”.",
        ),
        (
            ROW,
            row(**TOO_FEW),
            "The network’s volumes do not allow a conclusion; the reference volumes do.",
        ),
        (
            ROW,
            row(estimate=-132.0, low=-207.0, high=-58.0),
            "The network’s volumes lead to another conclusion: an effect of the opposite "
            "direction.",
        ),
        (
            row("reference", **TOO_FEW),
            row(),
            "The network’s volumes allow a conclusion; the reference volumes do not.",
        ),
        (row("A"), row("B"), "The volumes by B lead to the same conclusion as those by A."),
        (
            row(**TOO_FEW),
            row(**TOO_FEW),
            "Neither set of volumes has enough data for a verdict.",
        ),
    ],
)
def test_a_conclusion_is_a_sentence(first, second, text):
    assert conclusion(first, second) == text


def test_ratings_follow_the_interval():
    assert rating(0.91, 0.97) == "excellent"
    assert rating(0.4, 0.8) == "poor to good"
    assert rating(0.5, 0.74) == "moderate"
    assert rating(math.nan, 0.9) == ""


def test_the_answer_counts_what_each_method_replicates(study):
    assert answer(study) == (
        "The reference volumes replicate 1 of 2 hypotheses and the predicted volumes 1 of 2; "
        "both lead to the same conclusion in 2 of 2."
    )


def test_what_allows_no_conclusion_is_no_agreement(study):
    effects = study.tables["effects"]
    is_slope = effects["hypothesis"] == "age_slope"
    open_one = effects.assign(verdict=effects["verdict"].mask(is_slope, "not enough data"))
    told = answer(replace(study, tables={**study.tables, "effects": open_one}))
    assert told.endswith("; both lead to the same conclusion in 1 of 1 that allow one.")
    neither = effects.assign(verdict="not enough data")
    told = answer(replace(study, tables={**study.tables, "effects": neither}))
    assert "conclusion" not in told


def test_one_method_has_an_answer_of_its_own(alone):
    assert answer(alone) == "The reference volumes replicate 1 of 2 hypotheses."


def test_a_study_without_hypotheses_has_no_answer(make_study):
    assert answer(make_study(without=["effects"])) == ""


def test_the_cohort_is_told_in_numbers(study, with_covariates):
    assert cohort(study) == "24 cases from 3 sites. Volumes: reference and predicted."
    people = ["a"] * 2 + [f"s{number}" for number in range(22)]
    doubled = with_covariates(study, subject_id=people, site=None)
    assert cohort(doubled) == "24 cases of 23 people. Volumes: reference and predicted."


def test_headlines_tell_verdicts_agreement_and_failures(study):
    real = analyse(study.measured)
    lines = headlines(real)
    assert lines[0].startswith("The total gland volume is larger in women than in men. ")
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
