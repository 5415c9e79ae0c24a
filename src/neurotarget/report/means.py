"""Mean intensities inside the masks: by method, and how well the methods agree in them."""

from collections.abc import Mapping, Sequence

import pandas as pd

from neurotarget.report.plain_page import Grid, Heading
from neurotarget.report.section import TableSection
from neurotarget.report.words import DASH, estimate, rows_of
from neurotarget.stats.study import Study

MOST_LABELS = 12
CAUTION = (
    "A mean inside a mask moves with the mask: voxels at its border hold other tissue too, so "
    "that a larger mask pulls the mean towards what lies around."
)


def means_sections(study: Study) -> list[TableSection]:
    """A section for each contrast that has a unit, with a row a label."""
    return [_section(study, contrast) for contrast in study.measured.means]


def _section(study: Study, contrast: str) -> TableSection:
    measured = study.measured
    unit, methods = measured.target.units[contrast], list(measured.means[contrast])
    means = rows_of(study, "means", contrast=contrast, stratum="all")
    by_place = {(row["label"], row["method"]): row for row in means.to_dict("records")}
    agreement = _agreement(study, contrast, methods)
    columns = [Heading("Label", "text"), *(Heading(f"{name}, {unit}") for name in methods)]
    if agreement is not None:
        columns += [Heading(f"Bias ({methods[1]} − {methods[0]}), {unit}"), Heading("ICC(A,1)")]
    columns += [Heading("Cases"), Heading("Missing")]
    labels = _labels(measured.labels)
    rows = [_row(label, methods, by_place, agreement) for label in labels]
    left = len(measured.labels) - len(labels)
    more = [f"{left} more labels are in the tables below."] if left else []
    lead = (
        f"Mean {contrast} of the voxels inside each mask, averaged over cases; square brackets "
        "hold 95 % intervals over people. A region is the mean of its labels, weighted by volume. "
        "Cases are those with a mean by the first method; an empty mask has none and is missing."
    )
    title = f"Mean {contrast}"
    return TableSection(
        f"means-{contrast}", title, lead, [Grid(title, columns, rows)], [*more, CAUTION]
    )


def _labels(labels: Sequence[str]) -> list[str]:
    """All labels, or of many the first ones and the last, which is the sum of all."""
    return list(labels) if len(labels) <= MOST_LABELS else [*labels[: MOST_LABELS - 1], labels[-1]]


def _agreement(study: Study, contrast: str, methods: Sequence[str]) -> pd.DataFrame | None:
    """Agreement of the first two methods by label and statistic."""
    if len(methods) < 2:
        return None
    first, second = methods[:2]
    wanted = {"contrast": contrast, "stratum": "all", "first": first, "second": second}
    rows = rows_of(study, "mean_agreement", **wanted)
    return rows.set_index(["label", "statistic"]) if len(rows) else None


def _row(
    label: str,
    methods: Sequence[str],
    by_place: Mapping[tuple[str, str], Mapping],
    agreement: pd.DataFrame | None,
) -> list[str]:
    known = [by_place.get((label, name)) for name in methods]
    cells = [estimate(row, "mean") if row else DASH for row in known]
    if agreement is not None:
        for statistic, options in (("bias", {"sign": True}), ("icc_a1", {"digits": 2})):
            found = agreement.loc[(label, statistic)].to_dict()
            cells.append(estimate(found, "value", **options))
    first = known[0] or {"n": 0, "n_missing": 0}
    missing = sum(int(row["n_missing"]) for row in known if row)
    return [label, *cells, str(int(first["n"])), str(missing)]
