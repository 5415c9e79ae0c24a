"""Sections on people: Table 1, flow of cases, change within people, and checks of models."""

import math
from collections.abc import Mapping

from neurotarget.number_text import DASH, number, unit_text
from neurotarget.report.sections.plain_page import Grid, Section, headings
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.numbers import counted, estimate, listed, p_value
from neurotarget.report.text.placeholders import in_unit
from neurotarget.report.text.sentences import label_text, main_label, records, rows_of, title_of
from neurotarget.stats.cohort.people import ALL, SPLITS
from neurotarget.stats.effects.testing import MUCH
from neurotarget.stats.study.results import Study

PEOPLE, FLOW, CHANGE, CHECKS = "people", "flow", "longitudinal", "checks"
COUNTED = ("people", "scans")  # rows of Table 1 that are counts, not covariates
MOST_CATEGORIES = 6  # most categories of one covariate in a sentence
MOST_LABELS = 12


def people_sections(study: Study) -> list[Section]:
    """Return the sections on Table 1, flow, change within people and checks, where they exist.

    A section exists where the study has its table: people, flow, longitudinal, or for the checks
    one of assumptions, tests and noninferiority.
    """
    sections = (_people(study), _flow(study), _change(study), _checks(study))
    return [section for section in sections if section]


def people_rows(study: Study) -> tuple[list[str], list[list[str]]]:
    """Return Table 1 as text: its parts, and rows of characteristics with a cell per part.

    Returns:
        The parts, such as all, train and test, and rows whose first cell is the characteristic with
        its level. Numbers are mean ± SD (range); categories are a count with its share. A cell is a
        dash where a part has no value. Both are empty without the table `people`.
    """
    table = rows_of(study, "people")
    if not len(table):
        return [], []
    parts = list(dict.fromkeys(table["part"]))
    names = list(dict.fromkeys(table["characteristic"]))
    keys = list(dict.fromkeys(zip(table["characteristic"], table["level"], strict=True)))
    keys.sort(key=lambda key: names.index(key[0]))  # moves sites only in training to the others
    cells = {
        (row["part"], row["characteristic"], row["level"]): _cell(row)
        for row in table.to_dict("records")
    }
    rows = [
        [_named(name, level), *(cells.get((part, name, level), DASH) for part in parts)]
        for name, level in keys
    ]
    return parts, rows


def people_lines(study: Study) -> list[str]:
    """Return Table 1 of all people as parts of a sentence.

    Of more than six categories, as of sites, only the number is stated. Empty without the table
    `people`.
    """
    table = rows_of(study, "people", part=ALL)
    lines = []
    for name, rows in table.groupby("characteristic", sort=False) if len(table) else ():
        cells = [(row["level"], _cell(row)) for row in rows.to_dict("records")]
        if len(cells) > MOST_CATEGORIES:
            lines.append(f"{name} in {len(cells)} categories")
        elif name in COUNTED:
            lines.append(f"{cells[0][1]} {name}")
        else:
            lines.append(f"{name} {', '.join(f'{level} {text}'.strip() for level, text in cells)}")
    return lines


def missing_sentence(study: Study) -> str:
    """Return a sentence on missing values of each variable and their handling.

    It is "" without the table `people`.
    """
    table = rows_of(study, "people", part=ALL)
    if not len(table):
        return ""
    lacking = table[table["n_missing"] > 0].drop_duplicates("characteristic")
    parts = [
        f"{row['characteristic']} of {counted(int(row['n_missing']), 'person')} "
        f"({number(row['percent_missing'], 1)} %)"
        for row in lacking.to_dict("records")
    ]
    if parts:
        return f"Missing: {', '.join(parts)}. {page_text('people.complete')}"
    names = [name for name in table["characteristic"].unique() if name not in COUNTED]
    return f"No value of {listed(names)} is missing." if names else "There are no covariates."


def change_sentences(study: Study) -> list[str]:
    """Return sentences on the main label's change per year within and between people.

    There is one sentence per method whose change within people could be estimated; there is none
    without repeated scans.

    The sentences read the table `longitudinal`: slopes per year, `percent_a_year`, and the number
    of people with repeated scans.
    """
    rows = records(study, "longitudinal", label=main_label(study))
    return [
        f"By {row['method']}, the {label_text(row['label'])} {study.measured.main.noun} changes by "
        f"{_slope(row, 'within')} within people ({number(row['percent_a_year'], 2, sign=True)} % "
        f"per year; {int(row['n_repeated'])} people with scans at two ages or more), and differs "
        f"by {_slope(row, 'between')} between people."
        for row in rows
        if math.isfinite(row["within"])
    ]


def tests_sentence(study: Study) -> str:
    """Return a sentence on the number of tested hypotheses and the correction; "" without tests.

    The effects of all hypotheses by one method are one family of tests.
    """
    table = rows_of(study, "tests")
    known = table[table["p"].notna()] if len(table) else table
    if not len(known):
        return ""
    most = int(known["n_tests"].max())
    if most == 1:
        return "One hypothesis was tested, so no p value is corrected."
    return (
        f"{most} hypotheses were tested by each method; their p values and intervals are "
        "uncorrected, and Holm's corrected p values are given as well."
    )


def limits_sentences(study: Study) -> list[str]:
    """Return sentences on whether limits of agreement of the main label are acceptable.

    Empty unless the target set acceptable limits before its data were seen.
    """
    rows = records(study, "assumptions", label=main_label(study))
    unit = f" {unit_text(study.measured.main.unit)}".rstrip()
    return [
        f"The limits of agreement of {row['second']} and {row['first']} are {row['verdict']} "
        f"{'' if row['verdict'] != 'undecided' else 'against '}the ± "
        f"{number(row['acceptable'])}{unit} that were set as acceptable before."
        for row in rows
        if row["verdict"]
    ]


def _people(study: Study) -> Section | None:
    parts, rows = people_rows(study)
    if not rows:
        return None
    splits = [part for part in parts if part in SPLITS]
    whole = "All studied" if splits else "All"
    columns = headings(["Characteristic"], [whole if part == ALL else part for part in parts])
    after = [missing_sentence(study), *([page_text("people.splits")] if splits else [])]
    lead = page_text("people.lead")
    return Section(PEOPLE, "People", lead, [Grid("Table 1", columns, rows)], after)


def _flow(study: Study) -> Section | None:
    table = rows_of(study, "flow")
    if not len(table):
        return None
    columns = headings(["Step", "Of"], ["n", "Left out"], ["Why"])
    rows = [
        [
            *(row["step"], row["of"] or DASH, str(int(row["n"])), str(int(row["n_left_out"]))),
            row["why"] or DASH,
        ]
        for row in table.fillna({"why": "", "of": ""}).to_dict("records")
    ]
    lead = page_text("people.flow")
    return Section(FLOW, "Flow of cases", lead, [Grid("Flow", columns, rows)])


def _change(study: Study) -> Section | None:
    table = rows_of(study, "longitudinal")
    if not len(table):
        return None
    names = ["Within people", "p", "% per year", "Between people", "p", "People", "With repeats"]
    columns = headings(["Label", "Method"], names)
    rows = [
        [
            *(row["label"], row["method"], _slope(row, "within"), p_value(row["p_within"])),
            number(row["percent_a_year"], 2, sign=True),
            *(_slope(row, "between"), p_value(row["p_between"])),
            *(str(int(row["n_people"])), str(int(row["n_repeated"]))),
        ]
        for row in table.to_dict("records")
    ]
    reasons = [f"{title_of(one)}." for one in table["reason"].unique() if one]
    lead, after = page_text("people.change"), [*reasons, page_text("people.within_between")]
    grids, findings = [Grid("Slopes over age", columns, rows)], change_sentences(study)
    return Section(CHANGE, "Change within people", lead, grids, after, findings)


def _checks(study: Study) -> Section | None:
    every = (_differences(study), _tests(study), _noninferiority(study))
    grids = [grid for grid in every if grid.rows]
    if not grids:
        return None
    after = [tests_sentence(study)] if tests_sentence(study) else []
    leads = [page_text("people.checks")] if len(rows_of(study, "assumptions")) else []
    lead = " ".join([*leads, page_text("people.inflation", inflation=MUCH)])
    return Section(CHECKS, "Checks", lead, grids, after, limits_sentences(study))


def _differences(study: Study) -> Grid:
    labels = study.measured.labels
    labels = labels if len(labels) <= MOST_LABELS else [*study.measured.measure.regions]
    acceptable = in_unit("Acceptable", study.measured.main.unit)
    names = ("People", "p, normal", "p, one spread", "Ratio with 95 % limits", acceptable)
    columns = headings(["Methods", "Label"], names, ["Verdict", "Remark"])
    rows = [
        [
            *(f"{row['second']} – {row['first']}", row["label"], str(int(row["n"]))),
            *(p_value(row["p_normal"]), p_value(row["p_constant"]), _ratio(row)),
            *(number(row["acceptable"]), row["verdict"] or DASH, row["reason"] or DASH),
        ]
        for row in records(study, "assumptions")
        if row["label"] in labels
    ]
    return Grid("Differences of methods", columns, rows)


def _tests(study: Study) -> Grid:
    numbers = ["p", "p by Holm", "Hypotheses", "Variance inflation"]
    columns = headings(["Hypothesis", "Method"], numbers)
    rows = [
        [
            *(title_of(row["hypothesis"]), row["method"]),
            *(p_value(row[key]) for key in ("p", "p_holm")),
            *(number(row["n_tests"], 0), number(row["vif"], 1)),
        ]
        for row in records(study, "tests")
    ]
    return Grid("Tests", columns, rows)


def _noninferiority(study: Study) -> Grid:
    columns = headings(
        ["Network compared with", "Against"], ["Difference of Dice", "Margin"], ["Verdict"]
    )
    rows = [
        [
            *(row["rater"], row["against"], estimate(row, "difference", digits=3, sign=True)),
            f"{number(row['margin'], 2)}, {row['margin_from']}",
            row["verdict"],
        ]
        for row in records(study, "noninferiority", label=main_label(study))
    ]
    return Grid("Non-inferiority to a second rater", columns, rows)


def _cell(row: Mapping) -> str:
    if math.isfinite(row["mean"]):
        digits = 0 if abs(row["maximum"]) >= 1000 else 1
        mean, sd, low, high = (
            number(row[name], digits) for name in ("mean", "sd", "minimum", "maximum")
        )
        return f"{mean} ± {sd} ({low} to {high})"
    share = f" ({number(row['percent'], 1)} %)" if math.isfinite(row["percent"]) else ""
    return f"{int(row['n'])}{share}"


def _named(name: str, level: str) -> str:
    return f"{title_of(name)}{': ' if level else ''}{level}"


def _slope(row: Mapping, name: str) -> str:
    return estimate(row, name, stem=name, sign=True, unit=row["unit"])


def _ratio(row: Mapping) -> str:
    ratio = {"value": row["ratio"], "low": row["ratio_lower"], "high": row["ratio_upper"]}
    return estimate(ratio, digits=3)
