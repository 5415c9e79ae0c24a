"""Learned post-processing of a run: a line and a table for the terminal, a section of the page.

A record is the content of `postprocessing.json` as plain values; undefined values are None.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurotarget.number_text import number, unit_text
from neurotarget.report.sections.plain_page import Grid, Section, headings
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.numbers import aligned, counted
from neurotarget.report.text.sentences import rows_of
from neurotarget.size_units import VOLUMES, SizeUnits
from neurotarget.stats.study.results import Study

NAME, TITLE = "postprocessing", "Post-processing"
MOST_ROWS = 12  # most rows on the page and in the terminal; the table has all rows
STEPS = {
    "largest_together": "largest piece of all labels together",
    "largest_piece": "largest piece only",  # in records of older versions
    "largest_pieces": "largest pieces only",
    "fill_holes": "holes filled",
}
COLUMNS = ("step", "label", "pieces", "size_mm3", "kept", "reason", "n", "dice_before")
COLUMNS += ("dice_after", "in_pieces_before", "in_pieces_after")
NUMBERS = ("pieces", "size_mm3", "dice_before", "dice_after")
Record = Mapping[str, Any]


def trials_table(record: Record) -> pd.DataFrame:
    """Return one row per tried step and label; empty where the record has none.

    `pieces` and `size_mm3` are NaN for steps without a number; `dice_before` and `dice_after` are
    means over `n` validation cases; `kept` is whether the step is applied, and `reason` states why
    it is not.
    """
    trials = [one for one in record.get("trials") or [] if isinstance(one, Mapping)]
    named = _units(record).named
    table = pd.DataFrame(trials).reindex(columns=[named(name) for name in COLUMNS])
    return table.assign(**{name: table[name].astype(float) for name in map(named, NUMBERS)})


def postprocessing_facts(record: Record) -> dict[str, Any]:
    """Return the part of a record for a summary: steps, and changes of each label.

    Returns:
        `n_cases`, `steps`, `labels` (values before and after the steps, by label), and `size_units`
        where sizes are not volumes.
    """
    changes = {
        one["label"]: {key: value for key, value in one.items() if key != "label"}
        for one in record["changes"]
    }
    facts = {"n_cases": record["n_cases"], "steps": record["steps"], "labels": changes}
    return facts | ({"size_units": record["size_units"]} if "size_units" in record else {})


def postprocessing_line(record: Record) -> str:
    """Return one line on the learned steps.

    It begins with `postprocess`, for the log of a run. If no step was kept, it states the reason.
    """
    n, changes = record["n_cases"], record["changes"]
    steps = steps_text(record["steps"], _units(record))
    of = counted(n, "validation case")
    if not changes:
        return f"postprocess  nothing learned from {of}: too few"
    if not steps:
        return f"postprocess  nothing kept: no step helps on {of} ({_effect(changes, n)})"
    return f"postprocess  {'; '.join(steps)}: on {of} {_effect(changes, n)}"


def _units(record: Record) -> SizeUnits:
    """Return the units of a record; a record without units is of volumes."""
    return SizeUnits(*record.get("size_units", VOLUMES))


def steps_text(steps: Record, units: SizeUnits = VOLUMES) -> list[str]:
    """Return the texts of the kept steps, with their labels; empty if none is kept.

    `units` are the units of the smallest sizes of pieces: mm³ of scans, mm² or px of pictures.
    """
    texts = [STEPS["largest_together"]] if steps["largest_together"] else []
    counts = steps.get("largest_pieces") or dict.fromkeys(steps.get("largest_piece", ()), 1)
    for count in dict.fromkeys(counts.values()):
        names = [name for name, own in counts.items() if own == count]
        texts.append(f"{_largest(count)} ({_few(names)})")
    if steps["fill_holes"]:
        texts.append(f"{STEPS['fill_holes']} ({_few(steps['fill_holes'])})")
    if sizes := steps.get(units.named("smallest_piece_mm3")):
        unit = unit_text(units.unit)
        least = [f"{size:g} {unit} ({name})" for name, size in sizes.items()]
        texts.append(f"no pieces below {_few(least)}")
    return texts


def _largest(count: float) -> str:
    return "largest piece only" if count == 1 else f"{count:g} largest pieces only"


def postprocessing_text(facts: Record) -> str:
    """Format the labels before and after the kept steps as a table for the terminal.

    `facts` are as `postprocessing_facts` returns them, so they can also come from a summary.json.
    """
    units, labels = _units(facts), facts["labels"]
    steps = steps_text(facts["steps"], units)
    of = counted(facts["n_cases"], "validation case")
    if not steps:
        return f"Post-processing: none ({'too few: ' if not labels else 'no step helps on '}{of})"
    head = [f"Post-processing, on {of}", "Dice before", "after", "too many pieces before", "after"]
    table = [[*head, f"HD95 {units.length} before", "after"]]
    hd95 = [units.named(f"hd95_{when}_mm") for when in ("before", "after")]
    changed = [name for name, change in labels.items() if change.get(hd95[0]) is not None]
    for name in changed[:MOST_ROWS]:
        change = labels[name]
        table.append(
            [
                name,
                *(number(change[f"dice_{when}"], 3) for when in ("before", "after")),
                *(str(change[f"in_pieces_{when}"]) for when in ("before", "after")),
                *(number(change[name], 2) for name in hd95),
            ]
        )
    return "\n".join([aligned(table), f"kept: {'; '.join(steps)}"])


def postprocessing_section(study: Study) -> Section | None:
    """Return the section on tried steps; None where the study has none.

    Kept steps and those that change a score come first; at most 12 are listed.
    """
    table = rows_of(study, NAME)
    if not len(table):
        return None
    moves = table["kept"] | ((table["dice_before"] - table["dice_after"]).abs() > 0)
    moves |= table["in_pieces_before"] != table["in_pieces_after"]
    chosen = table[moves] if moves.any() else table
    chosen = chosen.sort_values("kept", ascending=False, kind="stable")[:MOST_ROWS].sort_index()
    numbers = [
        "Validation cases",
        "Dice before",
        "after",
        "Masks in too many pieces before",
        "after",
    ]
    columns = headings(["Step", "Label", "Kept"], numbers)
    units = study.measured.target.size_units
    grid = Grid(TITLE, columns, [_row(row, units) for row in chosen.to_dict("records")])
    left = len(table) - len(chosen)
    after = [
        f"{counted(left, 'more trial')}, without effect or left out for space: see the tables."
    ]
    rows = [_row(row, units) for row in table[table["kept"]].to_dict("records")]
    kept = [f"{row[0]} ({row[1]})" for row in rows]
    finding = f"Kept: {_few(kept, MOST_ROWS)}." if kept else "No step is kept."
    return Section(
        NAME, TITLE, page_text("postprocessing.lead"), [grid], after if left else (), [finding]
    )


def _row(row: Record, units: SizeUnits) -> list[str]:
    step, size = STEPS.get(row["step"], row["step"]), row[units.named("size_mm3")]
    if np.isfinite(row["pieces"]):
        step = _largest(row["pieces"])
    if np.isfinite(size):
        step = f"no pieces below {size:g} {unit_text(units.unit)}"
    return [
        step,
        row["label"],
        "kept" if row["kept"] else f"no: {row['reason']}",
        str(int(row["n"])),
        *(number(row[f"dice_{when}"], 4) for when in ("before", "after")),
        *(str(int(row[f"in_pieces_{when}"])) for when in ("before", "after")),
    ]


def _effect(changes: Sequence[Record], n: int) -> str:
    """Return a text on all labels: mean Dice and masks in too many pieces, before and after."""
    dice, pieces = [], []
    for when in ("before", "after"):
        known = [one[f"dice_{when}"] for one in changes if one[f"dice_{when}"] is not None]
        dice.append(number(float(np.mean(known)) if known else None, 3))
        pieces.append(str(sum(one[f"in_pieces_{when}"] for one in changes)))
    masks = counted(n * len(changes), "mask")
    return f"Dice {_arrow(dice)}, {_arrow(pieces)} of {masks} in too many pieces"


def _arrow(pair: Sequence[str]) -> str:
    return " → ".join(dict.fromkeys(pair))


def _few(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
