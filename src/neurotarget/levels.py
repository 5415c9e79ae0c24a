"""Categories and columns of covariates, however people spell them; imports nothing of ours.

A category is compared by its key: `F`, `female` and `women` are one sex, `HC` and `controls` one
group. Numbers such as 0 and 1 name a category only where a code book says which.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Real

CodeBook = Mapping[str, Mapping[str, str]]  # column → code → category

SPELLINGS = {  # of categories, by the usual name of their column; the first is how it is written
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
COLUMNS = {  # other names of the columns that a study knows, as `_plain` leaves them
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
    name: {spelling.casefold(): ways[0] for ways in kinds for spelling in ways}
    for name, kinds in SPELLINGS.items()
}


def usual_name(column: str) -> str:
    """The name by which a study knows a column: `Gender` is sex; "" of a column of its own."""
    return _FAMILY.get(_plain(column), "")


def level(value: object, column: str) -> str:
    """A category as it is written: `woman` of a column of sexes as F, any other as it stands."""
    text = _text(value)
    known = _MEANT["sex"].get(_plain(text)) if usual_name(column) == "sex" else None
    return known or text


def level_key(value: object, column: str = "") -> str:
    """What two spellings of one category of a column have in common."""
    text = _text(value)
    known = _MEANT.get(usual_name(column), {}).get(_plain(text))
    return (known or text).casefold()


def one_spelling(
    values: Iterable[str], column: str, wanted: Collection[str] = ()
) -> dict[str, str]:
    """How each spelling in a column is to be written: as in `wanted`, else as the first of its key.

    Sexes are F and M unless `wanted` writes them in another way.
    """
    first = {level_key(name, column): name for name in wanted}
    found = {}
    for value in dict.fromkeys(values):
        found[value] = first.setdefault(level_key(value, column), level(value, column))
    return found


def usual_columns(
    columns: Sequence[str], asked: Collection[str] = ()
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """New names for columns that mean a usual one, and columns of which it is open which is meant.

    `asked` are names that hypotheses use. A column that has an asked or a usual name keeps it; of
    the others the only one that means age, sex, group or site is called so.
    """
    spelt = {name.casefold(): name for name in asked}
    renamed, several = {}, {}
    for usual in COLUMNS:
        alike = [name for name in columns if usual_name(name) == usual]
        wanted = [name for name in asked if usual_name(name) == usual]
        has = {name.casefold() for name in alike}
        lacking = [name for name in (wanted or [usual]) if name.casefold() not in has]
        free = [name for name in alike if name.casefold() not in {usual, *spelt}]
        if len(lacking) == len(free) == 1:
            renamed[free[0]] = lacking[0]
        elif lacking and len(free) > 1:
            several[lacking[0]] = free
    return renamed, several


def spelt_as(name: str, columns: Iterable[str]) -> str:
    """The column that a name means: of this name in whatever case, or the only one of its kind."""
    known = {column.casefold(): column for column in columns}
    if name.casefold() in known:
        return known[name.casefold()]
    usual = usual_name(name)
    alike = [column for column in known.values() if usual and usual_name(column) == usual]
    return alike[0] if len(alike) == 1 else name


def code_book(text: str) -> dict[str, dict[str, str]]:
    """Read `sex: 0=M, 1=F; dx: 0=control, 1=patient`.

    Raises:
        ValueError: the text has another form, or one code stands twice.
    """
    found: dict[str, dict[str, str]] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        column, _, rest = part.partition(":")
        pairs = [pair.partition("=") for pair in rest.split(",") if pair.strip()]
        codes = {code_key(code): name.strip() for code, _, name in pairs}
        whole = column.strip() and codes and all(codes) and all(codes.values())
        if not whole or len(codes) < len(pairs):
            raise ValueError(f"found {part!r}, wanted a column with its codes: sex: 0=M, 1=F")
        found[column.strip()] = codes
    return found


def codes_of(column: str, book: CodeBook) -> Mapping[str, str]:
    """The codes of a column, which the book may call by another of its names; none is empty."""
    names = {name.casefold(): name for name in book}
    usual = usual_name(column)
    same = [name for name in book if usual and usual_name(name) == usual]
    name = names.get(column.casefold()) or (same[0] if len(same) == 1 else None)
    return {code_key(code): meant for code, meant in book[name].items()} if name else {}


def code_key(code: object) -> str:
    """A code however it is written: 1, 1.0 and `01` are one."""
    text = str(code).strip()
    try:
        return f"{float(text):.15g}"
    except ValueError:
        return text


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value).strip()
    return f"{float(value):.15g}"  # fewer figures would make one of two long numbers


def _plain(text: str) -> str:
    """Letters and digits alone, in lower case."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\W_]", "", folded)
