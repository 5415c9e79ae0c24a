from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.report.sections.key_numbers import MOST_LABELS, failure_lines, key_numbers
from neurotarget.stats.study.analysis import analyse
from neurotarget.stats.tables.tables import scores_table


@pytest.fixture(scope="module")
def found(analysed):
    return analysed


@pytest.fixture(scope="module")
def three(make_study):
    return analyse(make_study(methods=("A", "B", "C")).measured)


def without(study, *names):
    return replace(study, tables={key: table for key, table in study.tables.items()
                                  if key not in names})  # fmt: skip


def test_the_numbers_one_asks_for_first(found):
    (key,) = key_numbers(found)
    assert key.heading == "Predicted volumes against reference volumes"
    assert [tile.name for tile in key.tiles] == [
        "Overlap (Dice)", "Agreement of volumes, ICC(A,1)", "Bias of volumes",
        "Failed cases, predicted", "Slope on the reference",
    ]  # fmt: skip
    assert key.tiles[3].value == "2 of 24"
    assert key.tiles[3].interval == "8.3 %, 95 % interval 2.3 to 25.8"  # Wilson
    assert "mean over the labels, 24 cases" in key.tiles[0].note
    assert [row.label for row in key.rows] == ["anterior", "posterior", "total"]
    assert all(len(row.cells) == len(key.columns) for row in key.rows)


def test_bias_has_limits_of_agreement_beside_it(found):
    table = found.tables["agreement"].copy()
    for name, value in (("bias", -10.0), ("lower_limit", -28.0), ("upper_limit", 8.0)):
        table.loc[table["statistic"] == name, ["value", "low", "high"]] = [value, -14.0, -6.0]
    (key,) = key_numbers(replace(found, tables={**found.tables, "agreement": table}))
    assert key.tiles[2].value == "−10.0 mm³"
    assert key.tiles[2].interval == "95 % interval −14.0 to −6.0"
    assert key.tiles[2].note == "95 % of single differences are expected between −28.0 and +8.0 mm³"
    assert key.rows[0].cells[-2:] == ("−10.0 [−14.0, −6.0]", "−28.0 to +8.0")


def slope_tile(found, *numbers):
    table = found.tables["agreement"].copy()
    table.loc[table["statistic"] == "reference_slope", ["value", "low", "high"]] = numbers
    (key,) = key_numbers(replace(found, tables={**found.tables, "agreement": table}))
    return key.tiles[4]


def test_a_network_that_shrinks_is_reported(found):
    tile = slope_tile(found, 0.6, 0.5, 0.7)
    assert (tile.value, tile.interval) == ("0.60", "95 % interval 0.50 to 0.70")
    span = "predicted volumes span 0.60 of the spread of reference volumes"
    assert tile.note.startswith(f"{span}: they shrink towards the mean")
    assert slope_tile(found, 0.6, 0.1, 1.1).note == f"{span}; no shrinking is shown"
    nothing = "predicted volumes are not shown to follow reference volumes"
    assert slope_tile(found, 3.4, -3.1, 9.9).note == nothing
    assert "exaggerate" in slope_tile(found, 1.5, 1.2, 1.8).note
    assert slope_tile(found, 0.6, np.nan, np.nan).note == span


def test_the_rating_follows_the_interval_of_random_methods(found):
    table = found.tables["agreement"].copy()
    for name, numbers in (("icc_a1", (0.89, 0.21, 0.97)), ("icc_a1_fixed", (0.89, 0.83, 0.94))):
        table.loc[table["statistic"] == name, ["value", "low", "high"]] = numbers
    (key,) = key_numbers(replace(found, tables={**found.tables, "agreement": table}))
    assert key.tiles[1].interval == "95 % interval 0.21 to 0.97"
    assert "agreement is poor to excellent" in key.tiles[1].note
    assert "for these two methods alone, not any two, 0.83 to 0.94" in key.tiles[1].note


def test_distances_stand_with_their_median_the_tolerance_and_what_failed(study):
    cases = study.measured.covariates.index
    distances = [np.nan, *(1.0 + number % 3 for number in range(1, len(cases)))]
    near = [np.nan, *[0.9] * (len(cases) - 1)]
    columns = {"hd95_mm": distances, "surface_dice": near, "failed": [1.0]}
    more = pd.DataFrame(
        [
            (case_id, case_id, "test", "anterior", metric, value, "")
            for metric, values in columns.items()
            for case_id, value in zip(cases, values, strict=False)
        ],
        columns=study.measured.scores.columns,
    )
    scores = pd.concat([study.measured.scores, more], ignore_index=True)
    (key,) = key_numbers(analyse(replace(study.measured, scores=scores)))
    tile = key.tiles[-1]
    assert tile.name == "Distance of surfaces (HD95)"
    assert tile.value == "2.04 mm"
    assert "anterior, 23 cases; median 2.00, quartiles 1.00 to 3.00" in tile.note
    assert "surface Dice 0.90 at 1 mm" in tile.note
    assert "not counted: 1 case without a distance (1 failed)" in tile.note
    assert key.columns[1:3] == ("HD95, mm: mean; median", "Surface Dice at 1 mm")
    row = next(row for row in key.rows if row.label == "anterior")
    assert row.cells[1].endswith("; 2.00 (1.00 to 3.00); 1 without")


def test_methods_without_scores_have_no_dice(found):
    (key,) = key_numbers(without(found, "scores"))
    assert "Overlap (Dice)" not in [tile.name for tile in key.tiles]
    assert key.columns[0] == "ICC(A,1)"


def test_what_is_not_estimable_says_why(found):
    table = found.tables["agreement"].assign(value=np.nan, low=np.nan, high=np.nan, reason="ties")
    (key,) = key_numbers(replace(found, tables={**found.tables, "agreement": table}))
    assert (key.tiles[1].value, key.tiles[1].note) == ("–", "ties")
    assert key.rows[0].cells[-1] == "–"


def test_of_many_labels_the_worst_have_a_row(make_study):
    labels = [f"l{number}" for number in range(MOST_LABELS + 2)]
    made = make_study(labels=labels)
    scores = scores_table(made.measured)
    many = replace(made, tables={**made.tables, "scores": scores})
    for name in labels:  # l0 is worst
        here = (scores["label"] == name) & (scores["metric"] == "dice")
        scores.loc[here, "mean"] = 0.5 + 0.02 * int(name[1:])
    (key,) = key_numbers(many)
    assert [row.label for row in key.rows] == [*labels[: MOST_LABELS - 1], "total"]
    assert key.left_out == 3  # with the total


def test_one_method_alone_shows_its_volumes(analysed_alone):
    (key,) = key_numbers(analysed_alone)
    assert key.tiles[0].name == "Mean volume of total"
    assert key.columns[0] == "Mean, mm³"
    assert [row.label for row in key.rows] == ["anterior", "posterior", "total"]


def test_three_raters_have_a_block_for_each_pair(three):
    keys = key_numbers(three)
    assert [key.heading for key in keys] == [
        "Volumes by B against volumes by A",
        "Volumes by C against volumes by A",
        "Volumes by C against volumes by B",
    ]


def test_failures_have_a_cell_for_each_method(found):
    lines = {line.label: line.cells for line in failure_lines(found)}
    assert lines["Poor: Dice below 0.5"] == lines["Failed"] == ("–", "2 of 24, 8.3 [2.3, 25.8] %")
    assert "Swapped" not in lines  # nobody was put to it


def test_an_empty_study_has_no_numbers(study):
    (key,) = key_numbers(replace(study, tables={}))
    assert key.tiles == key.rows == ()
    assert failure_lines(replace(study, tables={})) == []


def test_scores_of_the_first_method_are_not_given_for_the_next(three):
    first, second, _ = key_numbers(three)
    assert first.columns[0] == "Dice"
    assert first.tiles[0].name == "Overlap (Dice)"
    assert "Dice" not in second.columns
    assert "Overlap (Dice)" not in [tile.name for tile in second.tiles]
