"""The numbers of a study as plain values for summary.json, and as text for the terminal.

A number of the main quantity has the name of its column in the study's tables, with the unit at its
end.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from neurotarget.metrics.metric_units import name_in
from neurotarget.number_text import number
from neurotarget.quantity import plural_of
from neurotarget.report.sections.learned_steps import LEARNED
from neurotarget.report.sections.outcome_summary import outcomes_summary, outcomes_table
from neurotarget.report.text.learning_banner import learning_text
from neurotarget.report.text.numbers import counted
from neurotarget.report.text.sentences import rows_of
from neurotarget.report.text.text_tables import (
    agreement_table,
    hypotheses_table,
    parts_table,
    quantity_of,
    scores_table,
    values_table,
)
from neurotarget.stats.cohort.failures import BELOW_HALF, failed_masks
from neurotarget.stats.cohort.learning import without_failed
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.effects.effects import claim
from neurotarget.stats.effects.verdict import INCONCLUSIVE
from neurotarget.stats.study.results import Study
from neurotarget.stats.tables.tables import ALL_LABELS, own_units
from neurotarget.types import FAILED

MOST_LABELS = 12  # of more labels, those of lowest Dice are shown
SCORES = ("dice", "precision", "recall", "hd95_mm", "assd_mm", "surface_dice")
LEARNING = ("learnt", "learnt_reasons", "learnt_warnings")
METHODS = ("reference", "predicted")
AGREEMENT = ("pearson_r", "spearman_rho", "icc_a1", "icc_c1", "ccc", "reference_slope")
EFFECT = ("estimate", "low", "high", "p", "n", "n_dropped", "unit", "verdict", "detectable")
EFFECT += ("expected", "matters", "share", "power", "size", "size_low", "size_high", "size_kind")
EFFECT += ("model", "n_failed", "reason", "remark")


def summarise(study: Study, *, planted: Mapping[str, float] | None = None) -> dict:
    """Return scores, agreement and hypotheses of a study of rows as JSON values.

    The numbers are those of the study's tables; a quantity that a task does not measure has no key.
    For masks there are the keys of `_masks`. `planted` holds the true effect of each hypothesis
    where the cases were generated. Undefined values are None. Intervals are at 95 %, over subjects.
    Agreement of the main quantity is under its name, such as `volume`; there is none of
    probabilities, whose statistics are in `outcomes` by label. `parts`, if the study has internal
    and external cases, holds the numbers of each with published ones. `learnt` is the verdict on
    the network, where there is one.
    """
    measured, target = study.measured, study.measured.target
    masks = failed_masks(measured.scores)
    failed = masks[masks].index.get_level_values("case_id").unique()
    return _plain(
        {
            "target": target.name,
            "question": target.question,
            **_learning(study),
            "n_test": len(measured.covariates),
            "n_subjects": measured.subjects.nunique(),
            "n_failed": len(failed),
            "failed_cases": sorted(failed),
            **(_masks(study) if measured.main.is_of_masks else {}),
            **_quantity(study),
            **outcomes_summary(study),
            **_parts(study),
            "hypotheses": {
                hypothesis.name: _hypothesis(study, hypothesis.name, (planted or {}))
                for hypothesis in target.hypotheses
            },
        }
    )


def summary_text(summary: Mapping) -> str:
    """Format the result of `summarise` for the terminal, with units.

    A warning about a network that has not learnt comes first. Square brackets hold 95 % intervals.
    Undefined and failed cases are counted next to the numbers without them. Of more than 12 labels,
    those of the lowest Dice are shown. `summary` may also be read from an older summary.json: keys
    that it lacks are left out.
    """
    shown = _shown(summary)
    warning = learning_text(*(summary.get(key) or "" for key in LEARNING))
    parts = [*([warning] if warning else []), _head(summary)]
    parts += [scores_table(summary, shown)] if summary.get("dice") else []
    parts += [outcomes_table(summary["outcomes"])] if summary.get("outcomes") else []
    values = summary.get(quantity_of(summary).name) or {}
    if any(values[label]["n"] for label in shown if label in values):
        parts += [values_table(summary, shown), agreement_table(summary, shown)]
    if summary.get("parts"):
        parts.append(parts_table(summary["parts"], shown))
    parts += filter(
        None, (one.text(summary[name]) for name, one in LEARNED.items() if summary.get(name))
    )
    if summary["hypotheses"]:
        parts.append(hypotheses_table(summary))
    return "\n\n".join(parts)


def _masks(study: Study) -> dict:
    """Return scores of masks: `dice` and others with the mean of each label, and over labels.

    `scores` holds the spread and interval of each, also of the user's own metrics. A lost mask has
    Dice 0; undefined values are left out of means and counted (`n_nan`).
    """
    target, rows = study.measured.target, study.measured.scores
    units = target.size_units
    named = [name_in(metric, units) for metric in SCORES]
    table = study.tables["scores"]
    whole = table[table["stratum"] == "all"].set_index(["metric", "label"])
    scores = {
        metric: {label: _score(whole.loc[metric, label]) for label in target.label_names}
        for metric in (*named, *own_units(rows))
    }
    means_of = {metric: _means(scores[metric]) for metric in named}
    return {
        "n_below_half": _below_half(study),
        f"surface_tolerance_{units.length}": target.surface_tolerance,
        **{f"{metric}_mean": _mean(list(means.values())) for metric, means in means_of.items()},
        **means_of,
        "scores": scores,
    }


def _learning(study: Study) -> dict:
    learning = study.learning
    values = ("", (), ())
    if learning is not None:
        values = (learning.verdict, learning.reasons, learning.warnings)
    return dict(zip(LEARNING, values, strict=True))


def _below_half(study: Study) -> int:
    """Return the number of cases with a label below a Dice of 0.5, including failed cases."""
    rows = rows_of(study, "failures", method=METHODS[1], definition=BELOW_HALF.name)
    return int(rows["n_failed"].sum())


def _score(row: pd.Series) -> dict:
    numbers = ("mean", "sd", "median", "q1", "q3", "low", "high", "n", "n_nan", "n_failed")
    return {key: row[key] for key in numbers}


def _means(by_label: Mapping[str, Mapping]) -> dict[str, float]:
    return {label: score["mean"] for label, score in by_label.items()}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _quantity(study: Study) -> dict[str, dict]:
    """Return the agreement of each label of the main quantity, by its name and unit."""
    measured = study.measured
    main = measured.main
    named = {"quantity": main.name, "unit": main.unit}
    if main.is_probability:
        return named
    return named | {main.name: {label: _label(study, label) for label in measured.measure.labels}}


def _label(study: Study, label: str) -> dict:
    """Return the agreement of a label's values over cases with a prediction and a reference."""
    measured, _ = without_failed(study.measured)
    empty = pd.Series(math.nan, index=measured.covariates.index)
    both = pd.DataFrame(
        {
            method: measured.values[method][label] if method in measured.values else empty
            for method in METHODS
        }
    )
    known = both.dropna()
    summary, column = {"n": len(known), "n_nan": len(both) - len(known)}, measured.main.column
    for method in METHODS:
        own = known[method]
        summary[column(f"{method}_mean")] = _mean(own.to_list())
        summary[column(f"{method}_sd")] = float(own.std()) if len(known) > 1 else math.nan
    table = study.tables["agreement"]
    table = table[(table["stratum"] == "all") & (table["label"] == label)]
    table = table[(table["first"] == METHODS[0]) & (table["second"] == METHODS[1])]
    by_statistic = table.drop_duplicates("statistic").set_index("statistic")

    def value(statistic: str, column: str = "value") -> float:
        """Return a number of a statistic of this label; NaN where the table lacks it."""
        known = statistic in by_statistic.index
        return float(by_statistic.loc[statistic, column]) if known else math.nan

    for statistic in (*AGREEMENT, "bias"):
        key = column(statistic) if statistic == "bias" else statistic
        ends = {f"{key}_{end}": value(statistic, end) for end in ("low", "high")}
        summary |= {key: value(statistic), **ends}
    summary |= {column("sd"): value("sd_difference")}
    summary |= {"proportional_slope": value("proportional_slope")}
    summary |= {column(f"{end}_limit"): value(f"{end}_limit") for end in ("lower", "upper")}
    return summary | _errors(measured, label)


def _errors(measured: Measured, label: str) -> dict[str, float]:
    """Return the mean errors of a label over the cases with errors."""
    rows, main = measured.scores, measured.main

    def values(metric: str) -> pd.Series:
        """Return the scores of this label by a metric, one per case."""
        return rows[(rows["metric"] == metric) & (rows["label"] == label)]["value"]

    if not main.is_of_masks:
        return {main.column("error_abs"): _mean(values("error_abs").to_list())}
    percent = values(f"{main.name}_error_percent")
    return {
        main.column("error_abs"): _mean(values(main.column(f"{main.name}_error_abs")).to_list()),
        "error_percent": _mean(percent.to_list()),
        f"{main.name}_similarity": _mean(values(f"{main.name}_similarity").to_list()),
        "error_abs_percent": _mean(percent.abs().to_list()),
    }


def _parts(study: Study) -> dict[str, dict]:
    """Return numbers against the reference by part, statistic and label, and published ones."""
    table = rows_of(study, "parts", against=METHODS[0])
    if not len(table):
        return {}
    numbers = ("value", "low", "high", "sd", "p", "n", "n_failed")
    parts: dict[str, dict] = {}
    for row in table.to_dict("records"):
        by_label = parts.setdefault(row["part"], {}).setdefault(row["statistic"], {})
        own = by_label.setdefault(row["label"], {key: row[key] for key in numbers})
        theirs = own.setdefault("published", [])
        if math.isfinite(row["published"]):
            spread, source = row["published_sd"], row["source"]
            theirs.append({"value": row["published"], "sd": spread, "source": source})
    return {"parts": parts}


def _hypothesis(study: Study, name: str, planted: Mapping[str, float]) -> dict:
    table = study.tables["effects"]
    table = table[(table["hypothesis"] == name) & table["leads"].astype(bool)]
    by_method = {line["method"]: line for line in table.to_dict("records")}
    hypothesis = next(item for item in study.measured.target.hypotheses if item.name == name)
    what, unit = plural_of(hypothesis.measure), study.measured.unit_of(hypothesis)
    effects = {
        method: _effect(by_method.get(method), f"{method} {what}", unit) for method in METHODS
    }
    value, ours = planted.get(name), effects["predicted"]
    known = value is not None and math.isfinite(ours["estimate"])
    return {
        "label": hypothesis.label,
        "measure": hypothesis.measure,
        "claim": claim(hypothesis),
        **effects,
        "planted": value,
        "recovered": ours["low"] <= value <= ours["high"] if known else None,
    }


def _effect(line: Mapping | None, what: str, unit: str) -> dict:
    if line is not None:
        return {key: line[key] for key in EFFECT}
    nothing = dict.fromkeys(EFFECT, math.nan)
    texts = {"unit": unit, "size_kind": "", "verdict": INCONCLUSIVE, "n": 0, "n_dropped": 0}
    texts |= {"model": "", "n_failed": 0, "remark": ""}
    return nothing | texts | {"reason": f"there are no {what}"}


def _plain(value: object) -> object:
    """Return plain Python values for JSON; infinite and NaN values become None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _shown(summary: Mapping) -> list[str]:
    dice = summary.get("dice") or dict.fromkeys(summary.get(quantity_of(summary).name) or {})
    if len(dice) <= MOST_LABELS:
        return list(dice)
    return sorted(dice, key=lambda label: (dice[label] is None, dice[label]))[:MOST_LABELS]


def _head(summary: Mapping) -> str:
    lines = [
        f"{summary['target']}: {counted(summary['n_test'], 'held-out case')} of "
        f"{counted(summary['n_subjects'], 'subject')}{_mean_dice(summary)}"
    ]
    if summary.get("experiment"):
        lines.append(
            f"experiment {summary['experiment']}, model {summary.get('model')}, "
            f"seed {summary.get('seed')}, trained {summary.get('train_seconds', 0) / 60:.1f} min"
            f"{_speed(summary)}"
        )
    if summary["question"]:
        lines.append(summary["question"])
    if failed := summary["failed_cases"]:
        names = ", ".join(failed[:8]) + (", ..." if len(failed) > 8 else "")
        why = FAILED if summary.get("dice") else "no prediction"
        lines.append(f"{counted(len(failed), 'case')} failed ({why}): {names}")
    elif not summary.get("dice") or summary["dice_mean"] is not None:
        lines.append("no case failed")
    if (poor := summary.get("n_below_half") or 0) > len(failed):
        lines.append(f"{counted(poor, 'case')} with a poor mask (Dice below 0.5), failed or not")
    lines += filter(None, map(summary.get, ("depends_on_machine", "waiting_note")))
    return "\n".join(lines)


def _speed(summary: Mapping) -> str:
    """State the speed of the training, if it was measured."""
    if summary.get("patches_per_s") is None:
        return ""
    waiting = f"{100 * summary['waiting']:.0f} % of the time spent waiting for patches"
    return f" at {number(summary['patches_per_s'])} patches per s, {waiting}"


def _mean_dice(summary: Mapping) -> str:
    if not summary.get("dice"):
        return ""
    return f", mean Dice {number(summary['dice_mean'], 3)}{_by_part(summary)}"


def _by_part(summary: Mapping) -> str:
    """State the mean Dice of each part, if both parts have cases."""
    means = {}
    for part, statistics in (summary.get("parts") or {}).items():
        dice = statistics.get("dice", {})
        own = dice.get(ALL_LABELS) or next(iter(dice.values()), None)
        if own:
            means[part] = f"{part} {number(own['value'], 3)} of {own['n']}"
    return f" ({', '.join(means.values())})" if len(means) > 1 else ""
