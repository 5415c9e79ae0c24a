"""One way to spell categories and columns of covariates."""

import pytest

from neurotarget.levels import (
    code_book,
    codes_of,
    level,
    level_key,
    one_spelling,
    spelt_as,
    usual_columns,
)


@pytest.mark.parametrize("text", ["F", "f", "female", "Female", "woman", "Women", "FEMALES"])
def test_a_sex_is_one_however_it_is_written(text):
    assert level(text, "Gender") == "F"
    assert level_key(text, "sex") == level_key("F", "sex") != level_key("men", "sex")


@pytest.mark.parametrize("text", ["HC", "controls", "Healthy control", "healthy_controls", "CN"])
def test_controls_are_one_group_in_a_column_of_groups_alone(text):
    assert level_key(text, "diagnosis") == level_key("control", "dx")
    assert level_key(text, "site") == text.casefold()


def test_a_category_takes_the_spelling_that_is_wanted_else_the_first():
    spelt = one_spelling(["Patients", "HC", "patient", "control", "MCI"], "group", ["patient"])
    assert spelt == {
        "Patients": "patient",
        "HC": "HC",
        "patient": "patient",
        "control": "HC",
        "MCI": "MCI",
    }
    assert one_spelling(["woman", "m"], "sex") == {"woman": "F", "m": "M"}


def test_columns_of_other_usual_names_are_found():
    columns = ["Gender", "Age at scan", "dx", "eTIV", "center"]
    renamed, several = usual_columns(columns)
    assert renamed == {"Gender": "sex", "Age at scan": "age", "dx": "group", "center": "site"}
    assert several == {}
    assert usual_columns(["dx", "age_years"], ["dx"])[0] == {"age_years": "age"}
    assert usual_columns(["Diagnosis"], ["group"])[0] == {"Diagnosis": "group"}


def test_of_two_columns_that_may_be_meant_neither_is_taken():
    renamed, several = usual_columns(["dx", "diagnosis", "age"])
    assert renamed == {}
    assert several == {"group": ["dx", "diagnosis"]}
    assert spelt_as("group", ["dx", "diagnosis"]) == "group"
    assert spelt_as("Dx", ["age", "group"]) == "group"


def test_a_code_book_is_read_from_the_command_line():
    book = code_book("sex: 0=M, 1=F; dx: 1=patient,2=control")
    assert book == {"sex": {"0": "M", "1": "F"}, "dx": {"1": "patient", "2": "control"}}
    assert codes_of("Gender", book) == {"0": "M", "1": "F"}
    assert codes_of("site", book) == {}


@pytest.mark.parametrize("text", ["sex", "sex: 0", "sex: 0=M, 0=F", "sex: =F", ": 0=M"])
def test_what_is_no_code_book_is_refused(text):
    with pytest.raises(ValueError, match="wanted a column with its codes: sex: 0=M, 1=F"):
        code_book(text)
