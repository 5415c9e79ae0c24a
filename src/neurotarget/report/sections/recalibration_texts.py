"""Learned recalibration of a run: a line and a table for the terminal, a section of the page.

A record is the content of `recalibration.json` as plain values; undefined values are None.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from neurotarget.number_text import DASH, number
from neurotarget.report.sections.plain_page import Grid, Section, headings
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.numbers import aligned, counted
from neurotarget.report.text.sentences import label_text, rows_of
from neurotarget.stats.study.results import Study

NAME, TITLE = "recalibration", "Recalibration"
STEPS = {
    "intercept": "intercept",
    "slope": "intercept and slope",
    "temperature": "slope (temperature)",
}
COLUMNS = ("step", "label", "kept", "reason", "n", "log_loss_before", "log_loss_after")
HEADS = ["Mean probability before", "after", "Observed", "Log loss before", "after", "Threshold"]
Record = Mapping[str, Any]


def trials_table(record: Record) -> pd.DataFrame:
    """Return one row per tried correction; empty where the record has none.

    `log_loss_before` and `log_loss_after` are in nats over `n` validation cases, NaN if undefined.
    """
    trials = [one for one in record.get("trials") or [] if isinstance(one, Mapping)]
    table = pd.DataFrame(trials).reindex(columns=list(COLUMNS))
    return table.astype({"log_loss_before": float, "log_loss_after": float})


def thresholds_of(record: Record) -> dict[str, float]:
    """Return the learned thresholds of a record, which are probabilities, by outcome.

    Empty without thresholds, also where another program has changed the structure of the record.
    """
    steps = record.get("steps")
    values = steps.get("thresholds") if isinstance(steps, Mapping) else None
    return dict(values) if isinstance(values, Mapping) else {}


def recalibration_facts(record: Record) -> dict[str, Any]:
    """Return the part of a record for a summary: steps, and changes of each outcome.

    Returns:
        `n_cases`, `steps` (lines and thresholds by outcome), and `outcomes` (values before and
        after the corrections, by outcome).
    """
    changes = {
        one["label"]: {key: value for key, value in one.items() if key != "label"}
        for one in record["changes"]
    }
    return {"n_cases": record["n_cases"], "steps": record["steps"], "outcomes": changes}


def recalibration_line(record: Record) -> str:
    """Return one line on the learned corrections; "" if no case has a known class.

    It begins with `recalibrate`, for the log of a run.
    """
    if not record["n_cases"]:
        return ""
    of, steps = counted(record["n_cases"], "validation case"), record["steps"]
    if not record["changes"]:
        return f"recalibrate  nothing learned from {of}: too few of each class"
    texts = []
    for one in record["changes"]:
        name, parts = one["label"], []
        if line := steps["lines"].get(name):
            means = " → ".join(number(one[f"mean_{when}"], 2) for when in ("before", "after"))
            parts = [_line_text(line), f"mean probability {means}"]
        parts = parts or ["no correction helps"]
        if name in steps["thresholds"]:
            parts.append(f"positive above {number(steps['thresholds'][name], 2)}")
        texts.append(f"{name}: {', '.join(parts)}")
    return f"recalibrate  {'; '.join(texts)}: on {of}"


def recalibration_text(facts: Record) -> str:
    """Format the outcomes before and after the kept corrections as a table for the terminal.

    It is "" if no case has a known class.
    """
    if not facts["n_cases"]:
        return ""
    of = counted(facts["n_cases"], "validation case")
    if not facts["outcomes"]:
        return f"Recalibration: none (too few of each class: {of})"
    table = [[f"Recalibration, on {of}", "kept", *(head.lower() for head in HEADS)]]
    for name, change in facts["outcomes"].items():
        line = facts["steps"]["lines"].get(name)
        kept = _line_text(line) if line else "none"
        table.append([name, kept, *_numbers(change, facts["steps"]["thresholds"].get(name))])
    return aligned(table)


def recalibration_section(study: Study) -> Section | None:
    """Return the section on tried corrections; None where the study has none.

    A correction is kept if it lowers the log loss of validation cases that it was not fitted to.
    """
    table = rows_of(study, NAME)
    if not len(table):
        return None
    columns = headings(["Correction", "Outcome", "Kept"], ["Cases", "Log loss before", "after"])
    rows = [_row(row) for row in table.to_dict("records")]
    kept = [f"{row[0]} ({row[1]})" for row in rows if row[2] == "kept"]
    finding = f"Kept: {', '.join(kept)}." if kept else "No correction is kept."
    grid = Grid(TITLE, columns, rows)
    return Section(NAME, TITLE, page_text("recalibration.lead"), [grid], (), [finding])


def _row(row: Record) -> list[str]:
    return [
        STEPS.get(row["step"], row["step"]),
        label_text(row["label"]),
        "kept" if row["kept"] else f"no: {row['reason']}",
        str(int(row["n"])),
        *(number(row[f"log_loss_{when}"], 4) for when in ("before", "after")),
    ]


def _numbers(change: Record, threshold: float | None) -> list[str]:
    values = [change[name] for name in ("mean_before", "mean_after", "observed")]
    texts = [DASH if value is None else number(value, 3) for value in values]
    texts += [number(change[f"log_loss_{when}"], 3) for when in ("before", "after")]
    return [*texts, DASH if threshold is None else number(threshold, 2)]


def _line_text(line: Record) -> str:
    slope = f"slope {number(line['slope'], 2)}"
    return (
        f"intercept {number(line['intercept'], 2, sign=True)}, {slope}"
        if line["intercept"]
        else slope
    )
