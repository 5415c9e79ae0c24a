"""Tables of a page: titles, headings, column kinds and the JSON for sorting and download."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from neurotarget.quantity import with_unit
from neurotarget.report.text.assets import asset_table
from neurotarget.report.text.placeholders import VOLUMES, in_unit, placeholders_of
from neurotarget.report.text.sentences import not_estimated, title_of
from neurotarget.stats.cohort.measured import Quantity

MANY = 60  # a table with more rows first shows only those of the whole cohort
MOST_PRINTED = 60  # most rows of a printed table
MOST_CHOICES = 150  # a column with more distinct values has no filter


@dataclass(frozen=True)
class TableSpec:
    """Title and description of a table, and the format of its columns.

    `value` is the column that is missing in rows with a reason; `low` and `high` belong to it.
    With `own_names`, columns without a heading here are named by the user and shown unchanged.
    """

    title: str
    description: str = ""
    is_printed: bool = False  # included when the page is printed
    value: str = ""
    headings: Mapping[str, str] = field(default_factory=dict)  # override those of all tables
    kinds: Mapping[str, str] = field(default_factory=dict)  # override the kind by name
    scales: Mapping[str, float] = field(default_factory=dict)  # divisors of shown numbers
    own_names: bool = False
    unit: str = "mm3"  # of the main quantity, at the end of names of columns


def table_specs(page: str = "study", quantity: Quantity = VOLUMES) -> dict[str, TableSpec]:
    """Return the tables of a kind of page, in reading order, in words of the main quantity.

    Args:
        page: section of `assets/tables.toml`: study, comparison, search, survival and so on.
        quantity: whose noun and unit fill titles and headings.
    """
    known, unit = asset_table("tables"), quantity.unit
    shared = known["shared"].get(page, {})
    of_outcomes = {} if quantity.is_of_masks else known["outcomes"]
    specs = {}
    for name, spec in known[page].items():
        common = {"headings": _headings()} if not spec.get("own_names") else {}
        common |= {key: {**common.get(key, {}), **own} for key, own in shared.items() if common}
        merged = {key: {**common[key], **spec.get(key, {})} for key in common}
        whole = {**spec, **of_outcomes.get(name, {}), **merged, "unit": unit}
        filled = _filled(whole, placeholders_of(quantity))
        specs[name.format_map(placeholders_of(quantity))] = TableSpec(**filled)
    return specs


def _headings() -> Mapping[str, str]:
    return asset_table("tables")["headings"]


def _filled(spec: Mapping[str, object], words: Mapping[str, str]) -> dict[str, object]:
    """Return a specification in which words replace the names in braces, also in mappings."""

    def text(value: object) -> object:
        """Return the value, with braces filled in if it is text."""
        return value.format_map(words) if isinstance(value, str) else value

    return {
        key.format_map(words): _filled(value, words) if isinstance(value, Mapping) else text(value)
        for key, value in spec.items()
    }


def value_texts() -> dict[str, str]:
    """Return the displayed text of values in text columns; others are shown as they are."""
    return asset_table("tables")["values"]


# the first of these in a table is the column to which its columns low and high belong
MAIN = (
    "estimate",
    "value",
    "mean",
    "difference",
    "rate",
    "slope",
    "volume",
)
SHARES = ("rate", "power", "site_share_raw", "site_share_combat")
STEMS = {
    **{"model_difference": ("model",), "estimate_without": ("without",)},
    **{"icc_a1": ("icc",)},
}
COUNTS = frozenset({"n", "folds", "severity"})
FILTERS = (
    "arm", "other", "objective", "status", "hypothesis", "model", "method", "contrast", "part",
    "label", "stratum", "statistic", "metric", "measure", "definition",
)  # fmt: skip


class Column(NamedTuple):
    """One displayed column; `low` and `high` are merged into it in square brackets.

    `key` is the column of the table, `low` and `high` the columns of its interval, "" without one;
    shown numbers are divided by `scale`.
    """

    key: str
    heading: str
    kind: str  # text, number, count, p, share, setting (in significant figures) or case
    low: str = ""
    high: str = ""
    scale: float = 1


class PageTable(NamedTuple):
    """One table of the page.

    `data` is JSON: columns by key; a text column is a list of distinct values and their codes.
    """

    name: str
    title: str
    description: str
    columns: tuple[Column, ...]
    filters: tuple[str, ...]
    preset: Mapping[str, str]
    n_rows: int
    is_printed: bool
    data: Mapping[str, object]


def page_tables(
    tables: Mapping[str, pd.DataFrame], specs: Mapping[str, TableSpec]
) -> list[PageTable]:
    """Return every table with rows, in the order of `specs`; other tables come last.

    A table without a specification is titled by its name.
    """
    names = [name for name in specs if name in tables]
    names += [name for name in tables if name not in specs]
    return [
        _page_table(name, tables[name], _spec(name, specs)) for name in names if len(tables[name])
    ]


def empty_tables(tables: Mapping[str, pd.DataFrame], specs: Mapping[str, TableSpec]) -> list[str]:
    """Return the headings of tables without rows, which the page lists as such."""
    return [_spec(name, specs).title for name, table in tables.items() if not len(table)]


def reasons(
    tables: Mapping[str, pd.DataFrame], specs: Mapping[str, TableSpec]
) -> list[tuple[str, int, dict[str, int]]]:
    """Return title, number of rows and reasons for each table with missing estimates.

    Returns:
        One tuple per table with such rows; the reasons are counts by text, most frequent first.
    """
    counted = []
    for name, table in tables.items():
        spec = _spec(name, specs)
        value = spec.value or next((key for key in (*MAIN, "d") if key in table), "")
        if counts := not_estimated(table, value):
            counted.append((spec.title, sum(counts.values()), counts))
    return counted


def script_json(value: object) -> str:
    """Return JSON that is safe inside a script element: it cannot end the script or begin a tag.

    Raises:
        ValueError: a number is not finite; use None.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _page_table(name: str, table: pd.DataFrame, spec: TableSpec) -> PageTable:
    filters = tuple(
        key for key in FILTERS if key in table and 1 < table[key].nunique() <= MOST_CHOICES
    )
    has_whole = len(table) > MANY and "stratum" in filters and (table["stratum"] == "all").any()
    return PageTable(
        name,
        spec.title,
        spec.description,
        _columns(table, spec),
        filters,
        {"stratum": "all"} if has_whole else {},
        len(table),
        spec.is_printed and len(table) <= MOST_PRINTED,
        {str(key): _packed(table[key]) for key in table},
    )


def _spec(name: str, specs: Mapping[str, TableSpec]) -> TableSpec:
    if name in specs:
        return specs[name]
    return TableSpec(_title(name), headings=_filled(_headings(), placeholders_of(VOLUMES)))


def _columns(table: pd.DataFrame, spec: TableSpec) -> tuple[Column, ...]:
    """Return all columns that are not empty; intervals are merged into their column."""
    ends = _intervals(table, spec)
    merged = {end for pair in ends.values() for end in pair}
    return tuple(
        Column(
            str(key),
            _heading(str(key), spec),
            _kind(str(key), table[key], spec),
            *ends.get(key, ("", "")),
            scale=spec.scales.get(str(key), 1),
        )
        for key in table
        if key not in merged and not _is_blank(table[key])
    )


def _intervals(table: pd.DataFrame, spec: TableSpec) -> dict[str, tuple[str, str]]:
    """Return the interval columns of each column: `icc_low` and `icc_high` for `icc_a1`."""
    ends: dict[str, tuple[str, str]] = {}
    for key in map(str, table):
        bias = ("bias",) if key == with_unit("bias", spec.unit) else ()
        for stem in (key.removeprefix("estimate_"), *STEMS.get(key, ()), *bias):
            if {f"{stem}_low", f"{stem}_high"} <= set(table):
                ends[key] = (f"{stem}_low", f"{stem}_high")
    main = spec.value or next((key for key in MAIN if key in table), None)
    if main and main not in ends and {"low", "high"} <= set(table):
        ends[main] = ("low", "high")
    return ends


def _kind(key: str, values: pd.Series, spec: TableSpec) -> str:
    if key == "case_id":
        return "case"
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return "text"
    return spec.kinds.get(key) or _kind_by_name(key, is_own=_is_own(key, spec))


def _kind_by_name(key: str, *, is_own: bool) -> str:
    if is_own:
        return "setting"
    if key in COUNTS or key.startswith("n_"):
        return "count"
    if key in ("p", "q") or key.startswith("p_"):
        return "p"
    return "share" if key in SHARES else "number"


def _is_own(key: str, spec: TableSpec) -> bool:
    """Return whether the user named this column."""
    return spec.own_names and key not in spec.headings


def _is_blank(values: pd.Series) -> bool:
    """Return whether a text column is empty; missing numbers are shown as dashes."""
    if pd.api.types.is_numeric_dtype(values):
        return False
    return bool((values.isna() | (values.astype(str) == "")).all())


def _heading(key: str, spec: TableSpec) -> str:
    if _is_own(key, spec):
        return key
    return spec.headings.get(key) or _title(key, spec.unit)


def _title(key: str, unit: str = "") -> str:
    stem = key.removesuffix(f"_{unit}") if unit else key
    text = in_unit(stem, unit) if stem != key else key.replace("_mm3", ", mm³")
    return title_of(text.replace("_mm", ", mm"))


def _packed(values: pd.Series) -> object:
    """Return numbers as a list with null if undefined; text as distinct levels and codes."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return [_number(value) for value in values.tolist()]
    texts = ["" if _is_missing(value) else str(value) for value in values.tolist()]
    names = list(dict.fromkeys(texts))
    code_of = {text: number for number, text in enumerate(names)}
    return {"levels": names, "codes": [code_of[text] for text in texts]}


def _number(value: float) -> float | int | None:
    if value is None or value is pd.NA or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value
