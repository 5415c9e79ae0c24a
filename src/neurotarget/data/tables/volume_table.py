"""Tables of volumes and covariates without images: one or several methods, one or more files."""

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from neurotarget.data.tables.covariates import (
    NO_CODES,
    renamed_problems,
    requested_covariates,
    type_covariates,
)
from neurotarget.data.tables.stats_files import SUFFIX, read_stats, tool_of, with_methods
from neurotarget.data.tables.text_table import TextTable, is_missing, read_text_table
from neurotarget.data.tables.volume_columns import (
    NUMBERS,
    UNITS,
    ColumnRequest,
    Roles,
    find_roles,
    is_number,
    no_labels,
)
from neurotarget.files.writing import expand_home
from neurotarget.levels import CodeBook, level_key, usual_columns
from neurotarget.problems import DataError, Problem, error, nearest, refuse_errors, some, warning
from neurotarget.types import Target

ONE_METHOD = "measured"  # name of the method if no table names one
TRUTH = "reference"  # the method of this name comes first
USUAL = ("age", "sex", "site", "group", "scanner")  # standard covariates
COMMA = re.compile(r"[+-]?\d+,\d+")
SENTENCES = 5  # more problems of one kind are merged into one


class VolumeTable(NamedTuple):
    """Volumes in mm³ (case × label) by method, covariates by case, and warnings.

    Attributes:
        volumes: table by method; rows are cases, columns labels, NaN where a volume is missing.
            Areas are in their own unit.
        covariates: rows are cases; the first column is `subject_id`.
        problems: warnings; errors are raised.
    """

    volumes: dict[str, pd.DataFrame]
    covariates: pd.DataFrame
    problems: list[Problem]


def read_volume_table(
    paths: Sequence[Path | str],
    *,
    labels: Sequence[str] | None = None,
    id_column: str | None = None,
    method_column: str | None = None,
    methods: Sequence[str] = (),
    unit: str = "mm3",
    target: Target | None = None,
    levels: CodeBook = NO_CODES,
) -> VolumeTable:
    """Read CSV or TSV tables of volumes and covariates and join them by id.

    Ids are in `id_column`, else in `case_id`, `participant_id`, `subject_id`, `sub_id`, `subjid`,
    `subject`, `id` or the first column of FreeSurfer's tables (`Measure:volume`); they match with
    and without `sub-` and leading zeros. A table of subjects is joined to all their cases if
    another table has both ids, or BIDS' `sub-01_ses-1`; a column `session_id` distinguishes several
    rows of a subject. The volumes of a label are in a column of its name, alone or with `_volume`,
    `_mm3`, `_ml` or `_cm3`, in any case; `unit` (mm3, ml, cm3) applies to names without a unit.
    With `unit` mm2 or px these are areas, in columns that may end with `_area` or the unit; with
    number they are any numbers, in columns of exactly these names.
    `labels` are those of the target by default. All other columns are covariates; `levels`, or the
    target's, define codes such as 0 and 1.

    Several methods have a row each (column `method` or `rater`, or `method_column`), or a column
    each, `<label>_<method>` or `<method>_<label>`, if `methods` names them; with rows, `methods`
    selects among them. A path may also be a file aseg.stats or aparc.stats, or a folder of subjects
    of FreeSurfer or FastSurfer; where several tools have measured, each is a method. Otherwise
    there is one method, "measured". A missing volume, or that of a failed prediction, is NaN.

    Raises:
        DataError: the unit is unknown, the labels are unknown, or a list of all problems of the
            tables.
    """
    paths = [expand_home(path) for path in paths]
    if unit.casefold() not in UNITS:
        raise DataError(f"unit: got {unit!r}, wanted one of {', '.join(UNITS)}; write one")
    if not labels and target is not None:
        labels = target.label_names
    read = [_read(path, id_column) for path in paths]
    tables = list(zip(with_methods(read, labels or ()), paths, strict=True))
    problems = [problem for table, path in tables for problem in _table_problems(table, path)]
    if not labels or not all(table.rows for table, _ in tables):
        refuse_errors(problems)
        raise DataError(no_labels(tables))
    request = ColumnRequest(
        tuple(labels), tuple(methods), id_column, method_column, unit.casefold()
    )
    roles, wrong = find_roles(tables, request)
    problems += wrong
    if not roles:
        refuse_errors(problems)
    is_size = request.unit != NUMBERS
    cohort = _Cohort(roles, requested_covariates(target), is_size=is_size)
    for table in roles:
        cohort.add(table)
    covariates, untyped = cohort.covariates(target, levels)
    volumes, unknown = cohort.volumes_by_method(request)
    wrong_cells = [one for kind in cohort.wrong.values() for one in _merged(kind)]
    problems += [*cohort.problems, *wrong_cells, *untyped, *unknown]
    problems += [*_codes(covariates), *_commas(covariates)]
    refuse_errors(problems)
    return VolumeTable(volumes, covariates, list(dict.fromkeys(problems)))


class _Cohort:
    """Cases of several tables with their cells."""

    def __init__(
        self, tables: Sequence[Roles], names: Collection[str], *, is_size: bool = True
    ) -> None:
        self.least, self.wanted = (
            (0.0, "a volume of 0 or more") if is_size else (-math.inf, "a number")
        )
        self.names, self.cases_of = _cases(tables)
        self.volumes: dict[tuple[str, str], dict[str, float]] = {}  # method, label → case → mm³
        self.cells: dict[str, dict[str, str]] = {}  # covariate → case → text
        self.columns: dict[str, tuple[str, Path]] = {}  # covariate → its name and its table
        self.subjects: dict[str, str] = {}
        self.wrong: dict[tuple[Path, str, str], list[Problem]] = {}  # by table, column and rule
        columns = list(dict.fromkeys(name for table in tables for name in table.covariates))
        self.renamed, several = usual_columns(columns, names)
        self.problems = renamed_problems(self.renamed, several)

    def add(self, table: Roles) -> None:
        """Add the rows of a table.

        A second row of the same case and method is ignored and reported; volumes of a failed
        prediction are missing.
        """
        self.problems += _check_rows(table)
        seen, failed, done = set(), [], set()
        for row in table.rows:
            key, method = _key(row[table.case_id]), row.get(table.method or "", ONE_METHOD)
            if is_missing(key) or is_missing(method) or (key, method) in done:
                continue
            done.add((key, method))
            is_failed = table.is_ledger and row["status"].casefold() == "failed"
            failed += [row[table.case_id]] if is_failed else []
            for case in [key] if key in self.names else self.cases_of.get(key, []):
                seen.add(case)
                self._add_covariates(table, row, case)
                self._add_volumes(table, row, case, method, is_failed=is_failed)
        if failed:
            found = f"{len(failed)} of {len(done)} predictions failed ({some(failed)})"
            todo = "look at their notes; their volumes are missing"
            self.problems.append(warning(found, "a volume of each", todo, file=table.path))
        if absent := [name for key, name in self.names.items() if key not in seen]:
            found = f"no row of {len(absent)} of {len(self.names)} cases ({some(absent)})"
            todo = "add them, or use one spelling of the ids; the values of its columns are missing"
            self.problems.append(warning(found, "one row per case", todo, file=table.path))

    def _add_volumes(
        self, table: Roles, row: Mapping[str, str], case: str, method: str, *, is_failed: bool
    ) -> None:
        for item in table.volumes:
            text = row[item.column]
            values = self.volumes.setdefault((item.method or method, item.label), {})
            if is_failed or is_missing(text):
                continue
            value = float(text) * item.unit_mm3 if is_number(text) else math.nan
            known = values.setdefault(case, value)
            if not (self.least <= value < math.inf and math.isfinite(value)):
                todo = "correct the cell, or write n/a where there is none"
                if is_number(text.replace(",", ".")) and "," in text:
                    todo = "write a decimal point, not a comma"
                self._refuse_cell(case, table, item.column, repr(text), self.wanted, todo)
            elif not math.isclose(known, value, rel_tol=1e-9):
                todo = "correct one of them, or name the method of each in a column method"
                both = f"{known:g} and {value:g} mm³"
                self._refuse_cell(case, table, item.column, both, "one volume", todo)

    def _add_covariates(self, table: Roles, row: Mapping[str, str], case: str) -> None:
        if table.subject_id and not is_missing(row[table.subject_id]):
            self._add_cell(table, table.subject_id, row, case, self.subjects)
        for column in table.covariates:
            called = self.renamed.get(column, column)
            name = called.casefold()
            spelt = name if name in USUAL else called
            self.columns.setdefault(name, (spelt, table.path))
            self._add_cell(table, column, row, case, self.cells.setdefault(name, {}))

    def _add_cell(
        self, table: Roles, column: str, row: Mapping[str, str], case: str, known: dict[str, str]
    ) -> None:
        text, before = row[column], known.get(case, "")
        if is_missing(before):
            known[case] = text
        elif not is_missing(text) and not _same(before, text, column):
            todo = "correct one of them, or drop the column"
            both = f"{before!r} and {text!r}"
            self._refuse_cell(case, table, column, both, "one value per case", todo)

    def _refuse_cell(
        self, case: str, table: Roles, column: str, text: str, wanted: str, todo: str
    ) -> None:
        found = f"{column} = {text}"
        problem = error(found, wanted, todo, case_id=self.names[case], file=table.path)
        self.wrong.setdefault((table.path, column, wanted), []).append(problem)

    def covariates(
        self, target: Target | None, levels: CodeBook
    ) -> tuple[pd.DataFrame, list[Problem]]:
        """Typed covariates of all cases, and the problems of typing them.

        Args:
            target: its hypotheses and code book; None if there is none.
            levels: code book of the caller.

        Returns:
            A table by `case_id` with `subject_id` first; a case without one is its own subject.
        """
        case_ids = list(self.names.values())
        subjects = [self.subjects.get(case, name) for case, name in self.names.items()]
        parts: list[dict] = [{"subject_id": subject} for subject in subjects]
        problems = []
        for path in dict.fromkeys(path for _, path in self.columns.values()):
            names = {key: name for key, (name, where) in self.columns.items() if where == path}
            texts = [
                {name: self.cells[key].get(case, "") for key, name in names.items()}
                for case in self.names
            ]
            typed, wrong = type_covariates(texts, case_ids, target=target, file=path, codes=levels)
            problems += wrong
            for part, values in zip(parts, typed, strict=True):
                part |= values
        return pd.DataFrame(parts, index=pd.Index(case_ids, name="case_id")), problems

    def volumes_by_method(
        self, request: ColumnRequest
    ) -> tuple[dict[str, pd.DataFrame], list[Problem]]:
        """A table in mm³ per method, in the requested order, else the reference first.

        Each is cases × labels, with NaN where a case has no volume. A requested method that no
        table has is an error.
        """
        known = list(dict.fromkeys(method for method, _ in self.volumes))
        names = list(request.methods) or sorted(known, key=lambda name: name != TRUTH)
        problems = []
        for name in [name for name in names if name not in known]:
            close = nearest(name, known)
            todo = f"write {close}" if close else "write one of them"
            problems.append(error(f"no method {name} (only {some(known)})", "its rows", todo))
        index = pd.Index(self.names.values(), name="case_id")
        tables = {
            name: pd.DataFrame(
                {label: self.volumes.get((name, label), {}) for label in request.labels},
                index=list(self.names),
                dtype=float,
            ).set_axis(index)
            for name in names
        }
        return tables, problems


def _read(path: Path, id_column: str | None) -> tuple[TextTable, str]:
    """A table, and the tool that measured its volumes, if that is known."""
    if path.is_dir() or (path.suffix == SUFFIX and path.is_file()):
        return read_stats(path)
    if path.is_file() or path.is_symlink():
        table = read_text_table(path, ids=(id_column,) if id_column else ())
        return table, tool_of(table.columns)
    problem = error("no such file", "a CSV or TSV file", "check the path", file=path)
    return TextTable([], [], [problem]), ""


def _table_problems(table: TextTable, path: Path) -> list[Problem]:
    if {"metric", "value", "label"} <= set(table.columns):
        todo = "give it as rows, not as a table"
        return [*table.problems, error("rows of scores", "one row per case", todo, file=path)]
    if not table.rows and not table.problems:
        return [error("no row", "one row per case", "check the file", file=path)]
    return table.problems


def _cases(tables: Sequence[Roles]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Case ids by key, and the keys of the cases of each subject."""
    cases_of: dict[str, list[str]] = {}
    case_keys = set()
    for table in tables:
        for row in table.rows if table.subject_id else ():
            key = _key(row[table.case_id])
            case_keys.add(key)
            cases = cases_of.setdefault(_key(row[table.subject_id]), [])
            cases += [key] if key not in cases else []
    names: dict[str, str] = {}
    for table in tables:
        for row in table.rows:
            key = _key(row[table.case_id])
            is_person = key in cases_of and key not in case_keys
            if not is_missing(key) and not is_person:
                names.setdefault(key, row[table.case_id])
    return names, cases_of


def _key(text: str) -> str:
    return text.removeprefix("sub-")


def _check_rows(table: Roles) -> list[Problem]:
    """Report rows without id or method, and duplicate rows."""
    problems = []
    for column in (table.case_id, table.method):
        if column and (empty := sum(is_missing(row[column]) for row in table.rows)):
            found = f"no {column} in {empty} of {len(table.rows)} rows"
            todo = "fill the cells, or drop the rows"
            problems.append(error(found, "one per row", todo, file=table.path))
    keys = Counter(
        (_key(row[table.case_id]), row.get(table.method or "", "")) for row in table.rows
    )
    for (key, method), times in keys.items():
        if times > 1 and not is_missing(key):
            found = f"{times} rows" + (f" of the method {method}" if method else "")
            todo = "remove the copies, or give each scan session an id of its own"
            todo += "" if method else "; rows of several methods need a column method"
            problems.append(error(found, "one row per case", todo, case_id=key, file=table.path))
    return problems


def _same(first: str, second: str, column: str) -> bool:
    if is_number(first) and is_number(second):
        return math.isclose(float(first), float(second), rel_tol=1e-9)
    keys = [level_key(text, column) for text in (first, second)]
    return keys[0] == keys[1] or _key(first) == _key(second)


def _merged(problems: Sequence[Problem]) -> Sequence[Problem]:
    """Problems of cells of one kind, or one problem for many of them."""
    if len(problems) <= SENTENCES:
        return problems
    cases = some(problem.case_id for problem in problems)
    found = f"{problems[0].found} and similar values in {cases}"
    return [problems[0]._replace(case_id="", found=found)]


def _commas(covariates: pd.DataFrame) -> list[Problem]:
    """Warn that numbers with a decimal comma are read as text."""
    problems = []
    for name in covariates.columns.drop("subject_id"):
        texts = [text for text in covariates[name] if isinstance(text, str)]
        if texts and all(COMMA.fullmatch(text) or is_number(text) for text in texts):
            found = (
                f"{name} = {next(filter(COMMA.fullmatch, texts), texts[0])!r} and similar values"
            )
            todo = "write a decimal point, not a comma; until then they are text"
            problems.append(warning(found, "numbers", todo))
    return problems


def _codes(covariates: pd.DataFrame) -> list[Problem]:
    """Warn that the meaning of a numeric sex is unknown."""
    if "sex" not in covariates or not pd.api.types.is_numeric_dtype(covariates["sex"]):
        return []
    codes = sorted(covariates["sex"].dropna().unique())
    found = f"sex = {' or '.join(f'{code:g}' for code in codes[:4])}"
    todo = (
        'set levels="sex: 0=M, 1=F" according to the codes, or write F and M, so that women and '
        "men can be compared; until then it is a number"
    )
    return [warning(found, "F or M", todo)] if codes else []
