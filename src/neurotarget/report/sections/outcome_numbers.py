"""Key numbers of predicted classes: AUROC, average precision, Brier score and calibration."""

import math
from collections.abc import Mapping

from neurotarget.number_text import DASH, number
from neurotarget.outcome import Outcome
from neurotarget.report.sections.key_numbers import KeyNumbers, Tile
from neurotarget.report.text.numbers import counted
from neurotarget.report.text.outcome_texts import class_text
from neurotarget.report.text.sentences import records, title_of
from neurotarget.stats.cohort.measured import PARTS
from neurotarget.stats.study.results import Study

Rows = Mapping[str, Mapping]  # by statistic


def outcome_numbers(study: Study) -> list[KeyNumbers]:
    """Return the key numbers of each predicted outcome with classes.

    Outcomes of several classes have means over classes, accuracy and kappa in place of sensitivity
    and specificity.

    The key numbers read the tables `discrimination` and `calibration`.
    """
    outcomes = [one for one in study.measured.target.outcomes if one.is_class]
    return [_numbers(study, one) for one in outcomes if statistics_of(study, one.labels[0])]


def statistics_of(study: Study, label: str, stratum: str = "all", level: str = "all") -> Rows:
    """Return the rows of a label by statistic; of several thresholds, the rows of the first.

    Args:
        study: its tables `discrimination` and `calibration` are read.
        label: a class, or the name of an outcome for statistics over all its classes.
        stratum: all, or a covariate such as sex or part.
        level: level of that covariate, such as F or external.

    Returns:
        Rows with `value`, `low`, `high`, counts and `reason`; empty if the label was not predicted.
    """
    where = {"label": label, "stratum": stratum, "level": level}
    rows: dict[str, Mapping] = {}
    for name in ("discrimination", "calibration"):
        for row in records(study, name, **where):
            rows.setdefault(row["statistic"], row)
    return rows


def _numbers(study: Study, outcome: Outcome) -> KeyNumbers:
    label = outcome.labels[0] if outcome.kind == "binary" else outcome.name
    rows = statistics_of(study, label)
    tiles = _binary(study, label, rows) if outcome.kind == "binary" else _several(rows)
    return KeyNumbers(
        f"{title_of(outcome.name)}, predicted against the reference", tuple(tiles), (), (), 0
    )


def _binary(study: Study, label: str, rows: Rows) -> list[Tile]:
    area = rows["auroc"]
    counts = (
        f"{counted(int(area['n']), 'case')}, {int(area['n_positive'])} {class_text(study, label)}"
    )
    ranked, prevalence = rows["average_precision"], rows["prevalence"]
    guess = f"guessing gives the prevalence, {number(prevalence['value'], 2)}"
    found, spared = rows["sensitivity"], rows["specificity"]
    at = f"at a probability above {number(found['threshold'], 2)}"
    return [
        tile("AUROC", area, f"{counts}{_by_part(study, label)}"),
        tile("Average precision", ranked, guess),
        tile("Brier score", rows["brier"], f"scaled {number(rows['brier_scaled']['value'], 2)}: "
             "1 is perfect, 0 as good as the prevalence"),
        tile("Calibration slope", rows["calibration_slope"], slope_text(rows["calibration_slope"])),
        tile("Sensitivity", found, at),
        tile("Specificity", spared, at),
        *_failed(area),
    ]  # fmt: skip


def _several(rows: Rows) -> list[Tile]:
    area = rows["auroc_macro"]
    kappa = rows.get("kappa_quadratic") or rows["kappa"]
    weights = "quadratic weights: far grades count more" if "kappa_quadratic" in rows else ""
    return [
        tile("AUROC, mean over classes", area, counted(int(area["n"]), "case")),
        tile("Accuracy", rows["accuracy"], "the class of the largest probability is correct"),
        tile("Balanced accuracy", rows["balanced_accuracy"], "each class has the same weight"),
        tile("Kappa", kappa, weights),
        tile("Brier score", rows["brier"], "sum over classes; 0 is perfect"),
        *_failed(area),
    ]


def tile(name: str, row: Mapping, note: str = "", digits: int = 2) -> Tile:
    """Return the tile of a statistic, with the reason where it is unknown.

    Args:
        name: name of the tile.
        row: row with `value`, `low`, `high` and `reason`; ends of an unknown interval are NaN.
        note: text below the number.
        digits: number of digits after the decimal point.
    """
    if not math.isfinite(row["value"]):
        return Tile(name, DASH, "", row["reason"])
    ends = [number(row[end], digits) for end in ("low", "high")]
    interval = f"95 % interval {' to '.join(ends)}" if math.isfinite(row["low"]) else ""
    return Tile(name, number(row["value"], digits), interval, note)


def slope_text(row: Mapping) -> str:
    """Return a text on the meaning of a calibration slope; "" without an interval.

    If the whole interval lies below 1, probabilities are too far from the prevalence. `row` has the
    ends `low` and `high` of the interval.
    """
    if not math.isfinite(row["low"]):
        return ""
    if row["high"] < 1:
        return "below 1: the probabilities are too extreme"
    if row["low"] > 1:
        return "above 1: the probabilities are too moderate"
    return "the interval includes 1, the perfect value"


def intercept_text(row: Mapping) -> str:
    """Return a text on the meaning of a calibration intercept; "" without an interval.

    If the whole interval lies below 0, probabilities are too high on average. `row` has the ends
    `low` and `high` of the interval.
    """
    if not math.isfinite(row["low"]):
        return ""
    if row["high"] < 0:
        return "below 0: the probabilities are too high on average"
    if row["low"] > 0:
        return "above 0: the probabilities are too low on average"
    return "the interval includes 0, the perfect value"


def _failed(row: Mapping) -> list[Tile]:
    n = int(row["n"]) + int(row["n_failed"])
    note = "they count as wrong where a class is predicted" if row["n_failed"] else ""
    return [Tile("Failed predictions", f"{int(row['n_failed'])} of {n}", "", note)]


def _by_part(study: Study, label: str) -> str:
    """Return AUROC of internal and of external cases, where there are both."""
    parts = {name: statistics_of(study, label, "part", name) for name in PARTS.values()}
    if not all(parts.values()):
        return ""
    texts = [f"{name} {number(rows['auroc']['value'], 2)}" for name, rows in parts.items()]
    return f" ({', '.join(texts)})"
