"""The report: one HTML file that needs nothing else, verdicts first.

What comes from the study reaches the page as escaped text, as JSON in which no tag can begin, or
as base64. A content security policy allows no request and no script but our own.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files as resources
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from neurotarget.files import write_text
from neurotarget.report.cards import Card, cards
from neurotarget.report.definitions import definitions
from neurotarget.report.figure import COLOURS, DARK, LIGHT
from neurotarget.report.key_numbers import failure_lines, key_numbers
from neurotarget.report.sheets import VALUES, Sheet, empty_tables, reasons, script_json, sheets
from neurotarget.report.viewer import MOST_CLASSES, PageCase, Volumes, fit_budget, fit_pictures
from neurotarget.report.words import answer, cohort, title_of
from neurotarget.stats.study import Study

__all__ = ["PageCase", "PageFigure", "page_html", "write_page"]

PAGE_BYTES = 23_500_000  # everything together; browsers and mail grow slow beyond
VOLUMES_BYTES = 14_000_000
PICTURES_BYTES = 7_000_000
# names of the page's colours beside those of the figures
DARK_PAGE = {
    "paper": "#10141a",
    "sheet": "#191f27",
    "line": "#333c47",
    "accent": "#7cc4f5",
    "on-accent": "#10141a",
    "yes": "#8fcdf8",
    "yes-back": "#12334a",
    "no": "#f6b57e",
    "no-back": "#43260d",
    "open": "#c0c9d2",
    "open-back": "#2a323b",
    "mark": "#4a3f12",
    "shadow": "none",
    "edge": "#00000099",
}
TRUTH, PRED = COLOURS[0], COLOURS[1]  # of masks in the viewer, on a grey scan
VIEWS = (
    ("multi", "Slices"),
    ("render", "3-D"),
    ("axial", "Axial"),
    ("coronal", "Coronal"),
    ("sagittal", "Sagittal"),
)
NO_PICTURE = "There is no picture of this case."
NO_ROOM = "The picture was left out, to keep this page small."
MOST_REASONS = 5
PARTS = ("image", "truth", "pred")


class PageFigure(NamedTuple):
    """A figure as it stands on the page; without `svg` the caption says why it was left out."""

    name: str
    title: str
    caption: str
    svg: str | None


class _Place(NamedTuple):
    """A case in the gallery; `png` is base64, `why` says what stands in its place."""

    case_id: str
    anchor: str
    rank: str
    caption: str
    flags: Sequence[str]
    png: str | None
    why: str
    has_volumes: bool


def write_page(
    path: Path,
    study: Study,
    figures: Sequence[PageFigure],
    cases: Sequence[PageCase],
    *,
    title: str,
) -> None:
    """Write the report of a study as one file, whole or not at all.

    Pictures and volumes of the most telling cases are kept, others left out and counted on the
    page, so that it stays below 25 MB.

    Raises:
        DataError: the disk refuses it.
    """
    write_text(path, page_html(study, figures, cases, title=title))


def page_html(
    study: Study, figures: Sequence[PageFigure], cases: Sequence[PageCase], *, title: str
) -> str:
    """The report as text."""
    drawn = [figure._replace(svg=_svg(figure.svg)) for figure in figures]
    pictures = fit_pictures(cases, PICTURES_BYTES)
    found = sheets(study.tables)
    page_sheets = [_sheet_json(sheet) for sheet in found]
    used = sum(len(text or "") for text in (*pictures, *(one.svg for one in drawn), *page_sheets))
    room = PAGE_BYTES - used - len(_asset("niivue.umd.js"))
    volumes = fit_budget(cases, max(min(VOLUMES_BYTES, room), 0))
    scripts = _scripts(has_viewer=any(volumes))
    return _template().render(
        title=title,
        **_findings(study),
        **_viewer(study, cases, volumes),
        figures=drawn,
        gallery=[_place(*every) for every in zip(cases, pictures, volumes, strict=True)],
        sheets=found,
        sheets_json=page_sheets,
        notes=[*study.notes, *_left_out(cases, pictures, volumes)],
        reasons=[_reason(*every) for every in reasons(study.tables)],
        empty=empty_tables(study.tables),
        definitions=definitions(study.tables),
        facts=study.facts,
        sections=_sections(drawn, cases, found),
        css=_css(),
        scripts=scripts,
        policy=_policy(scripts),
    )


def _findings(study: Study) -> dict:
    """The part of the page that is read first."""
    return {
        "question": study.measured.target.question,
        "cohort": cohort(study),
        "answer": answer(study),
        "cards": [{**card._asdict(), "strip_words": _strip_words(card)} for card in cards(study)],
        "numbers": key_numbers(study),
        "failures": failure_lines(study),
        "methods": study.measured.methods,
    }


def _strip_words(card: Card) -> str:
    told = [
        f"{one.volumes}: {one.estimate} {one.interval} {one.unit}".strip() for one in card.results
    ]
    published = f"; expected {card.published}" if card.published else ""
    return f"Effects with 95 % intervals: {'; '.join(told)}{published}"


def _viewer(
    study: Study, cases: Sequence[PageCase], volumes: Sequence[Volumes | None]
) -> dict[str, object]:
    methods = study.measured.methods
    shown = [
        (number, part, Markup(text))
        for number, one in enumerate(volumes)
        if one
        for part, text in zip(PARTS, one, strict=True)
        if text
    ]
    return {
        "has_viewer": bool(shown),
        "views": VIEWS,
        "volumes": shown,
        "masks": [
            (part, methods[place], str(place + 1))
            for place, part in enumerate(PARTS[1:])
            if place < len(methods)
        ],
        "label_names": study.measured.target.label_names,
        "palette": COLOURS,
        "page_json": Markup(script_json(_page_data(study, cases, volumes))),
    }


def _page_data(
    study: Study, cases: Sequence[PageCase], volumes: Sequence[Volumes | None]
) -> dict[str, object]:
    """What scripts know of the page."""
    listed = [
        {
            "id": case.case_id,
            "number": number,
            "rank": case.rank,
            "caption": _bare_caption(case),
            "flags": list(dict.fromkeys(case.flags)),
            "parts": [part for part, text in zip(PARTS, one or (), strict=False) if text],
        }
        for number, (case, one) in enumerate(zip(cases, volumes, strict=True))
    ]
    labels = study.measured.target.label_names
    return {
        "target": study.measured.target.name,
        "cases": listed,
        "known": [case.case_id for case in cases],
        "colours": {"truth": _rgb(TRUTH), "pred": _rgb(PRED)},
        "palette": [_rgb(colour) for colour in COLOURS],
        "labels": labels if len(labels) <= MOST_CLASSES else [],
        "words": VALUES,
    }


def _place(case: PageCase, png: str | None, volumes: Volumes | None) -> _Place:
    return _Place(
        case.case_id,
        quote(case.case_id, safe=""),
        case.rank,
        _bare_caption(case),
        list(dict.fromkeys(case.flags)),
        Markup(png) if png else None,
        NO_ROOM if case.png else NO_PICTURE,
        volumes is not None,
    )


def _bare_caption(case: PageCase) -> str:
    """Caption without the id and rank, which stand above it."""
    return case.caption.removeprefix(f"{case.case_id} ({case.rank})").lstrip(",:; ")


def _left_out(
    cases: Sequence[PageCase],
    pictures: Sequence[str | None],
    volumes: Sequence[Volumes | None],
) -> list[str]:
    """Sentences on what the page itself leaves out."""
    told = []
    pairs = list(zip(cases, pictures, volumes, strict=True))
    if dark := sum(bool(case.png) and png is None for case, png, _ in pairs):
        told.append(
            f"{dark} of {len(cases)} pictures of cases were left out to keep the page small."
        )
    has_any = [any(part is not None for part in case[5:8]) for case in cases]
    if shut := sum(has and one is None for has, (_, _, one) in zip(has_any, pairs, strict=True)):
        told.append(
            f"The viewer holds {sum(has_any) - shut} of {sum(has_any)} cases; the others were left "
            "out to keep the page small."
        )
    return told


def _reason(heading: str, count: int, why: Mapping[str, int]) -> str:
    most = 5
    parts = [
        f"{reason} ({n})" if len(why) > 1 else reason for reason, n in list(why.items())[:most]
    ]
    more = f"; and {len(why) - most} more reasons" if len(why) > most else ""
    rows = "1 row" if count == 1 else f"{count} rows"
    return f"{heading}: {rows} could not be estimated: {'; '.join(parts)}{more}."


def _sections(
    figures: Sequence[PageFigure], cases: Sequence[PageCase], found: Sequence
) -> list[tuple[str, str]]:
    there = {
        "verdicts": True,
        "numbers": True,
        "figures": figures,
        "cases": cases,
        "tables": found,
        "notes": True,
    }
    words = {"numbers": "Key numbers"}
    return [(name, words.get(name, title_of(name))) for name, has in there.items() if has]


def _sheet_json(sheet: Sheet) -> Markup:
    known = {key: value for key, value in sheet._asdict().items() if key != "about"}
    columns = [column._asdict() for column in sheet.columns]
    return Markup(script_json({**known, "columns": columns}))


def _svg(text: str | None) -> Markup | None:
    """A figure without what belongs to a file of its own."""
    return None if text is None else Markup(re.sub(r"^.*?(?=<svg\b)", "", text, flags=re.DOTALL))


def _css() -> Markup:
    """Styles with the colours of the figures filled in."""

    def properties(colours: Mapping[str, str]) -> str:
        return " ".join(f"--{name}: {value};" for name, value in colours.items())

    filled = {
        "light": properties(LIGHT),
        "dark_all": properties({**DARK, **DARK_PAGE}) + " color-scheme: dark;",
        "truth": TRUTH,
        "pred": PRED,
    }
    text = _asset("page.css")
    for name, value in filled.items():
        text = text.replace("{{ " + name + " }}", value)
    return Markup(text)


def _scripts(*, has_viewer: bool) -> list[Markup]:
    """Scripts in the order they run; none can end its element early."""
    names = ["niivue.umd.js"] if has_viewer else []
    ours = "".join(_asset(name) for name in ("page.js", "volumes.js", "viewer.js"))
    texts = [*(_asset(name) for name in names), f"{ours}\nwindow.neurotargetReport.ready();\n"]
    return [Markup(_in_script(text)) for text in texts]


def _in_script(text: str) -> str:
    """JavaScript in which no text ends the element it stands in."""
    return re.sub(r"<(?=/script|!--)", r"\\x3c", text, flags=re.IGNORECASE)


def _policy(scripts: Sequence[str]) -> str:
    """Only these scripts run, and nothing is fetched from anywhere."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def _rgb(colour: str) -> list[int]:
    return list(bytes.fromhex(colour.removeprefix("#")))


def _template() -> Template:
    environment = Environment(
        loader=FunctionLoader(_asset), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("page.html.j2")


def _asset(name: str) -> str:
    return (resources("neurotarget.report") / "assets" / name).read_text(encoding="utf-8")
