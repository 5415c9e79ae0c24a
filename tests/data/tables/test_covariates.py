from pathlib import Path

import pytest

from neurotarget.data.tables.covariates import type_covariates
from neurotarget.data.tables.participants import add_participants
from neurotarget.types import Case


def typed(*texts):
    rows = [{"x": text} for text in texts]
    values, problems = type_covariates(rows, ["c"] * len(rows), target=None, file=Path("t.tsv"))
    return [value["x"] for value in values], len(problems)


@pytest.mark.parametrize("text", ["", "n/a", "NA", "NaN", "None", "null"])
def test_missing_values_are_none(text):
    assert typed("1", text) == ([1.0, None], 0)


def test_half_numbers_are_words_and_more_are_numbers():
    assert typed("1", "a") == (["1", "a"], 0)
    assert typed("1", "2", "a") == ([1.0, 2.0, None], 1)


@pytest.mark.parametrize("text", ["89+", ">89", "≥ 89", ">=89", "89 or older", "<89"])
def test_a_limit_is_its_number_with_a_warning(text):
    assert typed("1", text) == ([1.0, 89.0], 1)


def test_bands_of_ages_stay_words():
    assert typed("60+", "60+", "18-59") == (["60+", "60+", "18-59"], 0)


def test_infinity_is_not_a_number():
    assert typed("1", "2", "inf") == ([1.0, 2.0, None], 1)


def test_participants_of_another_data_set_are_a_warning(tmp_path):
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nx1\t30\n")
    cases, problems = add_participants([Case("c1", "c1", {})], tmp_path, None)
    assert cases[0].covariates == {}
    assert "no id of a case (but x1)" in str(problems[0])
