import json

import numpy as np
import pandas as pd

from neurotarget.report.text.headed_tables import (
    empty_tables,
    page_tables,
    reasons,
    script_json,
    table_specs,
)

SPECS = table_specs()


def columns_of(table, name="effects"):
    (shown,) = page_tables({name: table}, SPECS)
    return {column.key: column for column in shown.columns}


def test_intervals_belong_to_their_value():
    numbers = ["estimate", "low", "high", "p", "size", "size_low", "size_high"]
    columns = columns_of(pd.DataFrame([[1.0] * 7], columns=numbers))
    assert list(columns) == ["estimate", "p", "size"]
    assert (columns["estimate"].low, columns["estimate"].high) == ("low", "high")
    assert (columns["size"].low, columns["size"].high) == ("size_low", "size_high")


def test_an_estimate_within_a_site_has_the_interval_of_its_own():
    numbers = ["estimate_within", "within_low", "within_high", "estimate_without", "without_low",
               "without_high"]  # fmt: skip
    columns = columns_of(pd.DataFrame([[1.0] * 6], columns=numbers), "sites")
    assert list(columns) == ["estimate_within", "estimate_without"]
    assert columns["estimate_without"].high == "without_high"


def test_kinds_tell_counts_shares_and_p_values():
    table = pd.DataFrame(
        {"case_id": ["a"], "n": [3], "n_dropped": [1], "rate": [0.5], "p": [0.1], "p_curve": [0.2],
         "value": [1.5], "yes": [True], "site": ["A"]}
    )  # fmt: skip
    kinds = {key: column.kind for key, column in columns_of(table).items()}
    assert kinds == {
        "case_id": "case", "n": "count", "n_dropped": "count", "rate": "share", "p": "p",
        "p_curve": "p", "value": "number", "yes": "text", "site": "text",
    }  # fmt: skip


def test_empty_texts_have_no_column_but_stay_in_the_data():
    (table,) = page_tables({"x": pd.DataFrame({"value": [np.nan], "reason": [""]})}, SPECS)
    assert [column.key for column in table.columns] == ["value"]
    assert list(table.data) == ["value", "reason"]


def test_numbers_are_kept_whole_and_undefined_ones_are_null():
    values = [1 / 3, np.nan, np.inf, 2.0]
    (table,) = page_tables({"x": pd.DataFrame({"v": values, "w": ["b", None, "a", "b"]})}, SPECS)
    assert table.data["v"] == [1 / 3, None, None, 2]
    assert table.data["w"] == {"levels": ["b", "", "a"], "codes": [0, 1, 2, 0]}


def test_nullable_and_categorical_columns_are_read_too():
    table = pd.DataFrame(
        {"a": pd.array([1, None], dtype="Int64"), "b": pd.Categorical(["x", None]),
         "c": pd.to_datetime(["2020-01-01", None])}
    )  # fmt: skip
    (table,) = page_tables({"x": table}, SPECS)
    assert table.data["a"] == [1, None]
    assert table.data["b"]["levels"] == ["x", ""]
    assert table.data["c"]["levels"] == ["2020-01-01 00:00:00", ""]


def test_long_tables_begin_with_the_whole_cohort():
    table = pd.DataFrame({"stratum": ["all", *["sex"] * 99], "value": 1.0})
    assert page_tables({"scores": table}, SPECS)[0].preset == {"stratum": "all"}
    assert page_tables({"scores": table[:10]}, SPECS)[0].preset == {}


def test_tables_come_in_reading_order_and_unknown_ones_last():
    one = pd.DataFrame({"value": [1.0]})
    names = [
        table.name for table in page_tables({"mine": one, "cases": one, "effects": one}, SPECS)
    ]
    assert names == ["effects", "cases", "mine"]


def test_tables_without_rows_are_named():
    empty = {"sites": pd.DataFrame({"n": []}), "effects": pd.DataFrame({"n": [1]})}
    assert [table.name for table in page_tables(empty, SPECS)] == ["effects"]
    assert empty_tables(empty, SPECS) == ["Leave one site out"]


def test_reasons_are_counted_by_table():
    table = pd.DataFrame({"value": [np.nan, np.nan, 1.0], "reason": ["one sex", "ties", "fine"]})
    assert reasons({"agreement": table}, SPECS) == [
        ("Agreement of volumes", 2, {"one sex": 1, "ties": 1})
    ]


def test_json_cannot_end_its_script():
    text = script_json({"<a>": "</script><!-- & \u2028 \u2029"})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"<a>": "</script><!-- & \u2028 \u2029"}


def test_every_table_of_a_study_can_be_shown(analysed):
    for table in page_tables(analysed.tables, SPECS):
        assert table.title != table.name
        assert json.loads(script_json(table.data))
        assert {column.key for column in table.columns} <= set(table.data)
        lengths = {len(one if isinstance(one, list) else one["codes"])
                   for one in table.data.values()}  # fmt: skip
        assert lengths == {table.n_rows}
