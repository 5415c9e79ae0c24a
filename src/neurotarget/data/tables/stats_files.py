"""Volumes that FreeSurfer, FastSurfer and neurotarget keep in `.stats` files, as a table.

Structures are named as in FreeSurfer's table, regions of the cortex `ctx-lh-…`. The cortex and the
white matter of a hemisphere, which aseg.stats measures between surfaces, are
`Left-Cerebral-Cortex` and so on; the intracranial volume is the covariate `etiv_mm3`.
"""

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from neurotarget.anatomy.structures import find
from neurotarget.data.tables.text_table import TextTable
from neurotarget.files.reading import MOST_TEXT, read_bytes
from neurotarget.problems import DataError, error

SUFFIX = ".stats"
CASE, METHOD, ETIV = "case_id", "method", "etiv_mm3"
LAYERS = {  # measures of aseg.stats; before FreeSurfer 6 white matter was called cortical
    "lhCortexVol": "Left-Cerebral-Cortex",
    "rhCortexVol": "Right-Cerebral-Cortex",
    "lhCerebralWhiteMatterVol": "Left-Cerebral-White-Matter",
    "rhCerebralWhiteMatterVol": "Right-Cerebral-White-Matter",
    "lhCorticalWhiteMatterVol": "Left-Cerebral-White-Matter",
    "rhCorticalWhiteMatterVol": "Right-Cerebral-White-Matter",
    "eTIV": ETIV,
}
TOOLS = {"neurotarget": "neurotarget", "segstats.py": "FastSurfer"}  # else FreeSurfer
INTRACRANIAL = "total intracranial"  # in SynthSeg's tables
TABLES = {  # columns that only the tables of a tool have
    "neurotarget": {"status", "made_from"},
    "SynthSeg": {"subject", INTRACRANIAL},
}
RELEASE = re.compile(r"\d+\.[\w.-]*")
# of each kind the first that a subject has; FastSurfer's own come first
KINDS = (
    ("aseg.stats", "aseg+DKT.stats", "aseg+DKT.VINN.stats"),
    *(
        tuple(f"{hemi}.aparc{end}.stats" for end in (".DKTatlas.mapped", ".DKTatlas", ""))
        for hemi in ("lh", "rh")
    ),
)


class StatsTable(NamedTuple):
    """One row per subject, and the tool that measured, with its release where it is stated."""

    table: TextTable
    tool: str


class _Stats(NamedTuple):
    subject: str
    tool: str
    values: dict[str, str]


def read_stats(path: Path) -> StatsTable:
    """Read a file of statistics, or those of all subjects of a folder.

    For each subject, aseg and the DKT atlas are read; Desikan's atlas is read where there is no
    DKT atlas.

    Args:
        path: a file, or a folder that holds `<subject>/stats/`, as FreeSurfer's SUBJECTS_DIR, or
            such files itself.

    Returns:
        Volumes in mm³ as text, `n/a` where a subject has none, with problems of files; and the tool
        of the first file.
    """
    rows: dict[str, dict[str, str]] = {}
    problems, tools = [], []
    for file in _files(path):
        try:
            one = _parsed(file)
        except DataError as wrong:
            problems += wrong.problems
            continue
        row = rows.setdefault(one.subject, {CASE: one.subject})
        tools.append(one.tool)
        for name, value in one.values.items():
            if row.setdefault(name, value) != value and name != ETIV:
                todo = "give one of the files"
                problems.append(error(f"two volumes of {name}", "one", todo, file=file))
    if not rows and not problems:
        wanted = f"files {', '.join(KINDS[0])}, in it or in <subject>/stats"
        problems.append(error("a folder without statistics", wanted, "check the path", file=path))
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    whole = [{name: row.get(name, "n/a") for name in columns} for row in rows.values()]
    return StatsTable(TextTable(columns, whole, problems), tools[0] if tools else "")


def tool_of(columns: Sequence[str]) -> str:
    """The tool that wrote a table of volumes, from its columns; "" if unknown."""
    known = {name.casefold() for name in columns}
    return next((tool for tool, own in TABLES.items() if own <= known), "")


def with_methods(
    tables: Sequence[tuple[TextTable, str]], labels: Collection[str]
) -> list[TextTable]:
    """Add a column `method` to the tables if several tools have measured.

    If labels are given, other structures are left out of the tables of tools. The intracranial
    volume is that of the first tool.

    Args:
        tables: each with its tool; "" for a table of no tool, which stays as it is.
        labels: structures that are wanted, in any of their names; none to keep all.
    """
    tools = list(dict.fromkeys(tool for _, tool in tables if tool))
    wanted = {find(label) for label in labels}
    made = []
    for table, tool in tables:
        if not tool:
            made.append(table)
            continue
        names = {
            name: ETIV if name.casefold() == INTRACRANIAL else name
            for name in table.columns
            if not labels or find(name) is None or find(name) in wanted
        }
        method = {METHOD: tool} if len(tools) > 1 and METHOD not in names else {}
        kept = {old: new for old, new in names.items() if new != ETIV or tool == tools[0]}
        rows = [{**{new: row[old] for old, new in kept.items()}, **method} for row in table.rows]
        made.append(table._replace(columns=[*kept.values(), *method], rows=rows))
    return made


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = []
    for folder in (path, *sorted(path.glob("*/stats"))):
        for kind in KINDS:
            found += [folder / name for name in kind if (folder / name).is_file()][:1]
    return [*found, *sorted(path.glob(f"*_aseg{SUFFIX}"))]


def _parsed(path: Path) -> _Stats:
    """Volumes of one file.

    Raises:
        DataError: the file cannot be read, or is no table of statistics.
    """
    facts, measures, heads, rows = {}, {}, [], []
    for line in read_bytes(path, MOST_TEXT).decode("utf-8", "replace").splitlines():
        if not line.startswith("#"):
            rows.append(line.split())
            continue
        key, _, value = line.lstrip("# ").partition(" ")
        if key == "Measure" and value.count(",") >= 4:
            _, name, *_, amount, _unit = (part.strip() for part in value.split(","))
            measures[name] = amount
        elif key == "ColHeaders":
            heads = value.split()
        else:
            facts.setdefault(key, value.strip())
    column = next((name for name in ("Volume_mm3", "GrayVol") if name in heads), "")
    rows = [row for row in rows if row]
    if not column or "StructName" not in heads or any(len(row) != len(heads) for row in rows):
        todo = "give aseg.stats, lh.aparc.stats and rh.aparc.stats as their tool wrote them"
        raise DataError(error("no table of volumes", "statistics", todo, file=str(path)))
    names = [row[heads.index("StructName")] for row in rows]
    is_surface = column == "GrayVol"
    names = [
        f"ctx-{facts.get('hemi', path.name[:2])}-{one}" if is_surface else one for one in names
    ]
    volumes = dict(zip(names, (row[heads.index(column)] for row in rows), strict=True))
    layers = {LAYERS[name]: value for name, value in measures.items() if name in LAYERS}
    return _Stats(_subject(path, facts), _tool(facts), {**layers, **volumes})


def _subject(path: Path, facts: dict[str, str]) -> str:
    """Name of the subject: as the file states it, else that of its folder, else from the file."""
    folder = path.absolute().parent
    from_place = folder.parent.name if folder.name == "stats" else path.name.partition("_aseg")[0]
    return facts.get("subjectname") or from_place


def _tool(facts: dict[str, str]) -> str:
    program = facts.get("generating_program", "")
    tool = TOOLS.get(Path(program).name, "FreeSurfer")
    release = facts.get("cvs_version", "")
    return f"{tool}-{release}" if RELEASE.fullmatch(release) else tool
