import time
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.arms.comparison import compare
from oracles.arms import arms_of, dice_of, simulated, target

TABLES = {
    "arms": [
        *("arm", "kind", "learnt", "dice", "dice_low", "dice_high", "case_sd", "seed_sd"),
        *("mean_rank", "p_best", "hd95_mm", "n_failed", "n_scored", "n_cases", "n_subjects"),
        *("n_runs", "n_folds", "n_seeds", "front_dice", "front_icc_a1", "back_dice", "back_icc_a1"),
        *("total_icc_a1", "verdicts", "parameters", "flops_per_step", "steps", "step_s"),
        *("train_s", "peak_memory_mib", "predict_s_per_case", "energy_wh", "batch_size"),
        *("patch_vox", "optimizer", "learning_rate", "reason"),
    ],
    "differences": [
        *("arm", "other", "label", "metric", "n_cases", "n_subjects", "mean_difference", "low"),
        *("high", "median_difference", "wins", "ties", "losses", "wilcoxon_p", "holm_p"),
        *("model_difference", "model_low", "model_high", "model_p", "model_holm_p"),
        *("told_apart", "reason"),
    ],
    "spread": [
        *("arm", "label", "case_sd", "fold_sd", "seed_sd", "n_cases", "n_folds", "n_seeds"),
        "reason",
    ],
    "variance": ["label", "component", "sd", "share", "reason"],
    "ranks": [
        *("label", "arm", "mean_rank", "friedman_p", "critical_difference", "group", "n_cases"),
        "reason",
    ],
    "agreement": [
        *("arm", "seed", "label", "icc_a1", "icc_low", "icc_high", "pearson_r", "bias_mm3"),
        *("bias_low", "bias_high", "n", "reason"),
    ],
    "effects": [
        *("arm", "seed", "hypothesis", "claim", "estimate", "low", "high", "p", "unit"),
        *("verdict", "n", "reason"),
    ],
    "costs": [
        *("run", "arm", "fold", "seed", "dice", "parameters", "flops_per_step", "steps"),
        *("step_s", "train_s", "peak_memory_mib", "predict_s_per_case", "energy_wh"),
        *("batch_size", "patch_vox", "optimizer", "learning_rate"),
    ],
    "cases": ["case_id", "subject_id", "fold", "b", "a"],
}


@pytest.fixture(scope="module")
def close():
    """Two close arms, three folds × two seeds."""
    return simulated({"a": 0.79, "b": 0.8}, seeds=(1, 2), n=18)


@pytest.fixture(scope="module")
def compared(close):
    return compare(close)


def test_every_table_has_its_columns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare(simulated({"a": 0.7, "b": 0.8}, folds=1, seeds=(1, 2, 3), n=12))
    assert {name: list(table) for name, table in found.tables.items()} == TABLES
    assert found.notes == ()


def test_the_same_seed_gives_the_same_tables_in_whatever_order_the_rows_are(close, compared):
    mixed = compare(replace(close, scores=close.scores.sample(frac=1, random_state=0)))
    for name, table in compared.tables.items():
        pd.testing.assert_frame_equal(table, mixed.tables[name])
    assert compared.sentence == mixed.sentence
    other = compare(close, seed=2)
    assert not compared.tables["differences"].equals(other.tables["differences"])


def test_a_large_comparison_takes_seconds():
    """6 arms × 3 folds × 2 seeds × 200 cases × 2 labels."""
    arms = simulated(dict.fromkeys("abcdef", 0.8), seeds=(1, 2), n=200)
    started = time.process_time()
    found = compare(arms)
    assert time.process_time() - started < 30  # 4 s on most machines
    assert len(found.tables["differences"]) == 15 * (3 + 2)  # Dice of labels, two scores beside


def test_folds_that_share_training_data_are_reported(compared):
    one = compare(simulated({"a": 0.79, "b": 0.8}, n=18))
    for found, words in (
        (one, "the variance of a difference is multiplied by 2.5"),
        (compared, "come from seeds and do"),
    ):
        assert found.notes[0].startswith("The 3 folds share training data")
        assert words in found.notes[0]


def test_volume_error_and_a_boundary_score_are_tested_beside_dice(compared):
    table = compared.tables["differences"]
    assert table.groupby("metric", sort=False)["label"].unique().map(list).to_dict() == {
        "dice": ["mean", "front", "back"], "volume_error_abs_mm3": ["mean"], "hd95_mm": ["mean"]
    }  # fmt: skip
    assert table[["low", "high", "model_low", "model_high"]].notna().all(axis=None)


def test_facts_and_notes_are_kept():
    found = compare(dice_of({"a": [0.5, 0.6, 0.7]}), notes=["one"], facts={"commit": "abc"})
    assert found.notes[0] == "one"
    assert found.facts == {"commit": "abc"}


def rows_of(values, seed=1):
    return [
        (arm, 0, seed, case, "front", "dice", dice)
        for arm, cases in values.items()
        for case, dice in cases.items()
    ]


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        (rows_of({"a": {"c1": 0.5, "c2": 0.6}, "b": {"c1": 0.5}}), "1 of 2 cases lack a score"),
        (rows_of({"a": {"c1": 0.5, "c2": np.nan}}), "1 Dice values of front are undefined"),
        (
            rows_of({"a": {"s1-1": 0.5, "s1-2": 0.6, "s2-1": 0.4}}),
            "3 cases come from 2 subjects",
        ),
        (
            rows_of({"a": {"c1": 0.5, "c2": 0.6}, "b": {"c1": 0.5, "c2": 0.7}}),
            "The probability of being best needs two seeds or three folds",
        ),
    ],
)
def test_what_is_left_out_is_reported(rows, note):
    assert any(notes.startswith(note) for notes in compare(arms_of(rows, target("front"))).notes)


def test_an_arm_whose_trainings_vary_far_more_is_reported():
    rng = np.random.default_rng(0)
    rows = [
        (arm, fold, 1, f"c{fold}-{case}", "front", "dice", run + rng.normal(0, 0.01))
        for arm, sd in {"a": 0.003, "b": 0.003, "c": 0.003, "wild": 0.2}.items()
        for fold in range(5)
        for run in (0.5 + rng.normal(0, sd),)
        for case in range(20)
    ]
    notes = compare(arms_of(rows, target("front"))).notes
    assert any(note.startswith("The trainings of wild vary far more") for note in notes)
    calm = compare(simulated(dict.fromkeys("abcd", 0.8), folds=5)).notes
    assert not any("vary far more" in note for note in calm)


@pytest.mark.parametrize(
    ("count", "design"),
    [
        (1, {"n": 2, "folds": 1}),
        (2, {"n": 2, "folds": 1}),
        (4, {"n": 2}),
        (1, {"n": 6, "folds": 5}),
        (4, {"n": 6, "folds": 5}),
        (2, {"n": 12, "run_sd": 0, "noise": 0}),
        (4, {"n": 12, "seeds": (1, 2, 3), "folds": 1}),
    ],
)
def test_no_design_is_an_error_or_a_warning(count, design):
    means = {name: 0.8 + 0.01 * place for place, name in enumerate("abcd"[:count])}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare(simulated(means, **design))
    assert set(found.tables) == set(TABLES)
    assert found.sentence.endswith(".")


def shared(seeds=(1, 2), folds=3):
    """Two arms; each fold has eight cases of its own, and six external ones with the others."""
    generator, rows = np.random.default_rng(0), []
    quality = {case: generator.normal(0, 0.03) for case in range(8 * folds + 6)}
    for arm, mean in (("a", 0.8), ("b", 0.85)):
        for fold in range(folds):
            own = (*range(8 * fold, 8 * fold + 8), *range(8 * folds, 8 * folds + 6))
            for seed in seeds:
                shift = generator.normal(0, 0.004)
                for case in own:
                    dice = mean + shift + quality[case] + generator.normal(0, 0.01)
                    rows.append((arm, fold, seed, f"c{case}", "front", "dice", dice))
                    for metric, volume in (("volume_mm3", 99), ("reference_volume_mm3", 100)):
                        rows.append((arm, fold, seed, f"c{case}", "front", metric, volume + case))
    rows += [("both", 0, -1, f"c{case}", "front", "dice", 0.9) for case in range(24, 30)]
    arms = arms_of(rows, target("front"))
    number = arms.scores["case_id"].str[1:].astype(int)
    arms.scores["split"] = np.where(number < 8 * folds, "test", "external")
    return arms


def test_external_cases_that_folds_share_do_not_blur_the_comparison():
    arms = shared()
    found = compare(arms)
    inside = arms.scores[arms.scores["split"] == "test"]
    net_runs = arms.runs[arms.runs["kind"] == "net"]
    alone = compare(replace(arms, scores=inside, runs=net_runs))
    for name in set(alone.tables) - {"parts"}:
        pd.testing.assert_frame_equal(found.tables[name], alone.tables[name])
    assert found.notes[0].startswith(
        "6 external cases are excluded from means, ranks and tests of arms"
    )
    parts = found.tables["parts"]
    counts = parts[parts["statistic"] == "dice"].groupby(["arm", "seed", "part"])["n"].sum()
    assert counts[("a", 1)].to_dict() == {"external": 6, "internal": 24}
    assert found.tables["differences"]["model_difference"].notna().all()


def test_hypotheses_are_put_to_cases_of_unseen_sites_too():
    arms = shared()
    cases = sorted(set(arms.scores["case_id"]))
    known = pd.DataFrame({"subject_id": cases, "sex": ["F", "M"] * 15}, index=cases)
    asked = replace(arms.target, hypotheses={"sex": "volume: F > M"})
    effects = compare(replace(arms, target=asked, covariates=known)).tables["effects"]
    assert effects["n"].tolist() == [30] * 5
    assert set(effects["arm"]) == {"reference", "a", "b"}


def test_sites_left_out_one_after_the_other_are_compared_on_all_cases():
    arms = shared()
    arms.scores["split"] = "external"
    assert set(compare(arms).tables["cases"]["case_id"]) == {f"c{case}" for case in range(30)}
