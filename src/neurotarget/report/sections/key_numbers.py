"""Key numbers at the top of a report: overlap, agreement, bias, failures.

A tile is one number with its 95 % interval and a note on its meaning: overlap, agreement, bias,
failures, slope on the reference, or distance of surfaces. The rows below the tiles have agreement
and overlap of each label.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from neurotarget.number_text import DASH, digits_for, number, unit_text
from neurotarget.quantity import SIZES
from neurotarget.report.text.headed_tables import value_texts
from neurotarget.report.text.numbers import counted, estimate, in_percent, percent
from neurotarget.report.text.placeholders import in_unit
from neurotarget.report.text.sentences import (
    agreement_rows,
    failed_is,
    label_text,
    main_failures,
    main_label,
    own_methods,
    own_pairs,
    rating,
    records,
    rows_of,
    title_of,
    values_of,
)
from neurotarget.stats.cohort.measured import Quantity
from neurotarget.stats.study.results import Study

MOST_PAIRS = 3
MOST_LABELS = 12
MEAN_LABEL = "mean"  # row of scores averaged over the labels of a case


class Tile(NamedTuple):
    """One key number as texts: name, value with unit, 95 % interval, and a note on its meaning.

    `interval` is "" where there is none; the note of an unknown value is the reason.
    """

    name: str
    value: str
    interval: str
    note: str


class KeyRow(NamedTuple):
    """Agreement and overlap of one label; cells are in the order of `KeyNumbers.columns`."""

    label: str
    cells: tuple[str, ...]


class KeyNumbers(NamedTuple):
    """Key numbers of a pair of methods, or of a single method; `left_out` labels have no row.

    `columns` are the headings of the cells of `rows`, after the label.
    """

    heading: str
    tiles: tuple[Tile, ...]
    columns: tuple[str, ...]
    rows: tuple[KeyRow, ...]
    left_out: int


def key_numbers(study: Study) -> list[KeyNumbers]:
    """Return the numbers of up to three pairs of methods, or of a single method's values.

    Further raters have a separate section. Of more than 12 labels, those with the lowest Dice (or
    ICC, without Dice) have a row. Scores of masks belong to the reference and the next method only.

    The key numbers read the tables `agreement`, `scores` and `failures`; without a second method,
    they read the table of the main quantity, such as `volumes`.
    """
    pairs = own_pairs(study)[:MOST_PAIRS]
    if not pairs:
        return [_alone(study, method) for method in own_methods(study)]
    return [_together(study, *pair) for pair in pairs]


def failure_lines(study: Study) -> list[KeyRow]:
    """Return failure rates by definition, one cell per method, without unused definitions.

    A cell has the number of failed cases of all cases, and the rate with its interval; it is a dash
    where a definition does not apply to the method. The lines read the table `failures`.
    """
    table = rows_of(study, "failures")
    rows = {(row["definition"], row["method"]): row for row in table.to_dict("records")}
    return [
        KeyRow(
            value_texts().get(name, name).capitalize().replace("dice", "Dice"),
            tuple(_failed(rows.get((name, method))) for method in own_methods(study)),
        )
        for name in dict.fromkeys(name for name, _ in rows)
        if any(row["n"] > 0 for (other, _), row in rows.items() if other == name)
    ]


def _failed(row: Mapping | None) -> str:
    if row is None or not row["n"] > 0:
        return DASH
    return f"{int(row['n_failed'])} of {int(row['n'])}, {percent(row)}"


def _together(study: Study, first: str, second: str) -> KeyNumbers:
    label, main = main_label(study), study.measured.main
    agreement = agreement_rows(study, first, second)
    tiles = [
        _dice_tile(study, label) if _is_scored(study, first, second) else None,
        _icc_tile(study, agreement, label),
        _bias_tile(agreement, label, main),
        _failure_tile(study, second),
        _spread_tile(agreement, label, main.plural),
        _surface_tile(study, label) if _is_scored(study, first, second) else None,
    ]
    scores = rows_of(study, "scores", stratum="all")
    has_scores = _is_scored(study, first, second) and len(scores) and scores["mean"].notna().any()
    limits = in_unit("95 % limits of agreement", main.unit)
    columns = ("ICC(A,1)", in_unit("Bias", main.unit), limits)
    known = {name for name, _ in agreement}
    labels = [name for name in study.measured.labels if name in known]
    shown = _worst(study, labels, agreement) if len(labels) > 1 else []
    return KeyNumbers(
        f"{title_of(values_of(second, main.plural))} against {values_of(first, main.plural)}",
        tuple(tile for tile in tiles if tile),
        (*_score_columns(study), *columns) if has_scores else columns,
        tuple(_key_row(study, agreement, label, bool(has_scores)) for label in shown),
        len(labels) - len(shown) if shown else 0,
    )


def _is_scored(study: Study, first: str, second: str) -> bool:
    """Return whether the mask scores belong to this pair: the reference and the next method."""
    return first == study.measured.reference and (first, second) == study.measured.methods[:2]


def _worst(study: Study, labels: Sequence[str], agreement: Mapping) -> list[str]:
    """Return labels in the target's order; of many, the main label and those of low Dice or ICC."""
    if len(labels) <= MOST_LABELS:
        return list(labels)
    dice = {label: _score(study, label, "dice") for label in labels}
    if any(dice.values()):
        worth = {label: score["mean"] if score else math.nan for label, score in dice.items()}
    else:
        worth = {
            label: agreement.get((label, "icc_a1"), {}).get("value", math.nan) for label in dice
        }
    worst = sorted(worth, key=lambda label: (math.isnan(worth[label]), worth[label]))
    main = main_label(study)
    kept = {main, *[label for label in worst if label != main][: MOST_LABELS - 1]}
    return [label for label in labels if label in kept]


def _score(study: Study, label: str, metric: str) -> dict | None:
    rows = records(study, "scores", label=label, metric=metric, stratum="all")
    return rows[0] if rows else None


def _dice_tile(study: Study, label: str) -> Tile | None:
    labels = study.measured.labels
    is_mean = len(labels) > 1 and MEAN_LABEL not in labels  # not a label with that name
    row = _score(study, MEAN_LABEL if is_mean else label, "dice")
    if row is None or not math.isfinite(row["mean"]):
        return None
    what = "mean over the labels" if is_mean else label_text(row["label"])
    parts = _by_part(rows_of(study, "scores", label=row["label"], metric="dice"), "mean")
    note = f"{what}, {int(row['n'])} cases{parts}; a lost mask counts as 0"
    return Tile("Overlap (Dice)", number(row["mean"], 2), _ends(row, 2), note)


def _surface_tile(study: Study, label: str) -> Tile | None:
    """Return HD95 of the label, or of the worst label where a sum has no HD95, with exclusions."""
    length = study.measured.target.size_units.length
    rows = rows_of(study, "scores", metric=f"hd95_{length}", stratum="all")
    known = rows[rows["n"] > 0] if len(rows) else rows
    own = known[known["label"] == label] if len(known) else known
    if not len(known):
        return None
    row = (own if len(own) else known.nlargest(1, "median")).iloc[0]
    near = _score(study, row["label"], "surface_dice")
    note = f"{label_text(row['label'])}, {counted(int(row['n']), 'case')}; {_quartiles(row)}"
    if near is not None and math.isfinite(near["mean"]):
        note += f"; surface Dice {number(near['mean'], 2)} {_tolerance(study)}"
    note += "".join(f"; {omitted}" for omitted in [_left_out(row)] if omitted)
    value = f"{number(row['mean'], 2)} {length}"
    what = "outlines" if study.measured.target.is_flat else "surfaces"
    return Tile(f"Distance of {what} (HD95)", value, _ends(row, 2), note)


def _quartiles(row: Mapping) -> str:
    ends = " to ".join(number(row[key], 2) for key in ("q1", "q3"))
    return f"median {number(row['median'], 2)}, quartiles {ends}"


def _left_out(row: Mapping) -> str:
    """Return a text on cases without a distance, which the mean leaves out, and on failed cases."""
    if not row["n_nan"]:
        return ""
    failed = f" ({int(row['n_failed'])} failed)" if row.get("n_failed", 0) else ""
    return f"not counted: {counted(int(row['n_nan']), 'case')} without a distance{failed}"


def _tolerance(study: Study) -> str:
    target = study.measured.target
    return f"at {target.surface_tolerance:g} {target.size_units.length}"


def _score_columns(study: Study) -> tuple[str, ...]:
    length = study.measured.target.size_units.length
    return ("Dice", f"HD95, {length}: mean; median", f"Surface Dice {_tolerance(study)}")


def _by_part(rows: pd.DataFrame, column: str) -> str:
    """Return a number per part, if there are parts: `(internal 0.91, external 0.85)`."""
    parts = [
        f"{row['level']} {number(row[column], 2)}"
        for row in rows[rows["stratum"] == "part"].to_dict("records")
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _icc_tile(study: Study, agreement: Mapping, label: str) -> Tile | None:
    plural = study.measured.main.plural
    row, name = agreement.get((label, "icc_a1")), f"Agreement of {plural}, ICC(A,1)"
    if row is None:
        return None
    if not math.isfinite(row["value"]):
        return Tile(name, DASH, "", row["reason"])
    rated = rating(row["low"], row["high"])
    wanted = {key: row[key] for key in ("first", "second", "label", "statistic")}
    parts = _by_part(rows_of(study, "agreement", **wanted), "value")
    note = f"{label_text(label)}, {int(row['n'])} cases{parts}" + (
        f"; agreement is {rated}" if rated else ""
    )
    fixed = agreement.get((label, "icc_a1_fixed"))
    if fixed is not None and math.isfinite(fixed["low"]):
        ends = " to ".join(number(fixed[end], 2) for end in ("low", "high"))
        note += f"; for these two methods alone, not any two, {ends}"
    return Tile(name, number(row["value"], 2), _ends(row, 2), note)


def _bias_tile(agreement: Mapping, label: str, main: Quantity) -> Tile | None:
    row, name = agreement.get((label, "bias")), f"Bias of {main.plural}"
    if row is None:
        return None
    if not math.isfinite(row["value"]):
        return Tile(name, DASH, "", row["reason"])
    digits = digits_for(row["value"], row["low"], row["high"])
    limits = _limits(agreement, label)
    unit = f" {unit_text(main.unit)}".rstrip()
    note = f"95 % of single differences are expected between {limits}{unit}" if limits else ""
    value = f"{number(row['value'], digits, sign=True)}{unit}"
    return Tile(name, value, _ends(row, digits), note)


def _spread_tile(agreement: Mapping, label: str, plural: str) -> Tile | None:
    """Return the tile of the slope: spread of the second method as a share of the first's."""
    row = agreement.get((label, "reference_slope"))
    if row is None or not math.isfinite(row["value"]):
        return None
    slope = number(row["value"], 2)
    first, second = (f"{row[key]} {plural}" for key in ("first", "second"))
    note = f"{second} span {slope} of the spread of {first}"
    if row["low"] <= 0:
        note = f"{second} are not shown to follow {first}"
    elif row["high"] < 1:
        note += ": they shrink towards the mean, and so do the effects measured on them"
    elif row["low"] > 1:
        note += ": they exaggerate, and so do the effects measured on them"
    elif math.isfinite(row["low"]):
        note += "; no shrinking is shown"
    return Tile("Slope on the reference", slope, _ends(row, 2), note)


def _failure_tile(study: Study, method: str) -> Tile | None:
    row = main_failures(study, method)
    if row is None:
        return None
    rate = in_percent(row)
    text = f"{number(rate['value'], 1)} %, {_ends(rate, 1)}".rstrip(", ")
    failed = f"{int(row['n_failed'])} of {int(row['n'])}"
    return Tile(f"Failed cases, {method}", failed, text, failed_is(study, method))


def _ends(row: Mapping, digits: int) -> str:
    if not (math.isfinite(row["low"]) and math.isfinite(row["high"])):
        return ""
    return f"95 % interval {number(row['low'], digits)} to {number(row['high'], digits)}"


def _limits(agreement: Mapping, label: str) -> str:
    ends = [agreement.get((label, name), {"value": math.nan})["value"] for name in
            ("lower_limit", "upper_limit")]  # fmt: skip
    if not all(math.isfinite(end) for end in ends):
        return ""
    digits = digits_for(*ends)
    return " and ".join(number(end, digits, sign=True) for end in ends)


def _key_row(study: Study, agreement: Mapping, label: str, has_scores: bool) -> KeyRow:
    icc, bias = (agreement.get((label, name)) for name in ("icc_a1", "bias"))
    cells = []
    if has_scores:
        distance = f"hd95_{study.measured.target.size_units.length}"
        for metric, digits in (("dice", 3), (distance, 2), ("surface_dice", 2)):
            row = _score(study, label, metric)
            cell = DASH if row is None else estimate(row, "mean", digits=digits)
            if metric == distance and cell != DASH:
                ends = f"{number(row['q1'], 2)} to {number(row['q3'], 2)}"
                cell += f"; {number(row['median'], 2)} ({ends})"
                cell += f"; {int(row['n_nan'])} without" if row["n_nan"] else ""
            cells.append(cell)
    cells.append(estimate(icc or {}, digits=3))
    cells.append(estimate(bias or {}, sign=True))
    cells.append(_limits(agreement, label).replace(" and ", " to ") or DASH)
    return KeyRow(label_text(label), tuple(cells))


def _alone(study: Study, method: str) -> KeyNumbers:
    main = study.measured.main
    table = rows_of(study, main.table_name, method=method, stratum="all")
    rows = [_value_row(row, main) for row in table.to_dict("records")] if len(table) else []
    label = main_label(study)
    whole = table[table["label"] == label] if len(table) else pd.DataFrame()
    tiles = [_value_tile(row, main) for row in whole.to_dict("records")]
    tiles.append(_failure_tile(study, method))
    return KeyNumbers(
        f"{title_of(values_of(method, main.plural))}; there is no second method to compare with",
        tuple(tile for tile in tiles if tile),
        (in_unit("Mean", main.unit), "SD", "Median", "Range", "Cases"),
        tuple(rows[:MOST_LABELS]) if len(rows) > 1 else (),
        max(len(rows) - MOST_LABELS, 0),
    )


def _value_row(row: Mapping, main: Quantity) -> KeyRow:
    digits = 0 if main.name in SIZES else None
    ends = " to ".join(number(row[key], digits) for key in ("minimum", "maximum"))
    cells = (
        estimate(row, "mean"),
        number(row["sd"]),
        number(row["median"]),
        ends,
        str(int(row["n"])),
    )
    return KeyRow(label_text(row["label"]), cells)


def _value_tile(row: Mapping, main: Quantity) -> Tile:
    digits, unit = digits_for(row["mean"]), f" {unit_text(main.unit)}".rstrip()
    note = f"{int(row['n'])} cases, SD {number(row['sd'], digits)}{unit}"
    label = label_text(row["label"])
    return Tile(f"Mean {main.noun} of {label}", f"{number(row['mean'], digits)}{unit}",
                _ends(row, digits), note)  # fmt: skip
