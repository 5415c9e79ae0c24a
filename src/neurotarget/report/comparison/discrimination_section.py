"""Section with the difference of AUROC of each pair of arms, by class.

An interval that includes 0 shows no difference, but is no proof that there is none.
"""

import math
from collections.abc import Mapping

from neurotarget.number_text import DASH, number
from neurotarget.report.sections.plain_page import Grid, Section, headings
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.numbers import estimate, p_equals, p_value
from neurotarget.report.text.sentences import label_text, records
from neurotarget.stats.arms.comparison import Comparison

ALPHA = 0.05
MOST_SENTENCES = 6
NUMBERS = ("AUROC", "AUROC of the arm compared with", "Difference [95 %]", "p (Holm)", "Cases")


def discrimination_section(comparison: Comparison) -> list[Section]:
    """Return the section on differences of AUROC, as a list of one; empty without a table of them.

    At most six sentences state differences in words; the table below them has all.

    It reads the table `discrimination_differences`; a difference with a p below 0.05 after Holm's
    correction counts as shown.
    """
    rows = records(comparison, "discrimination_differences")
    if not rows:
        return []
    grid = Grid(
        "Differences of AUROC",
        headings(["Arm", "Other", "Class"], NUMBERS),
        [_cells(row) for row in rows],
    )
    sentences = [_sentence(row) for row in rows if math.isfinite(row["p_holm"])]
    lead = page_text("discrimination_differences.lead")
    reasons = dict.fromkeys(row["reason"] for row in rows if row["reason"])
    return [
        Section(
            "discrimination",
            "Discrimination",
            lead,
            [grid],
            [f"Not estimated: {reason}." for reason in reasons],
            sentences[:MOST_SENTENCES],
        )
    ]


def _cells(row: Mapping) -> list[str]:
    return [
        *(str(row[key]) for key in ("arm", "other")),
        label_text(row["label"]),
        *(estimate(row, key, stem=key, digits=3) for key in ("auc_arm", "auc_other")),
        estimate(row, "difference", digits=3, sign=True),
        p_value(row["p_holm"]) if math.isfinite(row["p_holm"]) else DASH,
        f"{row['n']}, {row['n_positive']} positive",
    ]


def _sentence(row: Mapping) -> str:
    """State the difference; an interval that includes 0 is no proof of equality."""
    ends = (
        f"95 % interval {number(row['low'], 3, sign=True)} to {number(row['high'], 3, sign=True)}"
    )
    numbers = f"({number(row['auc_arm'], 3)} against {number(row['auc_other'], 3)}, {ends}"
    numbers += f"; {p_equals(row['p_holm'])} after Holm's correction)"
    what = f"AUROC of {label_text(row['label'])}"
    if row["p_holm"] < ALPHA:
        side = "higher" if row["difference"] > 0 else "lower"
        return f"{row['arm']} has a {side} {what} than {row['other']} {numbers}."
    return f"No difference in {what} is shown between {row['arm']} and {row['other']} {numbers}."
