"""The page that compares methods of reconstruction on the same scans.

Methods keep different parts of the brain, so their errors cover different voxels; the page states
the share of the brain that each method keeps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from neurotarget.number_text import number
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
from neurotarget.report.text.definitions import known_definitions
from neurotarget.report.text.headed_tables import table_specs
from neurotarget.report.text.numbers import counted, duration
from neurotarget.report.text.sentences import capital

TITLES = {
    "qsm": "Methods of susceptibility mapping",
    "swi": "Methods of susceptibility-weighted imaging",
}
QUESTIONS = {
    "qsm": "Which method is closest to the true susceptibility, and at what cost?",
    "swi": "How much stronger is the contrast of veins than in the magnitude?",
}
SHORT = (
    "nrmse",
    "mask_left",
    "correlation",
    "slope",
    "bias_qsm",
    "contrast_to_noise",
    "contrast",
    "seconds",
)
NAMES = {
    "nrmse": "error of the brain, %",
    "correlation": "r with the truth",
    "slope": "slope over the truth",
    "sd_qsm": "SD in the brain, ppm",
    "mean_qsm": "mean, ppm",
    "reference_mean_qsm": "true mean, ppm",
    "bias_qsm": "bias, ppm",
    "contrast_to_noise": "contrast to noise",
    "contrast": "darker than surroundings, %",
    "mask_left": "share of the brain kept",
    "seconds": "time",
}
MAGNITUDE = "magnitude"
BEST = (  # label, metric, phrase for the best method, whether the lowest value is best
    ("brain", "nrmse", "the smallest error", True),
    ("veins", "contrast_to_noise", "the highest contrast of veins", False),
)
DIGITS = {
    "nrmse": 1,
    "correlation": 3,
    "slope": 3,
    "contrast_to_noise": 2,
    "contrast": 1,
    "mask_left": 2,
}


@dataclass(frozen=True)
class Comparison:
    """Results of the methods.

    `methods` has a row for each method, label and metric: mean and sd over `n` scans. `published`
    are values for comparison, with the keys `label`, `value` (ppm) and `source`.
    """

    kind: str  # qsm | swi
    methods: pd.DataFrame
    n_scans: int
    failed: Mapping[str, str]  # reason by scan
    published: Sequence[Mapping[str, object]] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)  # warnings by scan


def method_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return mean and SD over scans of each metric by method; rows have metrics name@method.

    Undefined values are left out; `n` counts the others. The SD of a single scan is NaN.
    """
    parts = rows["metric"].str.partition("@")
    table = rows.assign(metric=parts[0], method=parts[2])
    keys = ["method", "label", "metric", "unit"]
    grouped = table.groupby(keys, sort=False)["value"]
    return grouped.agg(mean="mean", sd="std", n="count").reset_index()


def reconstruction_html(
    comparison: Comparison, figures: Sequence[NamedFigure], *, title: str = ""
) -> str:
    """Return the page that compares methods of reconstruction as one HTML document.

    Failed scans and notes are listed at its foot; `title` "" takes that of the kind.
    """
    failed = f", {len(comparison.failed)} failed" if comparison.failed else ""
    cohort = f"{counted(comparison.n_scans, 'scan')}{failed}."
    head = Head(
        title or TITLES[comparison.kind],
        "Reconstruction",
        QUESTIONS[comparison.kind],
        cohort,
        sentence(comparison),
    )
    body = Body(
        page_figures(figures),
        {"methods": comparison.methods},
        [
            *(f"{case_id}: {reason}" for case_id, reason in comparison.failed.items()),
            *(
                f"{case_id}: {note}"
                for case_id, notes in comparison.notes.items()
                for note in notes
            ),
        ],
        comparison.facts,
        specs=table_specs("reconstruction"),
        known=known_definitions("reconstruction"),
        values=NAMES,
        figures_lead="One slice of each method on one grey scale; the patient's right is on the "
        "left.",
    )
    return render_page(
        head, body, [*_methods(comparison), *_published(comparison)], target=comparison.kind
    )


def sentence(comparison: Comparison) -> str:
    """Return a sentence on the best method by the first available score, and on the magnitude.

    The score is the error of the brain, or else the contrast of veins, by the mean over scans.
    Methods erode the brain differently, so the share of the brain that the error covers is stated.
    """
    for label, metric, phrase, is_least in BEST:
        known = (comparison.methods["label"] == label) & (comparison.methods["metric"] == metric)
        rows = comparison.methods[known].dropna(subset="mean")
        own = rows[rows["method"] != MAGNITUDE]
        if not len(own):
            continue
        row = own.loc[own["mean"].idxmin() if is_least else own["mean"].idxmax()]
        unit = f" {row['unit']}" if row["unit"] else ""
        text = f"{row['method']} has {phrase}, {number(row['mean'], DIGITS[metric])}{unit}"
        text += _over(comparison, str(row["method"]))
        magnitude = rows.loc[rows["method"] == MAGNITUDE, "mean"]
        addition = (
            f"; the magnitude has {number(magnitude.iloc[0], DIGITS[metric])}"
            if len(magnitude)
            else ""
        )
        return f"{text}{addition}."
    return "There is no reference, so nothing is scored."


def _over(comparison: Comparison, method: str) -> str:
    """State the share of the brain in a method's error; methods keep different rims."""
    table = comparison.methods
    share = table.loc[(table["metric"] == "mask_left") & (table["method"] == method), "mean"]
    return f" over the {100 * share.iloc[0]:.0f} % of the brain that it keeps" if len(share) else ""


def cells(
    comparison: Comparison, metrics: Sequence[str] = tuple(NAMES)
) -> tuple[list[str], list[list[str]]]:
    """Return a table with one row per method: headings, and texts of these metrics in order.

    `metrics` are keys of `NAMES`; those without a value in any row have no column. A cell is the
    mean, with ± SD if there are several scans.
    """
    table = comparison.methods
    there = dict.fromkeys(zip(table["label"], table["metric"], strict=True))
    columns = sorted(
        (one for one in there if one[1] in metrics), key=lambda one: metrics.index(one[1])
    )
    heads = ["method", *(_head(label, metric) for label, metric in columns)]
    lines = []
    for method, part in table.groupby("method", sort=False):
        rows = part.set_index(["label", "metric"])
        lines.append([str(method), *(_cell(rows, key) for key in columns)])
    return heads, lines


def _head(label: str, metric: str) -> str:
    name = NAMES.get(metric, metric)
    return name if label in ("brain", "veins") else f"{label.replace('_', ' ')}: {name}"


def _cell(rows: pd.DataFrame, key: tuple[str, str]) -> str:
    if key not in rows.index:
        return ""
    row = rows.loc[key]
    if key[1] == "seconds":
        return duration(float(row["mean"]))
    digits = DIGITS.get(key[1], 4)
    spread = f" ± {number(row['sd'], digits)}" if row["n"] > 1 else ""
    return f"{number(row['mean'], digits, sign=key[1].startswith('bias'))}{spread}"


def _methods(comparison: Comparison) -> list[Section]:
    if not len(comparison.methods):
        return []
    heads, lines = cells(comparison)
    columns = headings(["Method"], list(map(capital, heads[1:])))
    lead = "Mean ± SD over the scans, one row per method."
    return [Section("methods", "Methods", lead, [Grid("Methods", columns, lines)])]


def _published(comparison: Comparison) -> list[Section]:
    if not comparison.published:
        return []
    columns = headings(["Tissue"], ["Susceptibility, ppm"], ["From"])
    lines = [
        (str(one["label"]), _ppm(one["value"]), str(one.get("source", "")))
        for one in comparison.published
    ]
    lead = "Published values for comparison; their scans and their reference regions differ."
    return [Section("published", "Published values", lead, [Grid("Published", columns, lines)])]


def _ppm(value: object) -> str:
    return number(float(value), 3) if isinstance(value, int | float) else str(value)
