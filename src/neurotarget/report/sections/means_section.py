"""Section on mean intensities inside masks by each method, and their agreement."""

from collections.abc import Sequence

from neurotarget.number_text import digits_for, number
from neurotarget.report.sections.plain_page import Grid, Section, headings
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.numbers import estimate
from neurotarget.report.text.sentences import PLANTED_IN_TISSUE, records, rows_of
from neurotarget.stats.cohort.measured import Quantity
from neurotarget.stats.study.results import Study
from neurotarget.stats.tables.means import views

MOST_LABELS = 12


def means_sections(study: Study) -> list[Section]:
    """Return a section for each contrast with a unit, with one row per label and method.

    With several methods a row also has bias and ICC(A,1) with the first method. Of more than 12
    labels, the first labels and the sum of all have rows. Empty without a contrast with a unit.

    The sections read the tables `means` and `mean_agreement`.
    """
    return [_section(study, contrast, view.main) for contrast, view in views(study.measured)]


def _section(study: Study, contrast: str, means: Quantity) -> Section:
    measured = study.measured
    unit, methods = means.unit, list(means.tables)
    labels, title = _labels(measured.labels), f"Mean {contrast}"
    numbers = [f"Mean, {unit}", f"SD, {unit}", "Cases", "Missing"]
    if len(methods) > 1:
        numbers += [f"Bias to {methods[0]}, {unit}", f"ICC(A,1) with {methods[0]}"]
    columns = headings(["Label", "Masks"], numbers)
    rows = [_row(study, contrast, label, methods, place) for label in labels
            for place in range(len(methods))]  # fmt: skip
    left = len(measured.labels) - len(labels)
    more = [f"{left} more labels are in the tables below."] if left else []
    lead = page_text("means.lead", contrast=contrast)
    sources = {(item.contrast, item.source) for item in measured.target.hypotheses}
    is_planted = (contrast, PLANTED_IN_TISSUE) in sources
    after = [*more, page_text("means.caution")]
    after += [page_text("means.planted")] if is_planted else []
    return Section(f"means-{contrast}", title, lead, [Grid(title, columns, rows)], after)


def _labels(labels: Sequence[str]) -> list[str]:
    """Return all labels; of many, the first labels and the last, which is the sum of all."""
    return list(labels) if len(labels) <= MOST_LABELS else [*labels[: MOST_LABELS - 1], labels[-1]]


def _row(study: Study, contrast: str, label: str, methods: Sequence[str], place: int) -> list[str]:
    """Return a method's mean of one label, and its agreement with the first method."""
    method, here = methods[place], {"contrast": contrast, "label": label, "stratum": "all"}
    rows = records(study, "means", method=method, **here)
    row = rows[0]  # the table has exactly one row per method and label
    cells = [label, method, estimate(row, "mean"), number(row["sd"], digits_for(row["mean"]))]
    cells += [str(int(row["n"])), str(int(row["n_missing"]))]
    if len(methods) == 1:
        return cells
    pair = rows_of(study, "mean_agreement", first=methods[0], second=method, **here)
    statistics = {one["statistic"]: one for one in pair.to_dict("records")}
    for statistic, options in (("bias", {"sign": True}), ("icc_a1", {"digits": 2})):
        cells.append(estimate(statistics.get(statistic, {}), "value", **options))
    return cells
