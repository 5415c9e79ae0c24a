"""Networks of masks and of outcomes, compared by the outcome that all of them predict."""

from pathlib import Path

import pandas as pd
import pytest

from neurotarget.comparison.ensemble_arms import with_ensembles
from neurotarget.comparison.gather_runs import Gathered, score_rows
from neurotarget.comparison.read_run import Run
from neurotarget.comparison.shared_outcomes import are_mixed, averaged_rows, only_outcomes
from neurotarget.image_score import ImageScore
from neurotarget.metrics.outcome_scores import score_outcome
from neurotarget.stats.arms.arm_tables import MEASURED, SETTINGS
from neurotarget.stats.arms.arms import Arms
from neurotarget.stats.arms.discrimination_differences import discrimination_differences_table
from neurotarget.types import Case, Row, Target

FILM = {"contrasts": ("film",), "spacing_px": (1, 1), "patch_vox": (8, 8)}
FINDING = {"finding": {"kind": "binary", "classes": ["absent", "air"]}}
PLAIN = Target("finding", **FILM, labels={}, outcomes=FINDING)
MASKS = Target("air", **FILM, labels={"air": (1,)}, outcomes=FINDING, image_score=ImageScore())
TRUTH = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]


def a_run(target, task, probabilities, tmp_path=Path("run")):
    rows = []
    for number, (p, y) in enumerate(zip(probabilities, TRUTH, strict=True)):
        case = Case(f"c{number:02d}", f"s{number:02d}", {})
        predicted = None if p is None else {"finding": p}
        rows += score_outcome(case, PLAIN.outcomes[0], predicted, float(y), split="test")
        if target.labels:
            rows.append(Row(case.case_id, case.subject_id, "test", "air", "dice", 0.5, ""))
    table = pd.DataFrame(rows, columns=list(Row._fields))
    cost = dict.fromkeys(MEASURED, 1.0) | {"peak_memory_of": "", "energy_of": ""}
    cost |= {"predict_s_per_case": 1.0, **dict.fromkeys(SETTINGS, "")}
    config = {"task": {"_target_": task}}
    return Run(tmp_path, config, {"fold": 0, "seed": 1}, target, table, {}, cost)


def gathered(runs):
    names = dict(zip(("fcn", "cnn"), runs, strict=True))
    scores = [score_rows(run.rows, arm=name, kind="net", run=name, slot=(0, 1))
              for name, run in names.items()]  # fmt: skip
    costs = {name: {"arm": name, "kind": "net", "fold": 0, "seed": 1, **run.cost}
             for name, run in names.items()}  # fmt: skip
    table = pd.DataFrame.from_dict(costs, orient="index").rename_axis("run")
    covariates = pd.DataFrame(columns=["subject_id"]).rename_axis("case_id")
    return Gathered(
        Arms(PLAIN, pd.concat(scores, ignore_index=True), table, covariates), names, (), {}
    )


GOOD = [0.9, 0.8, 0.7, 0.4, 0.5, 0.3, 0.3, 0.2, 0.2, 0.1, 0.1, 0.1]
POOR = [0.6, 0.2, 0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.5, 0.1, 0.4, 0.1]


def test_runs_with_masks_are_reduced_to_the_outcome_that_all_predict():
    kept, notes = only_outcomes([a_run(MASKS, "a", GOOD), a_run(PLAIN, "b", POOR)])
    assert [run.target for run in kept] == [PLAIN, PLAIN]
    assert {*kept[0].rows["label"]} == {"finding"}
    assert "compared by finding" in notes[0]


def test_runs_of_one_kind_or_of_other_outcomes_are_kept_as_they_are():
    same = [a_run(MASKS, "a", GOOD), a_run(MASKS, "a", POOR)]
    assert only_outcomes(same) == (same, [])
    other = Target("other", **FILM, labels={}, outcomes={"tb": FINDING["finding"]})
    runs = [a_run(MASKS, "a", GOOD), a_run(other, "b", POOR)]
    assert only_outcomes(runs) == (runs, [])


def test_an_ensemble_of_two_tasks_is_the_mean_of_probabilities_of_each_case(tmp_path):
    runs, _ = only_outcomes([a_run(MASKS, "a", GOOD), a_run(PLAIN, "b", [None, *POOR[1:]])])
    assert are_mixed(runs)
    rows = averaged_rows(runs, ["c00", "c01"], PLAIN)
    found = {(row.case_id, row.metric): row.value for row in rows.itertuples()}
    assert found["c01", "probability"] == pytest.approx(0.5)
    assert found["c01", "reference_probability"] == 1
    assert found["c00", "failed"] == 1
    joined = with_ensembles(gathered(runs), tmp_path, device="cpu")
    assert joined.arms.names == ("fcn", "cnn", "all arms ensemble")
    assert any("mean of their predicted probabilities" in note for note in joined.notes)


def test_both_tasks_are_compared_by_delongs_test_on_the_same_cases():
    runs, _ = only_outcomes([a_run(MASKS, "a", GOOD), a_run(PLAIN, "b", POOR)])
    (row,) = discrimination_differences_table(gathered(runs).arms).to_dict("records")
    assert (row["n"], row["n_positive"]) == (12, 4)
    assert row["auc_arm"] == pytest.approx(31 / 32)
    assert row["difference"] > 0
    assert 0 < row["p"] < 1
