"""Shared parts of all pages (head, styles, scripts, figures, tables, notes), and plain pages.

A page is one self-contained file, except that a page of quality control shows pictures from its
own folder. Input is inserted as escaped text, as JSON without tags, or as SVG of this package. A
content security policy forbids all other requests, and all scripts but those of this package and
its libraries.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from neurotarget.printable import escape_controls
from neurotarget.report.drawing.figure import COLOURS, DARK, LIGHT, svg_text
from neurotarget.report.figures.named_figures import NamedFigure
from neurotarget.report.text.assets import asset
from neurotarget.report.text.definitions import Definition, definitions, known_definitions
from neurotarget.report.text.headed_tables import (
    PageTable,
    TableSpec,
    empty_tables,
    page_tables,
    reasons,
    script_json,
    table_specs,
    value_texts,
)
from neurotarget.report.text.learning_banner import Banner

# colours of the page in addition to those of the figures
DARK_PAGE = {
    "paper": "#10141a",
    "panel": "#191f27",
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
TRUTH, PRED = COLOURS[0], COLOURS[1]  # colours of masks in the viewer
MOST_REASONS = 5


class PageFigure(NamedTuple):
    """A figure on the page; without `svg` the caption is the reason why it was left out.

    `name` is its anchor, and the prefix of ids in the SVG.
    """

    name: str
    title: str
    caption: str
    svg: str | None


class Heading(NamedTuple):
    """Heading of a grid's column; numbers are right-aligned.

    `kind` is number or text.
    """

    text: str
    kind: str = "number"  # or text


def headings(
    text: Sequence[str], numbers: Sequence[str] = (), remarks: Sequence[str] = ()
) -> list[Heading]:
    """Return the headings of columns of text, then of numbers, then of further columns of text."""
    first, last = ([Heading(one, "text") for one in names] for names in (text, remarks))
    return [*first, *map(Heading, numbers), *last]


class Grid(NamedTuple):
    """A static table on the page; the first cell of a row is the heading of the row.

    Cells are texts, which the template escapes; every row has one cell per column.
    """

    caption: str
    columns: Sequence[Heading]
    rows: Sequence[Sequence[str]]


class Code(NamedTuple):
    """Preformatted lines, such as a command or a search space."""

    heading: str
    text: str


class Section(NamedTuple):
    """A section of a page above its figures, with static tables; `name` is the section's anchor.

    Captions of grids are shown as headings if there are several grids. On the page of a study, a
    figure with this `name` is shown at the end of the section instead of among the other figures.
    """

    name: str
    title: str
    lead: str = ""
    grids: Sequence[Grid] = ()
    after: Sequence[str] = ()  # sentences below the tables
    findings: Sequence[str] = ()  # highlighted sentences above the tables
    codes: Sequence[Code] = ()


@dataclass(frozen=True)
class Head:
    """Top of a page: title, question, answer.

    `eyebrow` is the kind of page in a few words, above the title; `cohort` is a sentence on cases
    and people. Fields that are "" or None are not shown.
    """

    title: str
    eyebrow: str
    question: str = ""
    cohort: str = ""
    answer: str = ""
    banner: Banner | None = None  # at the top of the page


@dataclass(frozen=True)
class Body:
    """Lower part of a page: figures, tables, definitions and notes.

    `specs` describes the tables, `known` holds available definitions, and `values` holds the
    displayed text of values. `notes` are sentences at the foot, and `facts` states the origin of
    the numbers by name. Empty tables are listed with their reasons.
    """

    figures: Sequence[PageFigure]
    tables: Mapping[str, pd.DataFrame]
    notes: Sequence[str]
    facts: Mapping[str, str]
    specs: Mapping[str, TableSpec] = field(default_factory=table_specs)
    known: Sequence[Definition] = field(default_factory=known_definitions)
    values: Mapping[str, str] = field(default_factory=value_texts)
    figures_lead: str = ""


def page_figures(named: Sequence[NamedFigure]) -> list[PageFigure]:
    """Return figures as SVG in the page's colours; figures that were not drawn keep the reason."""
    return [
        PageFigure(
            one.name, one.title, one.caption, None if one.figure is None else svg_text(one.figure)
        )
        for one in named
    ]


def render_page(head: Head, body: Body, sections: Sequence[Section], *, target: str) -> str:
    """Return a page of text, grids and code above figures, sortable tables and notes.

    Args:
        head: top of the page.
        body: figures, tables, definitions and notes.
        sections: sections in reading order; each gets a link at the top.
        target: prefix of the names of downloaded tables.
    """
    page = {"target": target, "cases": [], "known": [], "values": dict(body.values)}
    links = [(one.name, one.title) for one in sections]
    links += [("figures", "Figures")] if body.figures else []
    links += [("tables", "Tables")] if any(len(table) for table in body.tables.values()) else []
    context = {**shared(head, body), "parts": sections, "sections": [*links, ("notes", "Notes")]}
    return rendered("plain.html.j2", context, scripts=scripts("page.js"), page=page)


def shared(head: Head, body: Body) -> dict[str, object]:
    """Return the variables of the base template, except the links in `sections`.

    A page with its own template adds these links and its own variables, and calls `rendered`.
    """
    tables = page_tables(body.tables, body.specs)
    return {
        **{name: getattr(head, name) for name in Head.__dataclass_fields__},
        "figures": [figure._replace(svg=_svg(figure.svg)) for figure in body.figures],
        "figures_lead": body.figures_lead,
        "tables": tables,
        "tables_json": [_table_json(table) for table in tables],
        "notes": body.notes,
        "reasons": [_reason(*every) for every in reasons(body.tables, body.specs)],
        "empty": empty_tables(body.tables, body.specs),
        "definitions": definitions(body.tables, body.known),
        "facts": body.facts,
        "css": _css(),
    }


def rendered(
    template: str,
    context: Mapping[str, object],
    *,
    scripts: Sequence[Markup],
    page: Mapping[str, object],
    has_pictures: bool = False,
) -> str:
    """Fill in a template of the assets; everything that is not Markup is escaped.

    Args:
        template: name of the template's file.
        context: variables of the template; a missing variable raises jinja2's `UndefinedError`.
        scripts: scripts in the order in which they run; the page's policy allows only their hashes.
        page: data for the scripts, inserted as JSON.
        has_pictures: whether the page may show picture files from its own folder.
    """
    environment = Environment(
        loader=FunctionLoader(asset), autoescape=True, undefined=StrictUndefined, finalize=_seen
    )
    return environment.get_template(template).render(
        **context,
        scripts=scripts,
        policy=_policy(scripts, has_pictures=has_pictures),
        page_json=Markup(script_json(page)),
    )


def _seen(value: object) -> object:
    """Return text with invisible characters made visible; HTML is left unchanged."""
    return escape_controls(value) if type(value) is str else value


def scripts(*ours: str, before: Sequence[str] = ()) -> list[Markup]:
    """Return the libraries, then the scripts of this package joined into one.

    No script contains text that would end its HTML element early.

    Args:
        ours: names of the assets to join, which share one scope; the joined script ends with a mark
            that the page is ready.
        before: names of libraries, each of which is a separate script.
    """
    texts = [asset(name) for name in before]
    texts.append("".join(map(asset, ours)) + "\nwindow.neurotargetReport.ready();\n")
    return [Markup(_in_script(text)) for text in texts]


def _reason(heading: str, count: int, why: Mapping[str, int]) -> str:
    most = list(why.items())[:MOST_REASONS]
    parts = [f"{reason} ({n})" if len(why) > 1 else reason for reason, n in most]
    more = f"; and {len(why) - MOST_REASONS} more reasons" if len(why) > MOST_REASONS else ""
    rows = "1 row" if count == 1 else f"{count} rows"
    return f"{heading}: {rows} could not be estimated: {'; '.join(parts)}{more}."


def _table_json(table: PageTable) -> Markup:
    known = {key: value for key, value in table._asdict().items() if key != "description"}
    columns = [column._asdict() for column in table.columns]
    return Markup(script_json({**known, "columns": columns}))


def _svg(text: str | None) -> Markup | None:
    """Return SVG without the header of a standalone file."""
    return None if text is None else Markup(re.sub(r"^.*?(?=<svg\b)", "", text, flags=re.DOTALL))


def _css() -> Markup:
    """Return the CSS with the colours of the figures filled in."""

    def properties(colours: Mapping[str, str]) -> str:
        """Return CSS variables of these colours, as the inside of a rule."""
        return " ".join(f"--{name}: {value};" for name, value in colours.items())

    filled = {
        "light": properties(LIGHT),
        "dark_all": properties({**DARK, **DARK_PAGE}) + " color-scheme: dark;",
        "truth": TRUTH,
        "pred": PRED,
    }
    text = asset("page.css")
    for name, value in filled.items():
        text = text.replace("{{ " + name + " }}", value)
    return Markup(text)


def _in_script(text: str) -> str:
    """Return JavaScript without text that would end its script element."""
    return re.sub(r"<(?=/script|!--)", r"\\x3c", text, flags=re.IGNORECASE)


def _policy(scripts: Sequence[str], *, has_pictures: bool) -> str:
    """Return a content security policy: only these scripts run; only own pictures are fetched."""
    own = "'self' file: " if has_pictures else ""  # `file:` is for a page that is opened as a file
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        f"img-src {own}data: blob:; base-uri 'none'; form-action 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
