"""Meaning of the columns of a volume table: ids, methods, volumes of labels, covariates."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from neurotarget.anatomy.structures import other_names
from neurotarget.data.tables.table_ids import (
    IDS,
    VOLUMES,
    align_rows,
    find_column,
    find_ids,
    measure_of,
    name_visits,
)
from neurotarget.data.tables.text_table import TextTable, is_missing
from neurotarget.problems import Problem, error, nearest, some
from neurotarget.size_units import AREAS, PIXELS

METHODS = ("method", "rater")
UNITS_MM3 = {"mm3": 1.0, "mm³": 1.0, "ml": 1000.0, "cm3": 1000.0, "cm³": 1000.0}
ENDS = {"": None, "_volume": None, "_mm3": 1.0, "_ml": 1000.0, "_cm3": 1000.0}  # suffix → mm³
AREA_UNITS = {"mm2": AREAS, "mm²": AREAS, "px": PIXELS}
NUMBERS = "number"  # values that are no sizes, such as features of images
UNITS = UNITS_MM3 | dict.fromkeys((*AREA_UNITS, NUMBERS), 1.0)  # areas keep their unit
OURS = ("status", "note", "made_from", "total_mm3", "total_mm2", "total_px")  # of our own tables
LIKELY_MM3 = (100.0, 1e6)  # of one structure of the brain
MOST = 40  # columns listed in a message


class ColumnRequest(NamedTuple):
    """Arguments of the caller about the columns.

    Attributes:
        labels: labels whose volumes are wanted.
        methods: methods to keep, whose names are part of column names or are cells of a column of
            methods; empty keeps all.
        id_column, method_column: None to find them by their usual names.
        unit: unit of columns whose name states none.
    """

    labels: tuple[str, ...]
    methods: tuple[str, ...] = ()
    id_column: str | None = None
    method_column: str | None = None
    unit: str = "mm3"


class VolumeColumn(NamedTuple):
    """Column with the volumes of one label."""

    label: str
    method: str  # "" if the name of the column does not contain it
    column: str
    unit_mm3: float  # unit of the column in mm³; 1 for areas


class Roles(NamedTuple):
    """A table and the meaning of its columns.

    Attributes:
        path: of the table.
        rows: cells by column.
        case_id: name of the column of ids.
        subject_id: name of the column of people; None without one.
        method: name of the column of methods; None if each case has one row.
        volumes: columns of volumes.
        covariates: names of all other columns, which may be terms of a model.
        is_ledger: whether it is a table of predictions, such as volumes.tsv, in which failed cases
            have rows too.
    """

    path: Path
    rows: list[dict[str, str]]
    case_id: str
    subject_id: str | None
    method: str | None
    volumes: list[VolumeColumn]
    covariates: list[str]
    is_ledger: bool


def find_roles(
    tables: Sequence[tuple[TextTable, Path]], request: ColumnRequest
) -> tuple[list[Roles], list[Problem]]:
    """Determine the meaning of each column of some tables, and report missing columns.

    Args:
        tables: each with its path.
        request: labels, methods, unit, and columns that the caller names.

    Returns:
        One record per table, none if a table has no column of ids or lacks a named column; and
        problems. Ids have the same spelling in all tables.
    """
    tables, respelt = (tables, []) if request.id_column else name_visits(tables)
    ids = [_id_column(table, request) for table, _ in tables]
    problems = [
        _no_ids(table, path, request)
        for (table, path), column in zip(tables, ids, strict=True)
        if column is None
    ]
    by_method = [_method_column(table, request) for table, _ in tables]
    if request.method_column and not any(by_method):
        problems += [_no_column(table, path, request.method_column) for table, path in tables]
    if problems:
        return [], problems
    if request.method_column is None and not _has_repeats(tables, ids, by_method):
        by_method = [None] * len(tables)  # the rater of each case is then a covariate
    roles = []
    for (table, path), case_id, method in zip(tables, ids, by_method, strict=True):
        role, wrong = _roles(table, path, request, (case_id, method))
        roles.append(role)
        problems += wrong
    return roles, [*respelt, *problems, *_align(roles), *_absent(roles, request)]


def no_labels(tables: Sequence[tuple[TextTable, Path]]) -> str:
    """Message that asks for labels and lists the columns of numbers, likely volumes first."""
    names = list(dict.fromkeys(name for table, _ in tables for name in _numeric(table)))
    names = [name for name in names if name.casefold() not in (*IDS, "age", "sex")]
    files = ", ".join(str(path) for _, path in tables)
    return (
        f"{files}: found no labels, wanted the names of the columns that hold volumes; set "
        f"labels={','.join(names[:2]) or 'a,b'}, of the numeric columns {some(names, MOST)}"
    )


def is_number(text: str) -> bool:
    """Return whether a cell is a number, as Python reads it, with a decimal point."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _roles(
    table: TextTable, path: Path, request: ColumnRequest, keys: tuple[str, str | None]
) -> tuple[Roles, list[Problem]]:
    case_id, method = keys
    spelt = {name.casefold(): name for name in table.columns if name != case_id}
    subject_id = next((spelt[name] for name in IDS[1:] if name in spelt), None)
    volumes, problems = _volumes(table.columns, path, request, () if method else request.methods)
    measure = measure_of(case_id)
    if volumes and measure not in (None, *VOLUMES):
        todo = "write it with --meas volume (asegstats2table, aparcstats2table)"
        problems.append(error(f"FreeSurfer's measure {measure}", "volumes", todo, file=path))
    is_ledger = {"status", "made_from"} <= set(table.columns)
    fixed = {case_id, subject_id, method, *(item.column for item in volumes)}
    fixed |= set(OURS) if is_ledger else set()
    covariates = [name for name in table.columns if name not in fixed]
    roles = Roles(path, table.rows, case_id, subject_id, method, volumes, covariates, is_ledger)
    return roles, problems


def _volumes(
    columns: Sequence[str], path: Path, request: ColumnRequest, methods: Sequence[str]
) -> tuple[list[VolumeColumn], list[Problem]]:
    """Columns of the labels, one for each method that column names contain."""
    spelt: dict[str, list[str]] = {}
    for name in columns:
        spelt.setdefault(_key(name), []).append(name)
    columns_of_labels, problems = [], []
    for label in request.labels:
        for method in methods or ("",):
            units = {
                _key(name): UNITS[request.unit] if unit_mm3 is None else unit_mm3
                for end, unit_mm3 in _ends(request.unit).items()
                for own in (label, *other_names(label))
                for name in _names(own, method, end)
            }
            fits = [(name, units[key]) for key in units for name in spelt.get(key, ())]
            columns_of_labels += [VolumeColumn(label, method, *fit) for fit in fits[:1]]
            problems += [_no_volumes(name, path) for name, _ in fits if _area_unit(name, request)]
            if len(fits) > 1:
                names = " and ".join(name for name, _ in fits)
                whose = f"{label} by {method}" if method else label
                message = f"the columns {names} for {whose}"
                problems.append(error(message, "one", "rename or drop the others", file=path))
    return columns_of_labels, problems


def _ends(unit: str) -> dict[str, float | None]:
    """Suffixes of columns, and the unit that each states."""
    if unit == NUMBERS:
        return {"": None}
    area = AREA_UNITS.get(unit)
    return ENDS if area is None else {"": None, "_area": None, f"_{area.unit}": 1.0}


def _area_unit(name: str, request: ColumnRequest) -> str:
    """Unit of areas at the end of a column's name, where volumes are wanted; else ""."""
    unit = _key(name).rpartition("_")[2]
    return unit if unit in AREA_UNITS and request.unit not in (*AREA_UNITS, NUMBERS) else ""


def _no_volumes(name: str, path: Path) -> Problem:
    todo = f"set unit={_key(name).rpartition('_')[2]} for areas"
    return error(f"the column {name}", f"volumes in {', '.join(UNITS_MM3)}", todo, file=path)


def _absent(tables: Sequence[Roles], request: ColumnRequest) -> list[Problem]:
    """Report volumes that are in no table."""
    there = {(item.label, item.method) for table in tables for item in table.volumes}
    is_wide = bool(request.methods) and not any(table.method for table in tables)
    methods = request.methods if is_wide else ("",)
    names = list(dict.fromkeys(name for table in tables for name in table.covariates))
    files = ", ".join(str(table.path) for table in tables)
    problems = []
    for label, method in ((label, method) for label in request.labels for method in methods):
        if (label, method) not in there:
            name = f"{label}_{method}" if method else label
            close = nearest(name, names)
            todo = f"write {close} if you mean that" if close else "add it, or name other labels"
            areas = [unit for unit in AREA_UNITS if f"{_key(name)}_{unit}" in map(_key, names)]
            todo = f"set unit={areas[0]} for areas" if areas else todo
            found = f"no column {name} (only {some(names)})"
            noun = "values" if request.unit == NUMBERS else "volumes"
            problems.append(error(found, f"the {noun} of {label}", todo, file=files))
    return problems


def _has_repeats(
    tables: Sequence[tuple[TextTable, Path]],
    ids: Sequence[str | None],
    by_method: Sequence[str | None],
) -> bool:
    """Return whether tables with a method column have several rows per case, together or alone."""
    keys = [
        row[case_id]
        for (table, _), case_id, method in zip(tables, ids, by_method, strict=True)
        if case_id and method
        for row in table.rows
    ]
    return len(set(keys)) < len(keys)


def _id_column(table: TextTable, request: ColumnRequest) -> str | None:
    if request.id_column:
        return find_column(table.columns, [request.id_column])
    return find_ids(table.columns)


def _method_column(table: TextTable, request: ColumnRequest) -> str | None:
    return find_column(table.columns, [request.method_column] if request.method_column else METHODS)


def _align(tables: Sequence[Roles]) -> list[Problem]:
    """Write ids of all tables as the first table that has them does."""
    known: dict[str, None] = {}
    problems = []
    for table in tables:
        for column in (table.case_id, table.subject_id):
            if column:
                problems += align_rows(table.rows, column, list(known), table.path)
        columns = [column for column in (table.case_id, table.subject_id) if column]
        known |= dict.fromkeys(row[column] for row in table.rows for column in columns)
    return problems


def _no_ids(table: TextTable, path: Path, request: ColumnRequest) -> Problem:
    if request.id_column:
        return _no_column(table, path, request.id_column)
    found = f"no column of ids (only {some(table.columns)})"
    return error(found, f"one of {', '.join(IDS)}", "rename it, or give its name", file=path)


def _no_column(table: TextTable, path: Path, name: str) -> Problem:
    close = nearest(name, table.columns)
    todo = f"write {close}" if close else "write one of them"
    found = f"no column {name} (only {some(table.columns)})"
    return error(found, "the column that was named", todo, file=path)


def _names(label: str, method: str, end: str) -> list[str]:
    if not method:
        return [f"{label}{end}"]
    return [f"{label}_{method}{end}", f"{method}_{label}{end}"]


def _key(name: str) -> str:
    return name.casefold().replace("-", "_").replace(" ", "_")


def _numeric(table: TextTable) -> list[str]:
    """Columns of numbers, those that are probably volumes in mm³ first."""
    typical = {}
    for name in table.columns:
        texts = [row[name] for row in table.rows if not is_missing(row[name])]
        numbers = [float(text) for text in texts if is_number(text)]
        if 2 * len(numbers) > len(texts):
            typical[name] = median(numbers)
    # codes, thicknesses and ratios are smaller; the intracranial volume is larger
    return sorted(typical, key=lambda name: not LIKELY_MM3[0] < typical[name] < LIKELY_MM3[1])
