"""Sections on predicted classes: discrimination and calibration.

Statements follow intervals: discrimination counts as shown only if the interval of AUROC excludes
0.5, and a slope or intercept counts as imperfect only if its interval excludes the perfect value.
"""

import math
from collections.abc import Mapping, Sequence

from neurotarget.number_text import DASH, number
from neurotarget.report.sections.outcome_numbers import intercept_text, slope_text, statistics_of
from neurotarget.report.sections.plain_page import Grid, Section, headings
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.numbers import counted, estimate
from neurotarget.report.text.outcome_texts import class_text, positive_text
from neurotarget.report.text.sentences import label_text, rows_of
from neurotarget.stats.study.results import Study

MOST_LABELS = 20
OF_THRESHOLD = ("sensitivity", "specificity", "ppv", "npv", "balanced_accuracy", "f1")


def outcome_sections(study: Study) -> list[Section]:
    """Return the sections on discrimination and calibration; none without predicted classes.

    At most 20 labels are listed. The sections read the tables `discrimination` and `calibration`.
    """
    makers = (_discrimination, _calibration)
    return [section for make in makers if (section := make(study))]


def outcome_sentences(study: Study) -> list[str]:
    """Return sentences on AUROC, average precision and calibration of each label.

    An unknown statistic gives a sentence with the reason.
    """
    sentences = []
    for label in _labels(study):
        rows = statistics_of(study, label)
        sentences += filter(None, (_area_sentence(study, label, rows),
                                   _calibration_sentence(study, label, rows)))  # fmt: skip
    return sentences


def outcome_answer(study: Study) -> str:
    """Return the sentence on the discrimination of the first outcome with classes, or "".

    With several classes it states the accuracy, and the mean over classes of the AUROC of each
    class against all others.
    """
    outcome = next((one for one in study.measured.target.outcomes if one.is_class), None)
    if outcome is None or not _labels(study):
        return ""
    if outcome.kind == "binary":
        return _area_sentence(study, outcome.name, statistics_of(study, outcome.name))
    rows = statistics_of(study, outcome.name)
    area, right = rows["auroc_macro"], rows["accuracy"]
    name = label_text(outcome.name)
    if not math.isfinite(area["value"]):
        return f"Discrimination of {name} is unknown: {area['reason']}."
    return (
        f"The AUROC of {name} is {_two(area)}, the mean over its classes, each against the rest "
        f"({counted(int(area['n']), 'case')}); a share of {_two(right)} is predicted correctly."
    )


def _labels(study: Study) -> list[str]:
    """Return the labels with a row of AUROC, in the target's order."""
    table = rows_of(study, "discrimination", statistic="auroc", stratum="all")
    return list(table["label"])[:MOST_LABELS] if len(table) else []


def _discrimination(study: Study) -> Section | None:
    labels = _labels(study)
    if not labels:
        return None
    rows = {label: statistics_of(study, label) for label in labels}
    numbers = ["Cases", "Of the class", "AUROC", "Average precision", "Prevalence"]
    grids = [
        Grid("Without a threshold", headings(["Class"], numbers),
             [_ranked(study, label, rows[label]) for label in labels]),
        Grid("Predicted classes", headings(["Class", "Predicted as it"], _heads()),
             [line for label in labels for line in _operating(study, label)]),
        *_over_classes(study),
    ]  # fmt: skip
    several = any(one.kind == "classes" for one in study.measured.target.outcomes)
    n_failed = max(int(rows[label]["auroc"]["n_failed"]) for label in labels)
    after = [page_text("outcomes.several")] if several else [page_text("outcomes.threshold")]
    after += [page_text("outcomes.predictive")]
    after += [f"{counted(n_failed, 'prediction')} failed. {page_text('outcomes.failed')}"] * bool(
        n_failed
    )
    found = [_area_sentence(study, label, rows[label]) for label in labels]
    lead = page_text("outcomes.discrimination")
    return Section(
        "discrimination", "Discrimination", lead, grids, after, list(filter(None, found))
    )


def _heads() -> Sequence[str]:
    names = {"ppv": "PPV", "npv": "NPV", "f1": "F1"}
    return [names.get(name, name.replace("_", " ").capitalize()) for name in OF_THRESHOLD]


def _ranked(study: Study, label: str, rows: Mapping[str, Mapping]) -> list[str]:
    area = rows["auroc"]
    cells = [_two(rows[name]) for name in ("auroc", "average_precision", "prevalence")]
    return [class_text(study, label), str(int(area["n"])), str(int(area["n_positive"])), *cells]


def _operating(study: Study, label: str) -> list[list[str]]:
    """Return a row of cells for each threshold."""
    table = rows_of(study, "discrimination", label=label, stratum="all")
    table = table[table["statistic"].isin(OF_THRESHOLD)]
    lines = []
    for threshold, own in table.groupby("threshold", sort=False, dropna=False):
        known = own.set_index("statistic").to_dict("index")
        where = "largest probability" if math.isnan(threshold) else f"p > {number(threshold, 2)}"
        cells = [_two(known[name]) for name in OF_THRESHOLD]
        lines.append([class_text(study, label), where, *cells])
    return lines


def _over_classes(study: Study) -> list[Grid]:
    """Return the statistics over all classes of each outcome with several classes."""
    names = {"auroc_macro": "AUROC", "average_precision_macro": "Average precision"}
    names |= {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "f1_macro": "F1"}
    names |= {"kappa": "Kappa", "log_loss": "Log loss, nats"}
    lines = []
    for outcome in study.measured.target.outcomes:
        rows = dict(statistics_of(study, outcome.name)) if outcome.kind == "classes" else {}
        if rows:
            rows.setdefault("kappa", rows.get("kappa_quadratic", {}))
            lines.append([label_text(outcome.name), *(_two(rows.get(name, {})) for name in names)])
    columns = headings(["Outcome"], list(names.values()))
    return [Grid("Over all classes", columns, lines)] if lines else []


def _calibration(study: Study) -> Section | None:
    labels = [label for label in _labels(study) if "brier" in statistics_of(study, label)]
    if not labels:
        return None
    names = {"brier": "Brier score", "brier_scaled": "Scaled", "log_loss": "Log loss, nats"}
    names |= {"calibration_intercept": "Intercept", "calibration_slope": "Slope"}
    names |= {"expected_observed": "E:O", "ece": "ECE"}
    lines, found = [], []
    for label in labels:
        rows = statistics_of(study, label)
        lines.append([class_text(study, label), *(_two(rows.get(name, {})) for name in names)])
        found.append(_calibration_sentence(study, label, rows))
    grid = Grid("Calibration", headings(["Class"], list(names.values())), lines)
    lead, after = page_text("outcomes.calibration"), [page_text("outcomes.calibrated_here")]
    return Section("calibration", "Calibration", lead, [grid], after, list(filter(None, found)))


def _area_sentence(study: Study, label: str, rows: Mapping[str, Mapping]) -> str:
    """Return a sentence with AUROC and average precision and their intervals, or with a reason."""
    area, ranked, prevalence = (rows[name] for name in ("auroc", "average_precision", "prevalence"))
    name = class_text(study, label)
    if not math.isfinite(area["value"]):
        return f"Discrimination of {name} is unknown: {area['reason']}."
    text = f"The AUROC of {name} is {_two(area)} ({_counts(study, area)})"
    if math.isfinite(area["low"]):
        if area["low"] > 0.5:
            text += ": its cases get higher probabilities than chance explains"
        elif area["high"] < 0.5:
            text += ": its cases get lower probabilities, so the prediction is reversed"
        else:
            text += ": the interval includes 0.5, so no discrimination is shown"
    return f"{text}. Average precision is {_two(ranked)} at a prevalence of {_two(prevalence)}."


def _calibration_sentence(study: Study, label: str, rows: Mapping[str, Mapping]) -> str:
    slope, intercept = (rows.get(f"calibration_{name}", {}) for name in ("slope", "intercept"))
    name = class_text(study, label)
    if not slope or not math.isfinite(slope["value"]):
        return f"Calibration of {name} is unknown: {slope['reason']}." if slope else ""
    parts = [
        f"{what} {estimate(row, digits=2, sign=what == 'intercept')}"
        + (f" ({text})" if (text := tell(row)) else "")
        for what, row, tell in (
            ("slope", slope, slope_text),
            ("intercept", intercept, intercept_text),
        )
        if math.isfinite(row["value"])
    ]
    return f"Calibration of {name}: {', '.join(parts)}."


def _counts(study: Study, row: Mapping) -> str:
    cases, people = int(row["n"]), int(row["n_subjects"])
    positive = positive_text(study, row["label"], int(row["n_positive"]))
    text = f"{counted(cases, 'case')}, {positive}"
    return text if cases == people else f"{text}, {counted(people, 'person')}"


def _two(row: Mapping) -> str:
    return estimate(row, digits=2) if row else DASH
