import json

from neurotarget.report.pages.summary import summarise, summary_text
from neurotarget.stats.study.analysis import analyse
from oracles.predicted_cohorts import BINARY, GRADES, cohort_of, graded, rows_of, simulated


def test_the_summary_holds_the_statistics_of_the_tables():
    p, y = simulated()
    study = analyse(cohort_of(BINARY, rows_of(BINARY, p, y, failed=[2])))
    summary = summarise(study)
    json.dumps(summary, allow_nan=False)
    own = summary["outcomes"]["hyperplasia"]
    table = study.tables["discrimination"]
    row = table[(table["statistic"] == "auroc") & (table["stratum"] == "all")].iloc[0]
    assert own["auroc"] == {"value": row["value"], "low": row["low"], "high": row["high"]}
    assert (own["n"], own["n_failed"]) == (119, 1)
    assert own["ece"]["low"] is None
    text = summary_text(summary)
    assert f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" in text


def test_several_classes_have_statistics_of_their_own_and_of_all():
    p, codes = graded()
    study = analyse(cohort_of(GRADES, rows_of(GRADES, p, codes)))
    outcomes = summarise(study)["outcomes"]
    assert list(outcomes) == ["grade.none", "grade.mild", "grade.severe", "grade"]
    assert outcomes["grade"]["kappa_quadratic"]["value"] > 0


def test_masks_have_no_outcomes(analysed):
    assert "outcomes" not in summarise(analysed)
