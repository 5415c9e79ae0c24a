"""Spellings of the categories and columns of covariates; imports no other room.

Categories are compared by a key: `F`, `female` and `women` are one sex, `HC` and `controls` one
group. Numbers such as 0 and 1 name a category only if a code book defines them.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Real

CodeBook = Mapping[str, Mapping[str, str]]  # column → code → category

SPELLINGS = {  # of categories, by standard column name; the first spelling is the one written
    "sex": (
        ("F", "female", "females", "woman", "women", "girl", "girls"),
        ("M", "male", "males", "man", "men", "boy", "boys"),
    ),
    "group": (
        ("patient", "patients", "pat", "pt", "pts", "case", "cases"),
        (
            *("control", "controls", "ctrl", "ctrls", "ctl", "ctls", "hc", "hcs", "healthy"),
            *("healthycontrol", "healthycontrols", "healthyvolunteer", "healthyvolunteers"),
            *("normalcontrol", "normalcontrols", "nc", "cn", "hv"),
        ),
    ),
}
COLUMNS = {  # other names of the standard columns, as `_plain` returns them
    "age": "ageyears ageyrs ageyr ageinyears ageatscan ageatscanyears ageatmri ageatvisit "
    "ageatimaging ageatexam scanage agescan",
    "sex": "gender sexatbirth biologicalsex ptgender mf",
    "group": "diagnosis dx dxgroup diagnosisgroup diagnosticgroup clinicalgroup studygroup "
    "casecontrol",
    "site": "siteid sitename center centre centerid centreid studysite scansite",
}
CATEGORIES = ("sex", "group", "site", "scanner", "rater")  # columns whose values are names
_FAMILY = {other: name for name, others in COLUMNS.items() for other in (name, *others.split())}
_MEANT = {
    name: {spelling.casefold(): spellings[0] for spellings in kinds for spelling in spellings}
    for name, kinds in SPELLINGS.items()
}


def usual_name(column: str) -> str:
    """Return the standard name of a column (`Gender` is sex); "" without a standard name.

    Blanks, punctuation and case are ignored: `Age (years)` is age too. Standard names are age,
    sex, group and site.
    """
    return _FAMILY.get(_plain(column), "")


def level(value: object, column: str) -> str:
    """Return the standard spelling of a category (`woman` becomes F); other texts are unchanged.

    Only sexes have a standard spelling: groups keep the names of their study.

    Args:
        value: text or number of a table; 1.0 becomes `1`.
        column: name of the column, which shows whether the value is a sex.
    """
    text = _text(value)
    known = _MEANT["sex"].get(_plain(text)) if usual_name(column) == "sex" else None
    return known or text


def level_key(value: object, column: str = "") -> str:
    """Return a key that is equal for all spellings of one category of a column.

    Args:
        value: text or number of a table.
        column: name; spellings of sexes and groups are equal only in a column of this kind; in
            any other column (or "") case alone is ignored.
    """
    text = _text(value)
    known = _MEANT.get(usual_name(column), {}).get(_plain(text))
    return (known or text).casefold()


def one_spelling(
    values: Iterable[str], column: str, wanted: Collection[str] = ()
) -> dict[str, str]:
    """Map each spelling in a column to the written spelling: that of `wanted`, else the first.

    Sexes become F and M unless `wanted` spells them otherwise.
    """
    first = {level_key(name, column): name for name in wanted}
    spelling_of = {}
    for value in dict.fromkeys(values):
        spelling_of[value] = first.setdefault(level_key(value, column), level(value, column))
    return spelling_of


def usual_columns(
    columns: Sequence[str], requested: Collection[str] = ()
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Map columns to standard names, and list groups of columns where the choice is ambiguous.

    `requested` are names that hypotheses use. A column with a requested or standard name keeps it.
    Of the other columns that mean age, sex, group or site, one is renamed to the requested name, or
    else the standard name, if it is the only candidate.
    """
    spelt = {name.casefold(): name for name in requested}
    renamed, several = {}, {}
    for usual in COLUMNS:
        alike = [name for name in columns if usual_name(name) == usual]
        wanted = [name for name in requested if usual_name(name) == usual]
        has = {name.casefold() for name in alike}
        lacking = [name for name in (wanted or [usual]) if name.casefold() not in has]
        free = [name for name in alike if name.casefold() not in {usual, *spelt}]
        if len(lacking) == len(free) == 1:
            renamed[free[0]] = lacking[0]
        elif lacking and len(free) > 1:
            several[lacking[0]] = free
    return renamed, several


def spelt_as(name: str, columns: Iterable[str]) -> str:
    """Find the column that a name means: same name in any case, or the only one of its kind.

    Without such a column the name is returned.
    """
    known = {column.casefold(): column for column in columns}
    if name.casefold() in known:
        return known[name.casefold()]
    usual = usual_name(name)
    alike = [column for column in known.values() if usual and usual_name(column) == usual]
    return alike[0] if len(alike) == 1 else name


def code_book(text: str) -> dict[str, dict[str, str]]:
    """Parse a code book such as `sex: 0=M, 1=F; dx: 0=control, 1=patient`.

    Raises:
        ValueError: the text has another form, or a code is repeated.
    """
    codes_by_column: dict[str, dict[str, str]] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        column, _, rest = part.partition(":")
        pairs = [pair.partition("=") for pair in rest.split(",") if pair.strip()]
        codes = {code_key(code): name.strip() for code, _, name in pairs}
        whole = column.strip() and codes and all(codes) and all(codes.values())
        if not whole or len(codes) < len(pairs):
            raise ValueError(f"found {part!r}, wanted a column with its codes: sex: 0=M, 1=F")
        codes_by_column[column.strip()] = codes
    return codes_by_column


def codes_of(column: str, book: CodeBook) -> Mapping[str, str]:
    """Return the codes of a column, found by any of its names; empty if the book has none.

    Keys are normalised by `code_key`; values are names of categories. Where the book has several
    names of the same standard column and none is that of the column, it has no codes for it.
    """
    names = {name.casefold(): name for name in book}
    usual = usual_name(column)
    same = [name for name in book if usual and usual_name(name) == usual]
    name = names.get(column.casefold()) or (same[0] if len(same) == 1 else None)
    return {code_key(code): meant for code, meant in book[name].items()} if name else {}


def code_key(code: object) -> str:
    """Normalise a code: 1, 1.0 and `01` are equal.

    Other texts only lose blanks at their ends.
    """
    text = str(code).strip()
    try:
        return f"{float(text):.15g}"
    except ValueError:
        return text


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value).strip()
    return f"{float(value):.15g}"  # fewer digits would merge two long numbers


def _plain(text: str) -> str:
    """Return letters and digits only, in lower case."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\W_]", "", folded)
