"""Section on internal and external cases, with published values for comparison.

Published values are of other scans, raters and networks, so they are shown without a test.
"""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from neurotarget.number_text import DASH, number
from neurotarget.report.figures.part_strips import MARKS, NAME, parts_labels
from neurotarget.report.sections.plain_page import Grid, Section, headings
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.headed_tables import value_texts
from neurotarget.report.text.numbers import estimate, mean_sd, p_equals
from neurotarget.report.text.placeholders import in_unit
from neurotarget.report.text.sentences import (
    FEWER_VALUES,
    PLANTED,
    PLANTED_IN_TISSUE,
    case_counts,
    rows_of,
)
from neurotarget.stats.study.results import Study
from neurotarget.stats.tables.tables import AGREEMENT_UNITS, ALL_LABELS

TITLE = "Internal and external"


def parts_section(study: Study) -> Section | None:
    """Return the section with the values of each label and part, and published values, or None.

    There is one table per person whose masks are the truth: the reference, and each further rater.
    Returns None where no case is external and nothing is published.

    The section reads the table `parts`: Dice, agreement and published values by `part`, `label` and
    `against`.
    """
    table = rows_of(study, "parts")
    if not len(table):
        return None
    labels, left_out = parts_labels(table)
    persons = list(dict.fromkeys(table["against"]))
    grids = [
        _grid(study, table[table["against"] == person], labels, _caption(person, len(persons) > 1))
        for person in persons
    ]
    more = [f"{left_out} labels that do better are in the tables below."] if left_out else []
    if any("(" in row[2] for grid in grids for row in grid.rows):
        more.append(FEWER_VALUES.format(study.measured.main.plural))
    return Section(NAME, TITLE, _lead(table), grids, [*more, *_sources(study, table)])


def _caption(person: str, is_one_of_several: bool) -> str:
    if not is_one_of_several:
        return TITLE
    return f"Against {'the reference' if person == 'reference' else person}"


def _grid(study: Study, table: pd.DataFrame, labels: Sequence[str], caption: str) -> Grid:
    """Return the agreement with one person's masks, with one row per label and part."""
    statistics = list(dict.fromkeys(table["statistic"]))
    has_published = {name for name, rows in table.groupby("statistic")
                     if rows["published"].notna().any()}  # fmt: skip
    numbers = ["n", "Failed"]
    for name in statistics:
        own = in_unit("Bias", study.measured.main.unit) if name == "bias" else ""
        numbers.append(own or value_texts().get(name, name))
        numbers += ["published"] if name in has_published else []
    rows = [
        [_shown(study, label), part, *_cells(rows, statistics, has_published)]
        for label in labels
        for part in MARKS
        if len(rows := table[(table["label"] == label) & (table["part"] == part)])
    ]
    return Grid(caption, headings(["Label", "Cases"], numbers), rows)


def is_generated(study: Study) -> bool:
    """Return whether the cases are generated, according to the source of the target's effects.

    The page then states that published values of people cannot be compared with those of generated
    cases.
    """
    sources = {item.source for item in study.measured.target.hypotheses}
    return bool(sources & {PLANTED, PLANTED_IN_TISSUE})


def _cells(rows: pd.DataFrame, statistics: Sequence[str], published: set[str]) -> list[str]:
    """Return the cells of one label in one part, from the column n on."""
    scored, volumes = rows["statistic"] == "dice", rows["statistic"].isin(AGREEMENT_UNITS)
    counts = [int(rows.loc[where, "n"].max()) for where in (scored, volumes) if where.any()]
    cells = [case_counts(counts[0], counts[-1]), str(int(rows["n_failed"].iloc[0]))]
    for name in statistics:
        own = rows[rows["statistic"] == name].to_dict("records")
        cells.append(_ours(own[0]) if own else DASH)
        if name in published:
            others = [row for row in own if math.isfinite(row["published"])]
            theirs = [mean_sd(row["published"], row["published_sd"], 2) for row in others]
            cells.append("; ".join(theirs) or DASH)
    return cells


def _shown(study: Study, label: str) -> str:
    is_mean = label == ALL_LABELS and label not in study.measured.labels
    return "mean of labels" if is_mean else label


def _ours(row: Mapping) -> str:
    if row["statistic"] == "bias":
        return estimate(row, "value", sign=True)
    text = estimate(row, "value", digits=2)
    if math.isfinite(row["sd"]):
        value, _, ends = text.partition(" ")
        text = f"{value} ± {number(row['sd'], 2)} {ends}".rstrip()
    return f"{text}, {p_equals(row['p'])}" if math.isfinite(row["p"]) else text


def _lead(table: pd.DataFrame) -> str:
    parts = set(table["part"])
    return page_text(f"parts.{'both' if len(parts) > 1 else parts.pop()}")


def _sources(study: Study, table: pd.DataFrame) -> list[str]:
    """Return sentences on the sources of published values, and on the limits of the comparison."""
    sources = [text for text in dict.fromkeys(table["source"]) if text]
    notes = [f"Published by {'; '.join(sources)}.", page_text("parts.published")] if sources else []
    return [*notes, page_text("parts.generated")] if is_generated(study) else notes
