"""The page of maps made from magnitude and phase: pictures, numbers and facts of each scan.

Scans that failed come first; notes name problems to check, such as an inverted sign of phase.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure

from neurotarget.number_text import DASH, is_known, number
from neurotarget.report.figures.named_figures import NamedFigure
from neurotarget.report.sections.plain_page import (
    Body,
    Grid,
    Head,
    Section,
    headings,
    page_figures,
    render_page,
)
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.definitions import known_definitions
from neurotarget.report.text.headed_tables import table_specs
from neurotarget.report.text.numbers import counted
from neurotarget.report.text.sentences import as_sentence

MOST_PICTURES = 24  # most pictures on a page; each takes about 60 kB
TITLES = {"qsm": "Susceptibility maps", "swi": "Susceptibility-weighted images"}
QUESTIONS = {
    "qsm": "How much do tissues of each scan strengthen or weaken the main field, in ppm?",
    "swi": "Where in each scan do veins and iron shift the phase?",
}
STATES = {"done": "made", "kept": "kept from before", "failed": "failed"}


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


def gre_html(
    cases: Sequence[GRECase],
    *,
    kind: str,
    notes: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
    title: str = "",
) -> str:
    """Return the page of maps (`qsm`) or images (`swi`) as one HTML document.

    Args:
        cases: one per scan; failed ones have a section of their own at the top.
        kind: qsm or swi, which selects title, question and captions.
        notes: sentences for the foot of the page.
        facts: settings and device, by name.
        title: "" takes that of the kind.
    """
    good = [case for case in cases if case.status != "failed"]
    failed = [case for case in cases if case.status == "failed"]
    head = Head(
        title or TITLES[kind], TITLES[kind], QUESTIONS[kind], _cohort(good, failed), _answer(good)
    )
    pictured = [case for case in good if case.picture is not None]
    figures = [
        NamedFigure(f"scan_{number}", case.case_id, _caption(case, kind), case.picture)
        for number, case in enumerate(pictured[:MOST_PICTURES], start=1)
    ]
    more = len(pictured) - MOST_PICTURES
    omitted = [f"Pictures of {more} more scans are not shown."] if more > 0 else []
    body = Body(
        page_figures(figures),
        {"scans": scans_table(cases)},
        [*notes, *omitted],
        dict(facts or {}),
        specs=table_specs("gre"),
        known=known_definitions(kind),
        values=STATES,
        figures_lead="Three planes of each scan; the patient's right is on the left.",
    )
    return render_page(head, body, [*_failures(failed), *_statements(good)], target=kind)


def scans_table(cases: Sequence[GRECase]) -> pd.DataFrame:
    """Return one row per scan with its facts and numbers.

    Columns are `case_id`, `status`, the facts by their headings as lower-case names, the numbers,
    and `note`; a scan that lacks a fact has NaN there.
    """
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
    return f"Look at these scans: {', '.join(looked[:5])}{', …' if len(looked) > 5 else ''}."


def _caption(case: GRECase, kind: str) -> str:
    note = as_sentence(case.note.rstrip("."))
    return " ".join(part for part in (page_text(f"gre.{kind}"), note) if part)


def _failures(failed: Sequence[GRECase]) -> list[Section]:
    if not failed:
        return []
    grid = Grid(
        "Scans that failed",
        headings(["Scan", "Reason"]),
        [(case.case_id, case.note) for case in failed],
    )
    return [Section("failed", "What failed", grids=[grid])]


def _statements(good: Sequence[GRECase]) -> list[Section]:
    """Return sections on the input and the numbers of each map."""
    if not good:
        return []
    facts = list(dict.fromkeys(name for case in good for name in case.facts))
    numbers = list(dict.fromkeys(name for case in good for name in case.numbers))
    columns = headings(["Scan", *facts], list(map(_heading, numbers)))
    rows = [
        [
            case.case_id,
            *(case.facts.get(name, DASH) for name in facts),
            *(_number(name, case.numbers.get(name)) for name in numbers),
        ]
        for case in good
    ]
    lead = page_text("gre.lead")
    return [
        Section("statements", "Input and result of each scan", lead, [Grid("Scans", columns, rows)])
    ]


def _heading(name: str) -> str:
    heading = name.replace("_ppm", ", ppm").replace("_", " ")
    return heading.replace("sd", "SD") if heading.startswith("sd") else heading.capitalize()


def _number(name: str, value: float | None) -> str:
    if name.endswith(("left", "share")) and is_known(value):
        return f"{number(100 * value, 0)} %"
    return number(value, 4 if name.endswith("_ppm") else None)
