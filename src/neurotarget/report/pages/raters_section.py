"""How well people agree with each other, and the network with each of them."""

import math
from collections.abc import Mapping

from neurotarget.report.pages.plain_page import Grid, Heading
from neurotarget.report.pages.section import TableSection
from neurotarget.report.words.sentences import (
    DASH,
    FEWER_VOLUMES,
    cases_told,
    estimate,
    main_label,
    rows_of,
    shown,
)
from neurotarget.stats.study.raters import CLOSER, LESS, OPEN
from neurotarget.stats.study.results import Study

NAME, TITLE = "raters", "Raters"
MOST_LABELS = 4
SIDES = ("left", "right", "total")
PAIRS_TITLE = "Every two sets of masks"
BESIDE_TITLE = "The network beside people"
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
    """Agreement of every two, and the network beside each person; None without further raters."""
    table = rows_of(study, "raters")
    if not len(table):
        return None
    labels = _labels(study)
    pairs = [_pair_row(row) for row in table.to_dict("records") if row["label"] in labels]
    columns = [Heading("Masks", "text"), Heading("Label", "text"), Heading("Cases")]
    columns += [Heading(text) for text in ("Dice", "ICC(A,1)", "ICC(C,1)", "r", "Bias, mm³")]
    grids = [Grid(PAIRS_TITLE, columns, pairs)]
    after = [FEWER_VOLUMES] if any("(" in row[2] for row in pairs) else []
    if len(left := set(table["label"]) - set(labels)):
        after.append(f"{len(left)} more labels are in the tables below.")
    beside = _beside(study)
    if beside:
        heads = ("Network", "Person", "Difference")
        columns = [Heading("Agreement with", "text"), Heading("beside that of", "text")]
        columns += [Heading("by", "text"), *map(Heading, heads), Heading("Finding", "text")]
        grids.append(Grid(BESIDE_TITLE, columns, [_beside_row(row) for row in beside]))
        after += [NO_PROOF, HABITS]
    return TableSection(NAME, TITLE, _lead(study), grids, after, rater_sentences(study))


def rater_sentences(study: Study) -> list[str]:
    """For each further rater, whether the network agrees with the reference as well, by Dice."""
    reference = study.measured.reference
    rows = [
        row for row in _beside(study) if row["against"] == reference and row["measure"] == "dice"
    ]
    return [_sentence(row) for row in rows]


def _labels(study: Study) -> list[str]:
    """All labels, or of many the sides and the sum of all."""
    labels = list(study.measured.labels)
    if len(labels) <= MOST_LABELS:
        return labels
    return [name for name in SIDES if name in labels] or [main_label(study)]


def _beside(study: Study) -> list[dict]:
    """Differences of the main label: by Dice and by ICC(A,1)."""
    return rows_of(study, "rater_differences", label=main_label(study)).to_dict("records")


def _lead(study: Study) -> str:
    measured, label = study.measured, main_label(study)
    counts = [
        f"{name} {int(measured.volumes[name][label].notna().sum())}" for name in measured.raters
    ]
    return (
        f"Of {len(measured.covariates)} cases, further masks are there by {', '.join(counts)}. "
        "Dice is the mean over cases, where a lost mask counts 0; ICC, r and bias are of "
        "the volumes. Square brackets hold 95 % intervals over people."
    )


def _sentence(row: Mapping) -> str:
    if not row["finding"]:
        return f"The network is not compared with {_person(row['rater'])}: {row['reason']}."
    names = {key: _person(row[key]) for key in ("against", "rater")}
    said = FINDINGS[row["finding"]].format(**names)
    numbers = (
        f"Dice {shown(row['of_network'], 2)} against {shown(row['of_rater'], 2)}, difference "
        f"{estimate(row, 'difference', digits=3, sign=True)}, {int(row['n'])} cases"
    )
    return f"{said[:1].upper()}{said[1:]} ({numbers})."


def _person(name: str) -> str:
    return f"the {name}" if name == "reference" else name


def _pair_row(row: Mapping) -> list[str]:
    dice = {"value": row["dice"], "low": row["dice_low"], "high": row["dice_high"]}
    icc = {"value": row["icc_a1"], "low": row["icc_low"], "high": row["icc_high"]}
    bias = {"value": row["bias_mm3"], "low": row["bias_low"], "high": row["bias_high"]}
    return [
        f"{row['second']} – {row['first']}",
        row["label"],
        cases_told(int(row["n"]), int(row["n_volumes"])),
        estimate(dice, "value", digits=2),
        estimate(icc, "value", digits=2),
        shown(row["icc_c1"], 2),
        shown(row["pearson_r"], 2),
        estimate(bias, "value", sign=True),
    ]


def _beside_row(row: Mapping) -> list[str]:
    measure = {"dice": "Dice", "icc_a1": "ICC(A,1)"}[row["measure"]]
    values = [shown(row[key], 2) for key in ("of_network", "of_rater")]
    apart = estimate(row, "difference", digits=3, sign=True)
    known = math.isfinite(row["difference"])
    finding = row["finding"] or row["reason"]
    return [row["against"], row["rater"], measure, *values, apart if known else DASH, finding]
