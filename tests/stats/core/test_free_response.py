import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.core.free_response import free_response, response, sensitivity_at
from neurotarget.stats.tables.findings import (
    FilmMarks,
    free_response_curve,
    free_response_table,
)


def marks(lines, findings, subject=None):
    """Marks of lines (probability, finding, case) of cases with so many findings."""
    probability, finding, case = map(np.array, zip(*lines, strict=True))
    subject = np.arange(len(findings)) if subject is None else np.array(subject)
    return response(probability, finding, case, np.array(findings), subject)


LINES = [(0.6, 2, 0), (0.9, 1, 0), (0.8, 0, 0), (0.7, 1, 0), (0.6, 0, 1), (0.5, 0, 1)]


def test_the_curve_counts_each_finding_once_and_false_marks_of_all_cases():
    curve = free_response(marks(LINES, [2, 0]))
    assert curve.threshold.tolist() == [np.inf, 0.9, 0.8, 0.7, 0.6, 0.5]
    assert curve.sensitivity.tolist() == [0, 0.5, 0.5, 0.5, 1, 1]
    assert curve.false_per_case.tolist() == [0, 0, 0.5, 0.5, 1, 1.5]


@pytest.mark.parametrize(
    ("rate", "expected"), [(0.0, 0.5), (0.49, 0.5), (0.5, 0.5), (1.0, 1.0), (9.0, 1.0)]
)
def test_sensitivity_is_that_of_the_lowest_threshold_with_so_many_false_marks(rate, expected):
    found = sensitivity_at(np.ones((1, 2)), marks(LINES, [2, 0]), rate)
    assert found.tolist() == [expected]


def test_a_false_mark_above_all_others_leaves_nothing_found_at_a_low_rate():
    found = sensitivity_at(np.ones((1, 2)), marks([(0.9, 0, 1), (0.8, 1, 0)], [1, 0]), 0.25)
    assert found.tolist() == [0]


def test_weights_repeat_the_cases_of_people():
    random = np.random.default_rng(0)
    findings, subject = random.integers(0, 3, 12), np.repeat(np.arange(6), 2)
    case = random.integers(0, 12, 40)
    finding = np.minimum(random.integers(0, 3, 40), findings[case])
    p = random.random(40).round(1)  # with ties
    own = response(p, finding, case, findings, subject)
    weights = random.multinomial(6, [1 / 6] * 6, 20).astype(float)
    for row, found in zip(weights, sensitivity_at(weights, own, 0.7), strict=True):
        cases = [one for one in range(12) for _ in range(int(row[subject[one]]))]
        lines = [
            (p[mark], finding[mark], number)
            for number, one in enumerate(cases)
            for mark in np.flatnonzero(case == one)
        ]
        if not findings[cases].sum():
            assert np.isnan(found)
            continue
        curve = free_response(marks(lines, findings[cases]))
        assert found == pytest.approx(curve.sensitivity[curve.false_per_case <= 0.7 + 1e-9].max())


def test_people_without_findings_have_no_sensitivity():
    found = sensitivity_at(np.array([[0.0, 2.0]]), marks(LINES, [2, 0]), 1.0)
    assert np.isnan(found).all()
    with pytest.raises(ValueError, match="found no finding"):
        free_response(marks([(0.5, 0, 0)], [0]))


def film_marks(n=40, seed=0):
    """Films with one finding, found in 7 of 10, and 0.5 false marks on average."""
    random = np.random.default_rng(seed)
    films = pd.DataFrame(
        {"case_id": [f"c{i}" for i in range(n)], "subject": [f"s{i}" for i in range(n)]}
    ).assign(findings=1)
    lines = [(f"c{i}", 0.5 + 0.5 * random.random(), 1) for i in range(n) if random.random() < 0.7]
    lines += [(f"c{i}", 0.6 * random.random(), 0) for i in range(0, n, 2)]
    return FilmMarks(films, pd.DataFrame(lines, columns=["case_id", "probability", "finding"]), 2)


def test_the_table_has_intervals_over_people_that_hold_the_value():
    table = free_response_table(film_marks(), "air").set_index("false_per_film")
    assert (table["low"] < table["value"]).all()
    assert (table["value"] < table["high"]).all()
    assert table["value"].is_monotonic_increasing
    assert table[["n", "n_findings", "n_subjects", "n_missing"]].iloc[0].tolist() == [40, 40, 40, 2]
    curve = free_response_curve(film_marks(), "air")
    assert curve["sensitivity"].iloc[-1] == table.loc[4.0, "value"]
    assert curve["false_per_film"].iloc[-1] == 0.5


def test_few_people_have_no_interval_and_films_without_marks_count():
    films = pd.DataFrame({"case_id": ["a", "b"], "subject": ["a", "b"], "findings": [1, 1]})
    none = pd.DataFrame(columns=["case_id", "probability", "finding"])
    table = free_response_table(FilmMarks(films, none), "air")
    assert table["value"].tolist() == [0.0] * len(table)
    assert table["reason"].str.contains("fewer than 10 people").all()
