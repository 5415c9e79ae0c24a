"""The numbers of predicted classes as plain values for summary.json, and as text."""

from collections.abc import Mapping

from neurotarget.report.sections.outcome_numbers import statistics_of
from neurotarget.report.text.numbers import aligned, estimate
from neurotarget.stats.study.results import Study

STATISTICS = (
    *("auroc", "average_precision", "prevalence", "sensitivity", "specificity", "accuracy"),
    *("balanced_accuracy", "f1", "auroc_macro", "average_precision_macro", "f1_macro"),
    *("kappa", "kappa_quadratic", "brier", "brier_scaled", "log_loss", "calibration_intercept"),
    *("calibration_slope", "expected_observed", "ece"),
)
COUNTS = ("n", "n_positive", "n_subjects", "n_missing", "n_failed")
SHOWN = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "prevalence": "prevalence",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
}


def outcomes_summary(study: Study) -> dict[str, dict]:
    """Return the statistics of each label of predicted classes over the whole cohort.

    Statistics that depend on a threshold are those of the first threshold, which is 0.5 for a
    binary outcome; with several classes, the class of the largest probability is predicted.

    Returns:
        `{"outcomes": {label: …}}`: counts `n`, `n_positive`, `n_subjects`, `n_missing` and
        `n_failed`, and each statistic as `value`, `low` and `high`. Empty without predictions.
    """
    found = {}
    for outcome in study.measured.target.outcomes:
        for label in dict.fromkeys((*outcome.labels, outcome.name)):
            if rows := statistics_of(study, label):
                first = next(iter(rows.values()))
                found[label] = {key: first[key] for key in COUNTS} | {
                    name: {key: rows[name][key] for key in ("value", "low", "high")}
                    for name in STATISTICS
                    if name in rows
                }
    return {"outcomes": found} if found else {}


def outcomes_table(outcomes: Mapping[str, Mapping]) -> str:
    """Format the main statistics of each class, with 95 % intervals in square brackets.

    `outcomes` is the entry of this name that `outcomes_summary` returns; labels without AUROC have
    no line.
    """
    table = [["Predicted classes", "n", "positive", "failed", *SHOWN.values()]]
    for label, own in outcomes.items():
        if "auroc" in own:
            counts = [str(int(own[key])) for key in ("n", "n_positive", "n_failed")]
            cells = [estimate(own.get(name, {}), digits=2) for name in SHOWN]
            table.append([label.replace("_", " "), *counts, *cells])
    return aligned(table)
