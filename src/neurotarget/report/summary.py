"""The numbers of a run as plain values: what summary.json holds and `summary_text` prints."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from neurotarget.report.tables import agreement_table, hypotheses_table, scores_table, volumes_table
from neurotarget.report.text import number
from neurotarget.stats.agreement import (
    bland_altman,
    ccc,
    icc_a1,
    icc_c1,
    over_subjects,
    pearson,
    spearman,
)
from neurotarget.stats.effects import Effect, claim, estimate_effect, recovered
from neurotarget.stats.interval import Estimate, bootstrap_mean
from neurotarget.types import DataError, Hypothesis, Row, Target

Rows = pd.DataFrame | Sequence[Row]

MOST_LABELS = 12  # beyond, those of lowest Dice are shown
SCORES = ("dice", "precision", "recall", "hd95_mm", "assd_mm", "surface_dice")
AGREEMENT = {
    "pearson_r": pearson,
    "spearman_rho": spearman,
    "icc_a1": icc_a1,
    "icc_c1": icc_c1,
    "ccc": ccc,
}


def summarise(
    rows: Rows,
    covariates: pd.DataFrame,
    target: Target,
    *,
    planted: Mapping[str, float] | None = None,
    seed: int = 0,
) -> dict:
    """Scores, volume agreement and hypotheses of the cases in `rows`, safe for JSON.

    `dice` and the other scores hold the mean of each label, `scores` its spread and interval.

    `covariates` is indexed by case and may have a column `subject_id`; `planted` holds the true
    effect of each hypothesis where the cases were generated. A failed case counts with Dice 0;
    what is undefined is None, left out of means and counted (`n_nan`). Intervals are at 95 %,
    over subjects.

    Raises:
        DataError: a case has two values of one score.
    """
    table = pd.DataFrame(rows, columns=list(Row._fields))
    twice = table[table.duplicated(["case_id", "label", "metric"])]
    if len(twice):
        case_id, _, _, label, metric = twice.iloc[0][:5]
        raise DataError(
            f"{case_id}: found two rows of {metric} for {label}, wanted one; "
            "keep the rows of one run, and one row per case in the manifest"
        )
    failed = table[(table["metric"] == "failed") & (table["value"] > 0)]["case_id"].unique()
    labels = target.label_names
    scores = {
        metric: {label: _score(_values(table, metric, label), seed) for label in labels}
        for metric in SCORES
    }
    means = {
        f"{metric}_mean": _mean(list(_means(by_label).values()))
        for metric, by_label in scores.items()
    }
    reference = _volumes(table, "reference_volume_mm3", labels)
    predicted = _volumes(table, "volume_mm3", labels)
    subjects = table.drop_duplicates("case_id").set_index("case_id")["subject_id"]
    return _plain(
        {
            "target": target.name,
            "question": target.question,
            "n_test": table["case_id"].nunique(),
            "n_subjects": table["subject_id"].nunique(),
            "n_failed": len(failed),
            "failed_cases": sorted(failed),
            "surface_tolerance_mm": target.surface_tolerance_mm,
            **means,
            **{metric: _means(by_label) for metric, by_label in scores.items()},
            "scores": scores,
            "volume": {
                label: _volume(table, label, reference[label], predicted[label], subjects, seed)
                for label in labels
            },
            "hypotheses": {
                hypothesis.name: _hypothesis(
                    hypothesis, reference, predicted, covariates, planted or {}
                )
                for hypothesis in target.hypotheses
            },
        }
    )


def summary_text(summary: Mapping) -> str:
    """Lay out what `summarise` found: scores, volumes, agreement, hypotheses; with units.

    Square brackets hold 95 % intervals. Undefined and failed cases are counted beside the number
    that lacks them.
    """
    shown = _shown(summary)
    parts = [_head(summary), scores_table(summary, shown)]
    if any(summary["volume"][label]["n"] for label in shown):
        parts += [volumes_table(summary, shown), agreement_table(summary, shown)]
    if summary["hypotheses"]:
        parts.append(hypotheses_table(summary))
    return "\n\n".join(parts)


def _values(table: pd.DataFrame, metric: str, label: str) -> pd.DataFrame:
    return table[(table["metric"] == metric) & (table["label"] == label)]


def _score(found: pd.DataFrame, seed: int) -> dict:
    known = found.dropna(subset="value")
    values = known["value"].to_numpy(dtype=float)
    mean = bootstrap_mean(values, seed=seed, subjects=list(known["subject_id"]))
    return {
        "mean": mean.value,
        "sd": float(values.std(ddof=1)) if len(values) > 1 else math.nan,
        "median": float(np.median(values)) if len(values) else math.nan,
        "low": mean.low,
        "high": mean.high,
        "n": len(values),
        "n_nan": len(found) - len(values),
    }


def _means(by_label: Mapping[str, Mapping]) -> dict[str, float]:
    return {label: score["mean"] for label, score in by_label.items()}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _volumes(table: pd.DataFrame, metric: str, labels: Sequence[str]) -> pd.DataFrame:
    """Volumes in mm³, a row a case and a column a label."""
    found = table[table["metric"] == metric]
    wide = found.pivot(index="case_id", columns="label", values="value")
    return wide.reindex(index=table["case_id"].unique(), columns=list(labels))


def _volume(
    table: pd.DataFrame,
    label: str,
    reference: pd.Series,
    predicted: pd.Series,
    subjects: pd.Series,
    seed: int,
) -> dict:
    both = pd.DataFrame({"truth": reference, "pred": predicted}).dropna()
    truth, pred = both["truth"].to_numpy(), both["pred"].to_numpy()
    people = list(subjects.loc[both.index])
    found = {"n": len(both), "n_nan": len(reference) - len(both)}
    found |= {"reference_mean_mm3": _mean(truth), "predicted_mean_mm3": _mean(pred)}
    found |= {"reference_sd_mm3": _sd(truth), "predicted_sd_mm3": _sd(pred)}
    for name, agree in AGREEMENT.items():
        found |= _spread(name, over_subjects(agree, truth, pred, subjects=people, seed=seed))
    limits = bland_altman(truth, pred)
    found |= _spread("bias_mm3", limits.bias)
    found |= {"sd_mm3": limits.sd}
    found |= {"lower_limit_mm3": limits.lower.value, "upper_limit_mm3": limits.upper.value}
    errors = {
        "error_abs_mm3": "volume_error_abs_mm3",
        "error_percent": "volume_error_percent",
        "volume_similarity": "volume_similarity",
    }
    for name, metric in errors.items():
        found[name] = _mean(_values(table, metric, label)["value"].to_list())
    percent = _values(table, "volume_error_percent", label)["value"].abs()
    return found | {"error_abs_percent": _mean(percent.to_list())}


def _sd(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def _spread(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _hypothesis(
    hypothesis: Hypothesis,
    reference: pd.DataFrame,
    predicted: pd.DataFrame,
    covariates: pd.DataFrame,
    planted: Mapping[str, float],
) -> dict:
    effects = {
        "reference": _effect(hypothesis, reference, covariates),
        "predicted": _effect(hypothesis, predicted, covariates),
    }
    value = planted.get(hypothesis.name)
    known = value is not None and not math.isnan(effects["predicted"].estimate)
    return {
        "label": hypothesis.label,
        "claim": claim(hypothesis),
        **{name: asdict(effect) for name, effect in effects.items()},
        "planted": value,
        "recovered": recovered(effects["predicted"], value) if known else None,
    }


def _effect(hypothesis: Hypothesis, volumes: pd.DataFrame, covariates: pd.DataFrame) -> Effect:
    if hypothesis.label:
        return estimate_effect(hypothesis, volumes[hypothesis.label], covariates)
    return estimate_effect(hypothesis, volumes.sum(axis=1, skipna=False), covariates)


def _plain(value: object) -> object:
    """Plain Python values for JSON; what is not finite becomes None."""
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
    dice = summary["dice"]
    if len(dice) <= MOST_LABELS:
        return list(dice)
    return sorted(dice, key=lambda label: (dice[label] is None, dice[label]))[:MOST_LABELS]


def _head(summary: Mapping) -> str:
    lines = [
        f"{summary['target']}: {summary['n_test']} held-out cases of "
        f"{summary['n_subjects']} subjects, mean Dice {number(summary['dice_mean'], 3)}"
    ]
    if summary.get("experiment"):
        lines.append(
            f"experiment {summary['experiment']}, model {summary.get('model')}, "
            f"seed {summary.get('seed')}, trained {summary.get('train_seconds', 0) / 60:.1f} min"
        )
    if summary["question"]:
        lines.append(summary["question"])
    if failed := summary["failed_cases"]:
        names = ", ".join(failed[:8]) + (", ..." if len(failed) > 8 else "")
        lines.append(f"{len(failed)} failed, counted with Dice 0: {names}")
    else:
        lines.append("no case failed")
    return "\n".join(lines)
