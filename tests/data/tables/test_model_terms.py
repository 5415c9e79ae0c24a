import numpy as np
import pytest

from neurotarget.data.tables.model_terms import design, missing_terms, parse_terms
from neurotarget.problems import DataError

ROWS = [
    {"age": "60", "Gender": "M", "eor": "GTR", "x": "3", "y": "4"},
    {"age": "50", "Gender": "female", "eor": "STR", "x": "0", "y": "1"},
    {"age": "n/a", "Gender": "male", "eor": "", "x": "0", "y": "0"},
]


def values(*texts, rows=ROWS, renamed=()):
    made = design(parse_terms(texts, ROWS, "t.csv"), rows, dict(renamed), "t.csv")
    return made.names, made.values.T.tolist()


def test_terms_are_numbers_categories_values_and_lengths():
    names, (age, sex, resection, distance) = values("age", "Gender", "eor=GTR", "far: norm(x+y)")
    assert names == ["age", "Gender=F", "eor=GTR", "far"]
    assert age[:2] == [60, 50]
    assert np.isnan(age[2])
    assert (sex, resection, distance) == ([0, 1, 0], [1, 0, 0], [5, 1, 0])


def test_people_without_a_term_are_named_and_other_empty_cells_counted():
    made = design(parse_terms(["age", "eor=GTR"], ROWS, "t.csv"), ROWS, {}, "t.csv")
    assert missing_terms(made, ["a", "b", "c"]) == {"c": "no age"}
    assert made.filled == {"eor=GTR": 1}


def test_another_table_may_name_its_columns_otherwise():
    others = [{"years": "70", "gtr": "Y"}, {"years": "71", "gtr": "N"}]
    renamed = {"age": "years", "eor=GTR": "gtr=Y"}
    assert values("age", "eor=GTR", rows=others, renamed=renamed)[1] == [[70, 71], [1, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ages", "no column ages, wanted terms of the model among the columns; did you mean age"),
        ("eor=partial", "nobody with eor=partial, wanted a value of the column; eor has GTR, STR"),
        ("norm(x+z)", "no column z"),
    ],
)
def test_an_unknown_term_is_one_sentence(text, message):
    with pytest.raises(DataError, match=message):
        values(text)


def test_many_texts_are_no_category():
    rows = [{"name": f"person {number}"} for number in range(20)]
    with pytest.raises(DataError, match="20 different texts in name, wanted numbers, or 2 to 12"):
        parse_terms(["name"], rows, "t.csv")
