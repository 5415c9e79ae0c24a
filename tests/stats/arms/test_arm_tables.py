import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.arms.arm_scores import score_arms
from neurotarget.stats.arms.arm_tables import COSTS, cases_table, costs_table, spread_table
from neurotarget.stats.arms.comparison import compare
from oracles.arms import arms_of, simulated, target

NAN = math.nan


def dice(arm, fold, seed, **cases):
    return [(arm, fold, seed, case, "front", "dice", value) for case, value in cases.items()]


def two_folds():
    """Means of the runs: 0.5 and 0.7 in fold 0, 0.8 and 0.8 in fold 1."""
    return arms_of(
        [
            *dice("a", 0, 1, c1=0.4, c2=0.6),
            *dice("a", 0, 2, c1=0.6, c2=0.8),
            *dice("a", 1, 1, c3=0.9, c4=0.7),
            *dice("a", 1, 2, c3=0.8, c4=0.8),
        ],
        target("front"),
    )


def test_spreads_are_counted_by_hand():
    (found,) = spread_table(score_arms(two_folds())).to_dict("records")
    assert found["case_sd"] == pytest.approx(np.std([0.5, 0.7, 0.85, 0.75], ddof=1))
    assert found["fold_sd"] == pytest.approx(np.std([0.6, 0.8], ddof=1))
    assert found["seed_sd"] == pytest.approx(math.sqrt((0.02 + 0) / 2))  # variances pooled
    assert (found["n_cases"], found["n_folds"], found["n_seeds"]) == (4, 2, 2)
    assert found["reason"] == ""


def test_a_spread_that_cannot_be_estimated_has_a_reason():
    rows = [*dice("a", 0, 1, c1=0.4, c2=0.6), *dice("all", 0, -1, c1=0.4, c2=0.6)]
    table = spread_table(score_arms(arms_of(rows, target("front")))).set_index("arm")
    assert table[["fold_sd", "seed_sd"]].isna().all(axis=None)
    assert table.at["a", "reason"] == "one fold; one seed: the spread between seeds is not known"
    assert table.at["all", "reason"] == "one fold; made of several trainings"
    arms = arms_of([(*row[:2], 1, *row[3:]) for row in rows], target("front"))
    every = replace(arms, runs=arms.runs.assign(kind=["net", "ensemble"]))  # of all arms, one seed
    table = spread_table(score_arms(every)).set_index("arm")
    assert table.at["all", "reason"] == "one fold; one seed: the spread between seeds is not known"


def test_planted_spreads_are_found():
    arms = simulated({"a": 0.8}, seeds=range(8), n=300, labels=("front",), noise=0.01, run_sd=0.02)
    found = spread_table(score_arms(arms)).iloc[0]
    assert found["seed_sd"] == pytest.approx(0.02, rel=0.3)
    assert found["case_sd"] == pytest.approx(0.03, rel=0.2)


def test_cases_have_their_fold_and_a_column_an_arm():
    rows = [*dice("a", 0, 1, c1=0.4), *dice("a", 1, 1, c2=0.6)]
    rows += [*dice("b", 0, 1, c1=0.7), *dice("b", 1, 1, c2=0.9)]
    table = cases_table(score_arms(arms_of(rows, target("front"))))
    assert list(table) == ["case_id", "subject_id", "fold", "b", "a"]
    assert table.to_numpy().tolist() == [["c1", "c1", 0, 0.7, 0.4], ["c2", "c2", 1, 0.9, 0.6]]


def test_a_case_that_several_folds_hold_out_names_them():
    rows = [*dice("a", 0, 1, c1=0.4), *dice("a", 1, 1, c1=0.6)]
    table = cases_table(score_arms(arms_of(rows, target("front"))))
    assert table[["fold", "a"]].to_numpy().tolist() == [["0, 1", 0.5]]


def with_costs():
    arms = two_folds()
    arms.runs["train_s"] = [10.0, 20.0, 30.0, NAN]
    arms.runs["patch_vox"] = ["8×8×8"] * 4
    arms.runs["optimizer"] = ["adam", "adam", "sgd", ""]
    arms.runs["peak_memory_of"] = "gpu"
    return arms


def test_costs_are_a_row_a_run():
    table = costs_table(score_arms(with_costs()))
    assert list(table)[:5] == ["run", "arm", "fold", "seed", "dice"]
    assert set(COSTS) < set(table)
    assert table["dice"].tolist() == pytest.approx([0.5, 0.7, 0.8, 0.8])
    assert table["energy_wh"].isna().all()
    assert table["peak_memory_of"].tolist() == ["gpu"] * 4


def test_a_row_of_costs_is_a_line_of_its_file():
    arms = with_costs()
    arms = replace(arms, runs=arms.runs.assign(parts=["a\nb", "", "a", "b"]))
    assert costs_table(score_arms(arms))["parts"].tolist() == ["a; b", "", "a", "b"]


def test_a_seed_without_an_icc_leaves_no_mean():
    """The second seed draws the same volume in all cases: leaving it out would flatter the arm."""
    rows = [
        ("a", 0, seed, f"c{case}", "front", metric, value)
        for seed in (1, 2)
        for case in range(5)
        for metric, value in (
            ("dice", 0.8),
            ("reference_volume_mm3", 100.0 + case),
            ("volume_mm3", 100.0 + case if seed == 1 else 0.0),
        )
    ]
    row = compare(arms_of(rows, target("front"))).tables["arms"].iloc[0]
    assert math.isnan(row["front_icc_a1"])
    assert row["reason"] == "no mean ICC of front, as a seed has no ICC"


def test_an_arm_costs_the_mean_of_its_runs():
    row = compare(with_costs()).tables["arms"].iloc[0]
    assert row["train_s"] == 20
    assert math.isnan(row["parameters"])
    assert (row["patch_vox"], row["optimizer"]) == ("8×8×8", "adam, sgd")


def test_failed_masks_are_counted_by_run():
    rows = []
    for seed in (1, 2):
        for case, label, failed in (
            ("c1", "front", 1),
            ("c1", "back", 1),
            ("c2", "front", seed > 1),
        ):
            rows += [
                ("a", 0, seed, case, label, "dice", 1.0 - failed),
                ("a", 0, seed, case, label, "failed", float(failed)),
                ("a", 0, seed, case, label, "hd95_mm", NAN if failed else 3.0),
            ]
    row = compare(arms_of(rows, target("front", "back"))).tables["arms"].iloc[0]
    assert (row["n_failed"], row["n_scored"], row["n_cases"]) == (3, 4, 2)
    assert row["dice"] == pytest.approx(0.25)  # c1: 0; c2: 1 and 0
    assert row["hd95_mm"] == 3


def test_made_arms_have_no_rank_and_say_why():
    rows = [
        *dice("a", 0, 1, c1=0.4, c2=0.6, c3=0.5), *dice("b", 0, 1, c1=0.3, c2=0.5, c3=0.4),
        *dice("all", 0, -1, c1=0.5, c2=0.7, c3=0.6),
    ]  # fmt: skip
    table = compare(arms_of(rows, target("front"))).tables["arms"].set_index("arm")
    assert list(table.index) == ["all", "a", "b"]
    assert table.loc["all", ["mean_rank", "p_best"]].isna().all()
    assert "made of trained nets" in table.at["all", "reason"]
    assert table["p_best"].isna().all()  # one training of each
    assert table["mean_rank"].dropna().to_dict() == {"a": 1, "b": 2}


def test_an_arm_without_scores_keeps_its_row():
    rows = [*dice("a", 0, 1, c1=0.4, c2=0.6), *dice("b", 0, 1, c1=NAN, c2=NAN)]
    table = compare(arms_of(rows, target("front"))).tables["arms"]
    assert table["arm"].tolist() == ["a", "b"]
    assert pd.isna(table["dice"].iloc[1])
    assert table["reason"].iloc[1] == "fewer than 3 subjects"
