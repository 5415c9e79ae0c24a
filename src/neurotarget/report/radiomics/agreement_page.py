"""Page of features measured with several masks: which features agree."""

from collections.abc import Mapping, Sequence

import pandas as pd

from neurotarget.number_text import number
from neurotarget.report.sections.plain_page import Body, Grid, Head, Section, headings, render_page
from neurotarget.report.text.definitions import known_definitions
from neurotarget.report.text.headed_tables import table_specs
from neurotarget.stats.radiomics.mask_agreement import REGION, agreement_counts

QUESTION = "Which features would be the same with another mask?"
COUNTS = ["Features", "ICC ≥ 0.75", "ICC ≥ 0.90", "Median ICC", "Lowest ICC"]
CHANGES = {
    "": "the masks as given",
    "second": "the second masks",
    "erode": "a layer of one voxel taken off",
    "dilate": "a layer of one voxel added",
    "shift": "moved by a voxel",
    "contour": "the contour moved by noise of one voxel",
}


def agreement_html(
    table: pd.DataFrame,
    masks: Sequence[str],
    families: Mapping[str, str],
    *,
    cases: int,
    facts: Mapping[str, str],
) -> str:
    """Return the page as one HTML document.

    Args:
        table: of `stats.radiomics.mask_agreement`.
        masks: how each further mask was made: second, or a perturbation.
        families: family of each feature.
        cases: number of compared cases.
        facts: origin of the numbers, by name.
    """
    listed = ", ".join(CHANGES[one] for one in ("", *masks))
    counts = f"{cases} cases, each measured with {1 + len(masks)} masks: {listed}."
    head = Head("Agreement of features", "Radiomics features", QUESTION, counts,
                agreement_sentence(table))  # fmt: skip
    own = table.assign(family=table["feature"].map(families))
    grids = [
        _grid("By region", own, REGION, ["Contrast", "Region"]),
        _grid("By family of features", own, ["family"], ["Family"]),
    ]
    body = Body([], {"agreement": table}, [], facts, specs=table_specs("features"),
                known=known_definitions("features"))  # fmt: skip
    return render_page(head, body, [Section("counts", "Counts", "", grids)], target="features")


def agreement_sentence(table: pd.DataFrame) -> str:
    """State how many features of how many regions agree well, and which agrees least."""
    known = table.dropna(subset="value")
    if not len(known):
        return "No feature could be compared: fewer than three cases have it by all masks."
    total = agreement_counts(table.assign(all=""), ["all"]).iloc[0]
    worst = known.loc[known["value"].idxmin()]
    return (
        f"{total['good']} of {total['features']} features of all regions have an ICC(A,1) of 0.75 "
        f"or more, {total['excellent']} of 0.90 or more. Least alike is {worst['feature']} of "
        f"{worst['label']} in {worst['contrast']} ({number(worst['value'], 2)})."
    )


def _grid(caption: str, table: pd.DataFrame, by: Sequence[str], named: Sequence[str]) -> Grid:
    rows = [
        [*(str(row[name]) for name in by), str(row["features"]), str(row["good"]),
         str(row["excellent"]), number(row["median"], 2), number(row["lowest"], 2)]
        for row in agreement_counts(table, by).to_dict("records")
    ]  # fmt: skip
    return Grid(caption, headings(named, COUNTS), rows)
