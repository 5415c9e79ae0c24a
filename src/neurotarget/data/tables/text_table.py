"""Reading of text tables: CSV, TSV and the variants that spreadsheets export."""

import codecs
import csv
import re
from collections.abc import Collection, Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from neurotarget.data.reading_results import whole_number
from neurotarget.data.tables.columns import alike_columns
from neurotarget.files.reading import MOST_TEXT, read_bytes
from neurotarget.files.unfetched import unfetched
from neurotarget.printable import uncell
from neurotarget.problems import Problem, error, some, warning

MISSING = frozenset({"", "n/a", "na", "nan", "none", "null"})
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
EXCEL_HEAD = re.compile(r"sep=(.)\r?\n")  # first line in which Excel declares the separator
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
COMMA = re.compile(r"[+-]?\d+,\d+")
ID = re.compile(  # columns whose cells are names, even if they look like numbers
    r"id|.*[_ ]id|sub(?:ject|jid)?|ses(?:sion)?|run|measure:.*", re.IGNORECASE
)
INTEGER = re.compile(r"[+-]?\d+")


class TextTable(NamedTuple):
    """A table as text: columns in order, one mapping from column to text per row."""

    columns: list[str]
    rows: list[dict[str, str]]
    problems: list[Problem]
    lines: Sequence[int] = ()  # line of the file in which each row starts


def read_text_table(path: Path, *, ids: Collection[str] = ()) -> TextTable:
    """Read a CSV or TSV file as text; columns without a name are dropped.

    Excel's exports are read too: UTF-16, Windows-1252 (with a warning), semicolons, a first line
    `sep=;`, and decimal commas if another separator splits the cells (with a warning). Columns of
    ids, those of standard names and those in `ids`, stay unchanged.

    Nothing is raised: a file that cannot be read gives a table without rows, with the problem.
    """
    if absent := unfetched(path):
        wrong = error(absent.found, "CSV or TSV", absent.todo, file=path)
        return TextTable([], [], [wrong])
    try:
        text, problems = _text(path)
        lines, separator = _cells(path, text)
    except FileNotFoundError:
        problem = error("no such file", "CSV or TSV", "check the path", file=path)
        return TextTable([], [], [problem])
    except (OSError, UnicodeDecodeError, csv.Error) as reason:
        todo = "save it as UTF-8 text with commas or tabs"
        return TextTable([], [], [error(f"no table ({reason})", "CSV or TSV", todo, file=path)])
    columns = lines[0][1] if lines else []
    named = [name for name in columns if name]
    problems += _head_problems(named, path)
    rows, numbers = [], []
    for number, cells in lines[1:]:
        if not any(cells):
            continue
        if len(cells) != len(columns):
            found = f"{len(cells)} cells in line {number}"
            todo = "quote cells that hold a separator, fill empty ones with n/a"
            problems.append(error(found, f"{len(columns)}, as in the head", todo, file=path))
            continue
        rows.append({name: cell for name, cell in zip(columns, cells, strict=True) if name})
        numbers.append(number)
    if separator != ",":
        numeric = [name for name in named if not (ID.fullmatch(name) or name in ids)]
        problems += _point_decimals(rows, numeric, path, any_comma=separator == ";")
    return TextTable(named, rows, problems, numbers)


def _head_problems(columns: Sequence[str], path: Path) -> list[Problem]:
    """Problems of columns whose names are easily confused."""
    twice = sorted({name for name in columns if columns.count(name) > 1})
    ambiguous = [f"the columns {', '.join(twice)} twice"] if twice else []
    ambiguous += alike_columns(columns)
    return [error(one, "each column once", "rename or drop one", file=path) for one in ambiguous]


def is_missing(text: str) -> bool:
    """Return whether a cell means that there is no value.

    These are empty cells, n/a, na, nan, none and null, in any case.
    """
    return text.casefold() in MISSING


def align_ids(ids: Iterable[str], known: Collection[str], prefix: str = "sub-") -> dict[str, str]:
    """Map each id to the known id that it means; ids without a match are left out.

    Ids match with and without the prefix. Whole numbers also match if they differ only in leading
    zeros, which spreadsheets drop, unless several ids of either side have that number.

    Args:
        ids: of one table.
        known: of another.
        prefix: `sub-` of people, `ses-` of sessions.
    """
    plain = {text.removeprefix(prefix): text for text in known}
    exact, rest = {}, []
    for text in dict.fromkeys(ids):
        bare = text.removeprefix(prefix)
        if bare in plain:
            exact[text] = plain[bare]
        else:
            rest.append(text)
    free = _by_number([text for text in plain.values() if text not in exact.values()], prefix)
    wanted = _by_number(rest, prefix)
    loose = {
        texts[0]: free[number][0]
        for number, texts in wanted.items()
        if len(texts) == len(free.get(number, ())) == 1
    }
    return exact | loose


def _by_number(ids: Iterable[str], prefix: str) -> dict[int, list[str]]:
    ids_by_number: dict[int, list[str]] = {}
    for text in ids:
        if (number := whole_number(text.removeprefix(prefix))) is not None:
            ids_by_number.setdefault(number, []).append(text)
    return ids_by_number


def _text(path: Path) -> tuple[str, list[Problem]]:
    content = read_bytes(path, MOST_TEXT)
    if content.startswith(UTF16):
        return content.decode("utf-16"), []
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        text = content.decode("cp1252")
        if CONTROL.search(text):
            raise  # a spreadsheet or an archive
    todo = "check its special characters, and save it as UTF-8"
    found = "a table that is not UTF-8, read as Windows-1252"
    return text, [warning(found, "UTF-8", todo, file=path)]


def _cells(path: Path, text: str) -> tuple[list[tuple[int, list[str]]], str]:
    """Cells of each line with its line number in the file, and the separator."""
    head = EXCEL_HEAD.match(text)
    skipped, text = (1, text[head.end() :]) if head else (0, text)
    separator = head[1] if head else _separator(path, text)
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator)
    lines, begin = [], 1
    for cells in reader:
        if any(map(CONTROL.search, cells)):
            raise csv.Error(f"control characters in line {begin + skipped}")
        lines.append((begin + skipped, [uncell(cell.strip()) for cell in cells]))
        begin = reader.line_num + 1  # a quoted cell may span several lines
    return lines, separator


def _separator(path: Path, text: str) -> str:
    head = text.split("\n", 1)[0]
    if path.suffix.lower() == ".tsv" and "\t" in head:
        return "\t"
    return max(",\t;", key=head.count)  # the comma if there is no separator at all


def _point_decimals(
    rows: Sequence[dict[str, str]], columns: Sequence[str], path: Path, *, any_comma: bool
) -> list[Problem]:
    """Replace decimal commas by points in columns of numbers, and name these columns.

    Three digits after each comma may be thousands; they count as decimals with `any_comma`, as in
    tables separated by semicolons.
    """
    corrected = []
    for name in columns:
        texts = [row[name] for row in rows if not is_missing(row[name])]
        commas = [text for text in texts if COMMA.fullmatch(text)]
        whole = sum(INTEGER.fullmatch(text) is not None for text in texts)
        is_decimal = any_comma or any(len(text.partition(",")[2]) != 3 for text in commas)
        if commas and is_decimal and len(commas) + whole == len(texts):
            corrected.append(name)
            for row in rows:
                row[name] = row[name].replace(",", ".")
    todo = "they are read as numbers; export points if that is wrong"
    found = f"decimal commas in the columns {some(corrected)}"
    return [warning(found, "decimal points", todo, file=path)] if corrected else []
