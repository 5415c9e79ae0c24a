"""Section on further raters: agreement among people, and of the network with each person."""

import math
from collections.abc import Mapping

from neurotarget.report.pages.plain_page import Grid, Heading
from neurotarget.report.pages.section import TableSection
from neurotarget.report.text.sentences import (
    DASH,
    FEWER_VOLUMES,
    cases_told,
    estimate,
    main_label,
    rows_of,
    shown,
    title_of,
)
from neurotarget.stats.study.raters import CLOSER, LESS, OPEN
from neurotarget.stats.study.results import Study

NAME, TITLE = "raters", "Raters"
MOST_LABELS = 4
SIDES = ("left", "right", "total")
PAIRS_TITLE = "Every two sets of masks"
CEILING_TITLE = "Error of one drawing"
BESIDE_TITLE = "The network compared with people"
INTERVALS = " Square brackets hold 95 % intervals over people."
NO_PROOF = (
    "An interval of the difference that includes 0 shows no difference, which is no proof that "
    "there is none: its ends say how large one could be. The intervals are not corrected for how "
    "many comparisons are made."
)
HABITS = (
    "A network that has learned from one person’s masks follows that person’s habits, so it may "
    "come closer to them than a second person can; the masks of people it did not learn from are "
    "the harder test."
)
FINDINGS = {
    CLOSER: "the network agrees more closely with {against} than {rater} does",
    LESS: "the network agrees less closely with {against} than {rater} does",
    OPEN: "no difference is shown between the network and {rater} in how they agree with {against}",
}


def raters_section(study: Study) -> TableSection | None:
    """Return the section on agreement of every two and the comparison with people, or None."""
    table, ceiling = rows_of(study, "raters"), _ceiling(study)
    if not len(table) and not ceiling:
        return None
    labels = _labels(study)
    pairs = [_pair_row(row) for row in table.to_dict("records") if row["label"] in labels]
    columns = [Heading("Masks", "text"), Heading("Label", "text"), Heading("Cases")]
    columns += [Heading(text) for text in ("Dice", "ICC(A,1)", "ICC(C,1)", "r", "Bias, mm³")]
    grids = [Grid(PAIRS_TITLE, columns, pairs)] if pairs else []
    after = [FEWER_VOLUMES] if any("(" in row[2] for row in pairs) else []
    if len(left := {*study.measured.labels} - {*labels}):
        after.append(f"{len(left)} more labels are in the tables below.")
    if ceiling:
        columns = [Heading(text, "text") for text in ("Error", "Masks", "Label")]
        heads = ("Cases", "Error, mm³", "Error, %", "Bias, mm³", "ICC(A,1)", "Dice")
        rows = [_ceiling_row(row) for row in ceiling if row["label"] in labels]
        grids.append(Grid(CEILING_TITLE, [*columns, *map(Heading, heads)], rows))
    differences = _differences(study)
    if differences:
        heads = ("Network", "Person", "Difference")
        columns = [Heading("Agreement with", "text"), Heading("compared with that of", "text")]
        columns += [Heading("by", "text"), *map(Heading, heads), Heading("Finding", "text")]
        grids.append(Grid(BESIDE_TITLE, columns, [_difference_row(row) for row in differences]))
        after += [NO_PROOF, HABITS]
    sentences = [*ceiling_sentences(study), *rater_sentences(study)]
    return TableSection(NAME, TITLE, _lead(study), grids, after, sentences)


def rater_sentences(study: Study) -> list[str]:
    """Return sentences on whether the network agrees with the reference as well as each rater."""
    reference = study.measured.reference
    rows = [
        row
        for row in _differences(study)
        if row["against"] == reference and row["measure"] == "dice"
    ]
    return [_sentence(row) for row in rows]


def ceiling_sentences(study: Study) -> list[str]:
    """Return sentences on the main label's intra- and inter-rater error, by pair of masks."""
    label = main_label(study)
    return [
        f"{title_of(row['error'])} error of one drawing ({row['second']} – {row['first']}, "
        f"{label}) is {estimate(_error_of(row), 'value')} mm³, {shown(row['error_percent'], 1)} % "
        f"of the volume, with a bias of {estimate(_bias_of(row), 'value', sign=True)} mm³."
        for row in _ceiling(study)
        if row["label"] == label and math.isfinite(row["error_mm3"])
    ]


def _ceiling(study: Study) -> list[dict]:
    return rows_of(study, "ceiling").to_dict("records")


def _error_of(row: Mapping) -> dict:
    return {"value": row["error_mm3"], "low": row["error_low"], "high": row["error_high"]}


def _bias_of(row: Mapping) -> dict:
    return {"value": row["bias_mm3"], "low": row["bias_low"], "high": row["bias_high"]}


def _icc_of(row: Mapping) -> dict:
    return {"value": row["icc_a1"], "low": row["icc_low"], "high": row["icc_high"]}


def _dice_of(row: Mapping) -> dict:
    return {"value": row["dice"], "low": row["dice_low"], "high": row["dice_high"]}


def _ceiling_row(row: Mapping) -> list[str]:
    return [
        *(title_of(row["error"]), f"{row['second']} – {row['first']}", row["label"], str(row["n"])),
        *(estimate(_error_of(row), "value"), shown(row["error_percent"], 1)),
        estimate(_bias_of(row), "value", sign=True),
        *(estimate(one(row), "value", digits=2) for one in (_icc_of, _dice_of)),
    ]


def _labels(study: Study) -> list[str]:
    """All labels; of many, the sides and the sum of all."""
    labels = list(study.measured.labels)
    if len(labels) <= MOST_LABELS:
        return labels
    return [name for name in SIDES if name in labels] or [main_label(study)]


def _differences(study: Study) -> list[dict]:
    """Differences of the main label: by Dice and by ICC(A,1)."""
    return rows_of(study, "rater_differences", label=main_label(study)).to_dict("records")


def _lead(study: Study) -> str:
    measured, label = study.measured, main_label(study)
    if not measured.raters:
        return "Several masks of one scan, by the raters that the column rater names." + INTERVALS
    counts = [
        f"{name} {int(measured.volumes[name][label].notna().sum())}" for name in measured.raters
    ]
    return (
        f"Of {len(measured.covariates)} cases, further masks are there by {', '.join(counts)}. "
        "Dice is the mean over cases, where a lost mask counts 0; ICC, r and bias are of "
        f"the volumes.{INTERVALS}"
    )


def _sentence(row: Mapping) -> str:
    if not row["finding"]:
        return f"The network is not compared with {_person(row['rater'])}: {row['reason']}."
    names = {key: _person(row[key]) for key in ("against", "rater")}
    finding = FINDINGS[row["finding"]].format(**names)
    numbers = (
        f"Dice {shown(row['of_network'], 2)} against {shown(row['of_rater'], 2)}, difference "
        f"{estimate(row, 'difference', digits=3, sign=True)}, {int(row['n'])} cases"
    )
    return f"{finding[:1].upper()}{finding[1:]} ({numbers})."


def _person(name: str) -> str:
    return f"the {name}" if name == "reference" else name


def _pair_row(row: Mapping) -> list[str]:
    return [
        f"{row['second']} – {row['first']}",
        row["label"],
        cases_told(int(row["n"]), int(row["n_volumes"])),
        estimate(_dice_of(row), "value", digits=2),
        estimate(_icc_of(row), "value", digits=2),
        shown(row["icc_c1"], 2),
        shown(row["pearson_r"], 2),
        estimate(_bias_of(row), "value", sign=True),
    ]


def _difference_row(row: Mapping) -> list[str]:
    measure = {"dice": "Dice", "icc_a1": "ICC(A,1)"}[row["measure"]]
    values = [shown(row[key], 2) for key in ("of_network", "of_rater")]
    apart = estimate(row, "difference", digits=3, sign=True)
    known = math.isfinite(row["difference"])
    finding = row["finding"] or row["reason"]
    return [row["against"], row["rater"], measure, *values, apart if known else DASH, finding]
