"""The page of maps made from magnitude and phase: pictures, numbers and facts of each scan."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from neurotarget.report.figures.study_figures import NamedFigure
from neurotarget.report.pages.plain_page import (
    Body,
    Grid,
    Head,
    Heading,
    Section,
    page_figures,
    write_plain,
)
from neurotarget.report.text.definitions import Definition
from neurotarget.report.text.headed_tables import About
from neurotarget.report.text.sentences import DASH, MINUS, counted

MOST_PICTURES = 24  # most pictures on a page; each takes about 60 kB
TITLES = {"qsm": "Susceptibility maps", "swi": "Susceptibility-weighted images"}
QUESTIONS = {
    "qsm": "How much do tissues of each scan strengthen or weaken the main field, in ppm?",
    "swi": "Where in each scan do veins and iron shift the phase?",
}
CAPTIONS = {
    "qsm": "Susceptibility in ppm, on one grey scale for all scans: paramagnetic (iron, "
    "deoxygenated blood) is bright, diamagnetic (myelin, calcium) dark.",
    "swi": "Magnitude darkened where phase is shifted: veins, iron and microbleeds are dark.",
}
STATES = {"done": "made", "kept": "kept from before", "failed": "failed"}
TABLES = {
    "scans": About(
        "Scans",
        "A row a scan: what it was made from and how, and its numbers.",
        is_printed=True,
        headings={"te_ms": "TE, ms", "field_t": "Field, T", "b0": "B0"},
        kinds={"field_t": "setting"},
    )
}
DEFINITIONS = {
    "qsm": (
        Definition(
            "Susceptibility",
            "How strongly tissue is magnetised in a field, in ppm (SI), relative to the mean of "
            "the brain where that is the reference. Only differences within a scan have a "
            "meaning of their own.",
            "Haacke 2015",
            "10.1016/j.mri.2014.09.004",
            ("scans", "", ""),
        ),
        Definition(
            "Mask left",
            "Share of the brain that background field removal leaves: at the edge of the brain "
            "the background cannot be told from the brain's own field.",
            "Schweser 2011",
            "10.1016/j.neuroimage.2010.10.070",
            ("scans", "mask_left", ""),
        ),
    ),
    "swi": (
        Definition(
            "Susceptibility-weighted image",
            "Magnitude multiplied several times by a mask that filtered phase makes.",
            "Haacke 2004",
            "10.1002/mrm.20198",
            ("scans", "", ""),
        ),
    ),
}


@dataclass(frozen=True)
class GRECase:
    """Result of one scan: `facts` by heading, `numbers` by column of the table.

    `status` is done, kept (from an earlier run) or failed; `note` is the reason, or a warning.
    """

    case_id: str
    status: str
    note: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    picture: Figure | None = None


def write_gre_page(
    path: Path,
    cases: Sequence[GRECase],
    *,
    kind: str,
    notes: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
    title: str = "",
) -> None:
    """Write `qsm.html` or `swi.html` as one self-contained file, atomically.

    Raises:
        DataError: the file cannot be written.
    """
    good = [case for case in cases if case.status != "failed"]
    failed = [case for case in cases if case.status == "failed"]
    head = Head(
        title or TITLES[kind], TITLES[kind], QUESTIONS[kind], _cohort(good, failed), _answer(good)
    )
    drawn = [case for case in good if case.picture is not None]
    figures = [
        NamedFigure(f"scan_{number}", case.case_id, _caption(case, kind), case.picture)
        for number, case in enumerate(drawn[:MOST_PICTURES], start=1)
    ]
    more = len(drawn) - MOST_PICTURES
    omitted = [f"Pictures of {more} more scans are not shown."] if more > 0 else []
    body = Body(
        page_figures(figures),
        {"scans": scans_table(cases)},
        [*notes, *omitted],
        dict(facts or {}),
        about=TABLES,
        known=DEFINITIONS[kind],
        words=STATES,
        figures_lead="Three planes of each scan; the patient's right is on the left.",
    )
    write_plain(path, head, body, [*_failures(failed), *_statements(good)], target=kind)


def scans_table(cases: Sequence[GRECase]) -> pd.DataFrame:
    """Return one row per scan with its facts and numbers."""
    rows = [
        {
            "case_id": case.case_id,
            "status": case.status,
            **{_key(name): text for name, text in case.facts.items()},
            **case.numbers,
            "note": case.note,
        }
        for case in cases
    ]
    return pd.DataFrame(rows)


def _key(name: str) -> str:
    return "".join(sign if sign.isalnum() else "_" for sign in name.casefold()).strip("_")


def _cohort(good: Sequence[GRECase], failed: Sequence[GRECase]) -> str:
    kept = sum(case.status == "kept" for case in good)
    text = counted(len(good) + len(failed), "scan")
    parts = [f"{len(good) - kept} made"]
    parts += [f"{kept} kept from before"] if kept else []
    parts += [f"{len(failed)} failed"] if failed else []
    return f"{text}: {', '.join(parts)}."


def _answer(good: Sequence[GRECase]) -> str:
    looked = [case.case_id for case in good if case.note]
    if not looked:
        return ""
    return f"To look at: {', '.join(looked[:5])}{', …' if len(looked) > 5 else ''}."


def _caption(case: GRECase, kind: str) -> str:
    note = f"{case.note[:1].upper()}{case.note[1:].rstrip('.')}." if case.note else ""
    return " ".join(part for part in (CAPTIONS[kind], note) if part)


def _failures(failed: Sequence[GRECase]) -> list[Section]:
    if not failed:
        return []
    grid = Grid(
        "Scans that failed",
        [Heading("Scan", "text"), Heading("Reason", "text")],
        [(case.case_id, case.note) for case in failed],
    )
    return [Section("failed", "What failed", grid=grid)]


def _statements(good: Sequence[GRECase]) -> list[Section]:
    """Sections on the input of each map, and on its numbers."""
    if not good:
        return []
    headings = list(dict.fromkeys(name for case in good for name in case.facts))
    numbers = list(dict.fromkeys(name for case in good for name in case.numbers))
    columns = [Heading("Scan", "text"), *(Heading(name, "text") for name in headings)]
    columns += [Heading(_heading(name)) for name in numbers]
    rows = [
        [
            case.case_id,
            *(case.facts.get(name, DASH) for name in headings),
            *(_number(name, case.numbers.get(name)) for name in numbers),
        ]
        for case in good
    ]
    lead = "Scale and sign of the phase are read from the data unless they were given as arguments."
    return [
        Section("statements", "What went in and what came out", lead, Grid("Scans", columns, rows))
    ]


def _heading(name: str) -> str:
    heading = name.replace("_ppm", ", ppm").replace("_", " ")
    return heading.replace("sd", "SD") if heading.startswith("sd") else heading.capitalize()


def _number(name: str, value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{100 * value:.0f} %" if name.endswith(("left", "share")) else f"{value:.4g}"
    if name.endswith("_ppm"):
        text = f"{value:.4f}"
    return text.replace("-", MINUS)
