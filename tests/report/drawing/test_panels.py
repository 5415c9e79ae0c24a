from dataclasses import replace

import numpy as np
import pytest

from neurotarget.report.drawing.panels import (
    EVERYBODY,
    SEXES,
    by_sex,
    case_urls,
    jitter,
    method_mark,
    panel_labels,
    points,
    scale,
    sex_mark,
    sex_name,
    spread_apart,
)
from neurotarget.report.text.sentences import rows_of


def test_points_are_cases_with_a_volume_by_all_methods(study):
    found = points(study, "anterior", ("reference", "predicted"))
    assert len(found) == 22  # one mask is lost, and one failed
    assert "p05" not in found.index
    assert len(points(study, "anterior", ("reference",))) == 24
    assert points(study, "nothing", ("reference",)).empty


def test_sexes_are_told_apart_by_shape_and_line_as_well(study):
    marks = [mark for _, mark, _ in by_sex(points(study, "total", ("reference",)))]
    assert len(marks) == 2
    for what in ("colour", "marker", "line"):
        assert len({getattr(mark, what) for mark in marks}) == 2


def test_methods_are_told_apart_by_shape_and_line_as_well(study):
    marks = [method_mark(study.measured, name) for name in study.measured.methods]
    for what in ("colour", "marker", "line"):
        assert len({getattr(mark, what) for mark in marks}) == 2


def test_who_has_no_sex_is_drawn_too(study, with_covariates):
    sex = ["F", "f", "Female", None, np.nan, " "] + ["other"] * 18
    found = {
        name: len(part)
        for name, _, part in by_sex(
            points(with_covariates(study, sex=sex), "total", ("reference",))
        )
    }
    assert found == {"women": 3, "other": 18, "sex unknown": 3}
    without = by_sex(points(with_covariates(study, sex=None), "total", ("reference",)))
    assert [(name, mark, len(part)) for name, mark, part in without] == [("", EVERYBODY, 24)]


def test_a_curve_of_all_is_everybodys():
    assert sex_mark("all") == EVERYBODY
    assert sex_mark(sex_name("male")) == SEXES["M"]


def test_case_ids_are_quoted_in_links():
    assert case_urls(["a b/c", "<s>", "é#1", 7]) == [
        "#case-a%20b%2Fc",
        "#case-%3Cs%3E",
        "#case-%C3%A9%231",
        "#case-7",
    ]


def test_of_too_many_labels_those_that_agree_least_are_shown_in_order(make_study):
    many = make_study(labels=[f"r{number:02}" for number in range(15)])
    rows = many.tables["agreement"]
    is_icc = rows["statistic"] == "icc_a1"
    numbers = rows["label"].str.removeprefix("r").replace("total", "3").astype(float)
    values = rows["value"].where(~is_icc, 1 - numbers / 100)
    many.tables["agreement"]["value"] = values.where(rows["label"] != "r14", np.nan)
    found = panel_labels(many, ("reference", "predicted"), 3)
    assert found == (["r11", "r12", "r13"], 13)  # r14 has no agreement to compare


def test_labels_without_a_volume_have_no_panel(study):
    empty = {name: t.assign(posterior=np.nan) for name, t in study.measured.values.items()}
    less = replace(study, measured=study.measured.with_values(empty))
    assert panel_labels(less, ("reference", "predicted")).labels == ["anterior", "total"]


def test_a_table_that_is_missing_or_lacks_a_column_has_no_rows(study):
    assert rows_of(study, "nothing").empty
    assert rows_of(study, "curves", stratum="all").empty
    assert len(rows_of(study, "curves", label="total", method="reference")) == 6


def test_large_volumes_are_shown_in_cm3(study):
    assert scale(study, ["anterior"]) == ("mm³", 1.0)
    large = {name: 1000 * volumes for name, volumes in study.measured.values.items()}
    assert scale(replace(study, measured=study.measured.with_values(large)), ["total"]) == (
        "cm³",
        1000.0,
    )


@pytest.mark.parametrize(
    ("places", "least", "moved"),
    [
        ([0.1, 0.5, 0.9], 0.2, [0.1, 0.5, 0.9]),
        ([0.5, 0.5, 0.5], 0.2, [0.3, 0.5, 0.7]),
        ([0.9, 0.1, 0.8], 0.2, [0.95, 0.1, 0.75]),
    ],
)
def test_labels_are_moved_apart_no_further_than_need_be(places, least, moved):
    assert spread_apart(places, least) == pytest.approx(moved)


def test_labels_stay_inside():
    assert spread_apart([0.0, 0.01], 0.2, 0.1, 0.9) == pytest.approx([0.1, 0.3])
    assert spread_apart([0.99, 1.0], 0.2, 0.1, 0.9) == pytest.approx([0.7, 0.9])


def test_jitter_is_the_same_every_time_and_stays_within_bounds():
    values = np.random.default_rng(0).normal(0, 1, 300)
    offsets = jitter(values, 0.3)
    assert np.array_equal(offsets, jitter(values, 0.3))
    assert np.abs(offsets).max() <= 0.3
    crowd = np.abs(values) < 0.5
    assert np.abs(offsets[crowd]).mean() > 2 * np.abs(offsets[np.abs(values) > 2]).mean()


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0], [0.0, 0.0, 5.0]])
def test_few_or_equal_values_can_be_spread(values):
    assert np.isfinite(jitter(np.array(values), 0.3)).all()


def test_equal_values_do_not_hide_each_other():
    assert len(set(jitter(np.full(9, 2.0), 0.3))) == 9
