"""Section on further raters: agreement among people, and of the network with each person.

The errors of a single delineation, within and between raters, are the ceiling to which the network
is compared.
"""

import math
from collections.abc import Mapping

from neurotarget.number_text import DASH, number
from neurotarget.report.sections.plain_page import Grid, Section, headings
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.numbers import estimate
from neurotarget.report.text.placeholders import in_unit, placeholders_of
from neurotarget.report.text.sentences import (
    FEWER_VALUES,
    case_counts,
    main_label,
    records,
    rows_of,
    title_of,
)
from neurotarget.stats.cohort.measured import Quantity
from neurotarget.stats.study.results import Study
from neurotarget.stats.tables.raters import CLOSER, LESS, OPEN

NAME, TITLE = "raters", "Raters"
MOST_LABELS = 4
SIDES = ("left", "right", "total")
PAIRS_TITLE = "Every two sets of masks"
CEILING_TITLE = "Error of a single delineation"
PEOPLE_TITLE = "The network compared with people"
FINDINGS = {
    CLOSER: "the network agrees more closely with {against} than {rater} does",
    LESS: "the network agrees less closely with {against} than {rater} does",
    OPEN: "no difference is shown between the network and {rater} in how they agree with {against}",
}


def raters_section(study: Study) -> Section | None:
    """Return the section on agreement of each pair and the comparison with people, or None.

    Of more than four labels, the sides and the sum of all are shown. Returns None without a further
    rater or a second delineation by the same rater.

    The section reads the tables `raters` (each pair of masks), `ceiling` (errors of a single
    delineation) and `rater_differences` (the network compared with each person).
    """
    table, ceiling = rows_of(study, "raters"), _ceiling(study)
    if not len(table) and not ceiling:
        return None
    labels, main = _labels(study), study.measured.main
    bias = in_unit("Bias", main.unit)
    pairs = [
        _pair_row(row, main.column("bias"))
        for row in table.to_dict("records")
        if row["label"] in labels
    ]
    numbers = ["Cases", "Dice", "ICC(A,1)", "ICC(C,1)", "r", bias]
    columns = headings(["Masks", "Label"], numbers)
    grids = [Grid(PAIRS_TITLE, columns, pairs)] if pairs else []
    after = [FEWER_VALUES.format(main.plural)] if any("(" in row[2] for row in pairs) else []
    if len(left := {*study.measured.labels} - {*labels}):
        after.append(f"{len(left)} more labels are in the tables below.")
    if ceiling:
        error = in_unit("Error", main.unit)
        numbers = ["Cases", error, "Error, %", bias, "ICC(A,1)", "Dice"]
        columns = headings(["Error", "Masks", "Label"], numbers)
        rows = [_ceiling_row(row, main) for row in ceiling if row["label"] in labels]
        grids.append(Grid(CEILING_TITLE, columns, rows))
    differences = _differences(study)
    if differences:
        text = ["Agreement with", "compared with that of", "by"]
        columns = headings(text, ["Network", "Person", "Difference"], ["Finding"])
        grids.append(Grid(PEOPLE_TITLE, columns, [_difference_row(row) for row in differences]))
        after += [page_text("raters.no_proof"), page_text("raters.habits")]
    sentences = [*ceiling_sentences(study), *rater_sentences(study)]
    return Section(NAME, TITLE, _lead(study), grids, after, sentences)


def rater_sentences(study: Study) -> list[str]:
    """Return sentences on whether the network agrees with the reference as well as each rater.

    Agreement is Dice of the main label. An impossible comparison gives a sentence with the reason.
    """
    reference = study.measured.reference
    rows = [
        row
        for row in _differences(study)
        if row["against"] == reference and row["measure"] == "dice"
    ]
    return [_sentence(row) for row in rows]


def ceiling_sentences(study: Study) -> list[str]:
    """Return sentences on the main label's intra- and inter-rater error, by pair of masks.

    The error is the SD of a single delineation, in the unit of the quantity.
    """
    label, main = main_label(study), study.measured.main
    error, bias = main.column("error"), main.column("bias")
    return [
        f"{title_of(row['error'])} error of a single delineation ({row['second']} – "
        f"{row['first']}, {label}) is {estimate(row, error, stem='error', unit=main.unit)}, "
        f"{number(row['error_percent'], 1)} % of the {main.noun}, with a bias of "
        f"{estimate(row, bias, stem='bias', sign=True, unit=main.unit)}."
        for row in _ceiling(study)
        if row["label"] == label and math.isfinite(row[error])
    ]


def _ceiling(study: Study) -> list[dict]:
    return records(study, "ceiling")


def _ceiling_row(row: Mapping, main: Quantity) -> list[str]:
    return [
        *(title_of(row["error"]), f"{row['second']} – {row['first']}", row["label"], str(row["n"])),
        *(estimate(row, main.column("error"), stem="error"), number(row["error_percent"], 1)),
        estimate(row, main.column("bias"), stem="bias", sign=True),
        estimate(row, "icc_a1", stem="icc", digits=2),
        estimate(row, "dice", stem="dice", digits=2),
    ]


def _labels(study: Study) -> list[str]:
    """Return all labels; of many, the sides and the sum of all."""
    labels = list(study.measured.labels)
    if len(labels) <= MOST_LABELS:
        return labels
    return [name for name in SIDES if name in labels] or [main_label(study)]


def _differences(study: Study) -> list[dict]:
    """Return the differences in Dice and in ICC(A,1) for the main label."""
    return records(study, "rater_differences", label=main_label(study))


def _lead(study: Study) -> str:
    measured, label = study.measured, main_label(study)
    if not measured.raters:
        return f"{page_text('raters.column')} {page_text('raters.intervals')}"
    counts = [
        f"{name} {int(measured.values[name][label].notna().sum())}" for name in measured.raters
    ]
    filled = {**placeholders_of(measured.main), "counts": ", ".join(counts)}
    lead = page_text("raters.lead", n=len(measured.covariates), **filled)
    return f"{lead} {page_text('raters.intervals')}"


def _sentence(row: Mapping) -> str:
    if not row["finding"]:
        return f"The network is not compared with {_person(row['rater'])}: {row['reason']}."
    names = {key: _person(row[key]) for key in ("against", "rater")}
    finding = FINDINGS[row["finding"]].format(**names)
    numbers = (
        f"Dice {number(row['of_network'], 2)} against {number(row['of_rater'], 2)}, difference "
        f"{estimate(row, 'difference', digits=3, sign=True)}, {int(row['n'])} cases"
    )
    return f"{finding[:1].upper()}{finding[1:]} ({numbers})."


def _person(name: str) -> str:
    return f"the {name}" if name == "reference" else name


def _pair_row(row: Mapping, bias: str) -> list[str]:
    return [
        f"{row['second']} – {row['first']}",
        row["label"],
        case_counts(int(row["n"]), int(row["n_volumes"])),
        estimate(row, "dice", stem="dice", digits=2),
        estimate(row, "icc_a1", stem="icc", digits=2),
        number(row["icc_c1"], 2),
        number(row["pearson_r"], 2),
        estimate(row, bias, stem="bias", sign=True),
    ]


def _difference_row(row: Mapping) -> list[str]:
    measure = {"dice": "Dice", "icc_a1": "ICC(A,1)"}[row["measure"]]
    values = [number(row[key], 2) for key in ("of_network", "of_rater")]
    difference = estimate(row, "difference", digits=3, sign=True)
    known = math.isfinite(row["difference"])
    finding = row["finding"] or row["reason"]
    return [row["against"], row["rater"], measure, *values, difference if known else DASH, finding]
