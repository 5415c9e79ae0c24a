"""The report of a study: one self-contained HTML file, verdicts first.

Input is inserted as escaped text, as JSON without tags, or as base64. A content security policy
forbids all requests and all scripts but our own.

The page has a budget of bytes: tables and figures are kept whole, then come pictures, then volumes
for the viewer, of the most informative cases.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from neurotarget.report.drawing.painted import palette_of
from neurotarget.report.sections.cards import Card, cards
from neurotarget.report.sections.key_numbers import KeyNumbers, failure_lines, key_numbers
from neurotarget.report.sections.learned_steps import LEARNED
from neurotarget.report.sections.means_section import means_sections
from neurotarget.report.sections.outcome_numbers import outcome_numbers
from neurotarget.report.sections.outcome_sections import outcome_answer, outcome_sections
from neurotarget.report.sections.parts_section import parts_section
from neurotarget.report.sections.people_section import people_sections
from neurotarget.report.sections.plain_page import (
    PRED,
    TRUTH,
    Body,
    Code,
    Head,
    PageFigure,
    Section,
    rendered,
    scripts,
    shared,
)
from neurotarget.report.sections.raters_section import raters_section
from neurotarget.report.sections.viewer import (
    MOST_CLASSES,
    PageCase,
    Volumes,
    fit_budget,
    fit_pictures,
)
from neurotarget.report.text.assets import asset
from neurotarget.report.text.definitions import known_definitions
from neurotarget.report.text.headed_tables import table_specs, value_texts
from neurotarget.report.text.learning_banner import banner
from neurotarget.report.text.sentences import answer, cohort, own_methods, title_of
from neurotarget.stats.study.results import Study

__all__ = ["PageCase", "PageFigure", "page_html"]

PAGE_BYTES = 23_500_000  # most bytes of a page; larger ones are slow in browsers and mail
VOLUMES_BYTES = 14_000_000
PICTURES_BYTES = 7_000_000
VIEWS = (
    ("multi", "Slices"),
    ("render", "3-D"),
    ("axial", "Axial"),
    ("coronal", "Coronal"),
    ("sagittal", "Sagittal"),
)
NO_PICTURE = "There is no picture of this case."
NO_ROOM = "The picture was left out, to keep this page small."
PARTS = ("image", "truth", "pred")
FIGURES_LEAD = "Click a point to open its case."


class _Place(NamedTuple):
    """A case in the gallery; `png` is base64, or else `why` is the reason for a missing picture."""

    case_id: str
    anchor: str
    rank: str
    caption: str
    flags: Sequence[str]
    png: str | None
    why: str
    has_volumes: bool


def page_html(
    study: Study,
    figures: Sequence[PageFigure],
    cases: Sequence[PageCase],
    *,
    title: str,
    paper: Sequence[Code] = (),
    montage: bytes | None = None,
) -> str:
    """Return the report of a study.

    Pictures and volumes of the most informative cases are kept, and others are left out and counted
    on the page, so that it stays below 25 MB.

    Args:
        study: tables, notes and facts.
        figures: in reading order; one with the name of a section is shown in it.
        cases: for gallery and viewer, in the order of the gallery.
        title: of the page.
        paper: texts to copy into a paper; they are hidden when the page is printed.
        montage: JPEG with small pictures of many cases; None leaves it out.

    Returns:
        A self-contained page: verdicts on hypotheses, key numbers, sections, figures, cases with a
        viewer, sortable tables, and notes.
    """
    pictures = fit_pictures(cases, PICTURES_BYTES)
    body = Body(
        figures,
        study.tables,
        study.notes,
        study.facts,
        specs=table_specs("study", study.measured.main),
        known=known_definitions("study", study.measured.main),
        figures_lead=FIGURES_LEAD,
    )
    context = shared(_head(study, title), body)
    svgs = [figure.svg for figure in context["figures"]]
    sheet = base64.b64encode(montage).decode() if montage else ""
    used = sum(len(text or "") for text in (*pictures, *svgs, *context["tables_json"], sheet))
    room = PAGE_BYTES - used - len(asset("niivue.umd.js"))
    volumes = fit_budget(cases, max(min(VOLUMES_BYTES, room), 0))
    written = [Section("paper", "For a paper", codes=paper)] if paper else []
    parts, every = [*_parts(study), *written], context["figures"]
    titles = {section.name: section.title for section in parts}
    context["figures"] = [figure for figure in every if figure.name not in titles]
    return rendered(
        "page.html.j2",
        {
            **context,
            **_findings(study),
            **_viewer(study, volumes),
            "plural": study.measured.main.plural,
            "parts": parts,
            "section_figures": {figure.name: figure for figure in every if figure.name in titles},
            "gallery": [_place(*every) for every in zip(cases, pictures, volumes, strict=True)],
            "montage": sheet,
            "notes": [*study.notes, *_left_out(cases, pictures, volumes)],
            "sections": _sections(context["figures"], cases, context["tables"], titles),
        },
        scripts=_scripts(has_viewer=any(volumes)),
        page=_page_data(study, cases, volumes),
    )


def _head(study: Study, title: str) -> Head:
    """Return the top of the page: title, question and answer."""
    question = study.measured.target.question
    return Head(
        title,
        "Study report",
        question,
        cohort(study),
        answer(study) or outcome_answer(study),
        banner(study.learning),
    )


def _findings(study: Study) -> dict:
    """Return the template variables of verdicts and key numbers."""
    return {
        "cards": [{**card._asdict(), "strip_text": _strip_text(card)} for card in cards(study)],
        "numbers": _numbers(study),
        "failures": failure_lines(study),
        "methods": own_methods(study),
    }


def _numbers(study: Study) -> list[KeyNumbers]:
    """Return key numbers of predicted classes and of measured quantities."""
    predicted = outcome_numbers(study)
    is_all = predicted and study.measured.main.is_probability
    return predicted if is_all else [*predicted, *key_numbers(study)]


def _parts(study: Study) -> list[Section]:
    """Return the sections: classes, parts, raters, means, learned steps, people and checks."""
    several = (
        *outcome_sections(study),
        parts_section(study),
        raters_section(study),
        *means_sections(study),
    )
    learned = [one.section(study) for one in LEARNED.values()]
    several = (*several, *learned, *people_sections(study))
    return [section for section in several if section]


def _strip_text(card: Card) -> str:
    sentences = [
        f"{one.values}: {one.estimate} {one.interval} {one.unit}".strip() for one in card.results
    ]
    published = f"; expected {card.published}" if card.published else ""
    return f"Effects with 95 % intervals: {'; '.join(sentences)}{published}"


def _viewer(study: Study, volumes: Sequence[Volumes | None]) -> dict[str, object]:
    methods = own_methods(study)
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
        "palette": palette_of(study.measured.target.label_names),
    }


def _page_data(
    study: Study, cases: Sequence[PageCase], volumes: Sequence[Volumes | None]
) -> dict[str, object]:
    """Return the data for the scripts of the page."""
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
        "palette": [_rgb(colour) for colour in palette_of(labels)],
        "labels": labels if len(labels) <= MOST_CLASSES else [],
        "values": value_texts(),
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
    """Return the caption without id and rank, which are shown above it."""
    return case.caption.removeprefix(f"{case.case_id} ({case.rank})").lstrip(",:; ")


def _left_out(
    cases: Sequence[PageCase],
    pictures: Sequence[str | None],
    volumes: Sequence[Volumes | None],
) -> list[str]:
    """Return sentences on pictures and volumes that the page leaves out."""
    sentences = []
    pairs = list(zip(cases, pictures, volumes, strict=True))
    if dark := sum(bool(case.png) and png is None for case, png, _ in pairs):
        sentences.append(
            f"{dark} of {len(cases)} pictures of cases were left out to keep the page small."
        )
    has_any = [any(part is not None for part in case[5:8]) for case in cases]
    if shut := sum(has and one is None for has, (_, _, one) in zip(has_any, pairs, strict=True)):
        sentences.append(
            f"The viewer holds {sum(has_any) - shut} of {sum(has_any)} cases; the others were left "
            "out to keep the page small."
        )
    return sentences


def _sections(
    figures: Sequence[PageFigure],
    cases: Sequence[PageCase],
    tables: Sequence,
    optional: Mapping[str, str],
) -> list[tuple[str, str]]:
    """Return anchor and heading of each section; `optional` ones are not on every page."""
    there = {
        "verdicts": True,
        "numbers": True,
        **dict.fromkeys(optional, True),
        "figures": figures,
        "cases": cases,
        "tables": tables,
        "notes": True,
    }
    headings = {"numbers": "Key numbers", **optional}
    return [(name, headings.get(name, title_of(name))) for name, has in there.items() if has]


def _scripts(*, has_viewer: bool) -> list[Markup]:
    names = ["niivue.umd.js"] if has_viewer else []
    return scripts("page.js", "short.js", "volumes.js", "viewer.js", before=names)


def _rgb(colour: str) -> list[int]:
    return list(bytes.fromhex(colour.removeprefix("#")))
