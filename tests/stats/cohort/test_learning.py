import math

import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.cohort.failures import failed_masks
from neurotarget.stats.cohort.learning import (
    Training,
    facts_of,
    gain,
    judge_learning,
    judge_rows,
    judge_validation,
    time_note,
)
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.study.analysis import analyse
from neurotarget.types import Row, Target, has_failed

NAN = math.nan


@pytest.mark.parametrize(
    ("dice", "is_lost", "failed"),
    [(0.0, True, True), (0.099, False, True), (0.1, False, False), (NAN, False, False)],
)
def test_a_mask_fails_where_it_is_lost_or_hardly_a_voxel_is_right(dice, is_lost, failed):
    assert has_failed(dice, is_lost=is_lost) is failed


def test_gain_is_the_way_from_the_best_trivial_mask_to_a_perfect_one():
    assert gain(0.6, NAN) == 0.6  # an empty mask has 0
    assert gain(0.6, 0.5) == pytest.approx(0.2)
    assert gain(0.4, 0.5) == pytest.approx(-0.2)
    assert gain(1.0, 0.5) == 1


@pytest.mark.parametrize(
    ("dice", "trivial", "n_failed", "word"),
    [
        (0.0, 0.01, 15, "not learnt"),
        (0.038, NAN, 11, "not learnt"),  # what a comparison ranked before 0.016
        (0.09, 0.0, 0, "not learnt"),
        (0.54, 0.5, 0, "not learnt"),  # of 0.5 a mask of all voxels has: a way of 0.08
        (0.60, 0.5, 0, "doubtful"),
        (0.70, 0.5, 0, "learnt"),
        (0.2, 0.0, 0, "doubtful"),
        (0.8, 0.0, 3, "learnt"),  # a fifth failed
        (0.8, 0.0, 4, "doubtful"),
        (0.5, 0.0, 7, "doubtful"),
        (0.4, 0.0, 8, "not learnt"),  # more than half failed
    ],
)
def test_the_word_is_by_the_way_gone_and_the_share_that_failed(dice, trivial, n_failed, word):
    known = Training(all_foreground_dice=trivial)
    found = judge_learning(dice=dice, n_failed=n_failed, n_masks=15, training=known)
    assert found.verdict == word
    assert f"The mean Dice of 15 held-out masks is {dice:.3f}" in found.reasons[0]
    assert any(f"{n_failed} of 15 held-out masks failed" in why for why in found.reasons) == bool(
        n_failed
    )


def test_the_trivial_mask_stands_beside_the_dice():
    known = Training(steps=2, expected_steps=2, all_foreground_dice=0.012)
    found = judge_learning(dice=0.0, n_failed=0, n_masks=1, training=known)
    assert found.reasons == (
        "The mean Dice of 1 held-out mask is 0.000; an empty mask has 0, a mask of all that "
        "the network sees 0.012.",
        "2 training steps were done of 2 that its settings require.",
    )


def test_without_held_out_masks_validation_tells():
    found = judge_learning(dice=NAN, n_failed=0, n_masks=0, training=Training(dice=0.9))
    assert (found.verdict, found.reasons) == ("learnt", ("The mean Dice of validation is 0.900.",))
    found = judge_learning(dice=NAN, n_failed=0, n_masks=0)
    assert (found.verdict, found.reasons) == ("not known", ("No mask could be scored.",))
    untrained = Training(steps=0, expected_steps=10)
    assert (
        judge_learning(dice=NAN, n_failed=0, n_masks=0, training=untrained).verdict == "not learnt"
    )


def test_a_good_validation_points_at_the_held_out_scans():
    found = judge_learning(dice=0.01, n_failed=9, n_masks=9, training=Training(dice=0.81))
    assert found.verdict == "not learnt"
    assert "Validation reached a Dice of 0.810: the held-out scans differ" in found.reasons[2]


@pytest.mark.parametrize(
    ("steps", "expected", "limit", "warned"),
    [
        (
            228,
            2900,
            "trainer.max_time=00:00:05:00",
            "Only 228 of 2900 expected training steps (7.9",
        ),
        (1450, 2900, "trainer.max_time=00:00:05:00", ""),
        (1449, 2900, "", "Only 1449 of 2900 expected training steps (50 %) were done: train"),
        (228, math.inf, "budget.minutes=5", "before budget.minutes=5 ended the training, wanted 5"),
        (500, math.inf, "budget.minutes=5", ""),
        (40, 40, "trainer.max_time=00:00:05:00", ""),  # all were done in time
        (3, NAN, "", ""),
    ],
)
def test_few_steps_are_warned_of_and_change_no_word(steps, expected, limit, warned):
    known = Training(steps, expected, time_limit=limit)
    found = judge_learning(dice=0.9, n_failed=0, n_masks=4, training=known)
    assert found.verdict == "learnt"
    assert len(found.warnings) == bool(warned)
    assert all(warned in line for line in found.warnings)


def test_a_bound_of_time_makes_the_result_the_machines():
    note = time_note(Training(228, time_limit="trainer.max_time=00:00:05:00"))
    assert note.startswith("The result depends on the machine: trainer.max_time=00:00:05:00 limits")
    assert "228 training steps were done here" in note
    assert time_note(Training(228)) == ""


def test_a_training_comes_back_from_json_as_it_was():
    known = Training(10, math.inf, 0.5, NAN, "budget.minutes=5")
    facts = facts_of(known)
    assert facts == {"steps": 10, "dice": 0.5, "time_limit": "budget.minutes=5"}
    again = Training.read(facts)
    assert (again.steps, again.dice, again.time_limit) == (10, 0.5, "budget.minutes=5")
    assert math.isnan(again.expected_steps)
    assert all(value != value or value == "" for value in Training.read("a text"))


def test_validation_tells_of_a_trial():
    learnt = {"val/dice_mean": 0.8, "val/dice_all_foreground": 0.01, "val/failed_share": 0.0}
    assert judge_validation(learnt).verdict == "learnt"
    assert judge_validation(learnt | {"val/failed_share": 0.3}).verdict == "doubtful"
    lost = judge_validation(learnt | {"val/failed_share": 0.6})
    assert lost.verdict == "not learnt"
    assert "60 % of the masks in validation failed" in lost.reasons[1]
    assert judge_validation({"val/dice_mean": 0.016}).verdict == "not learnt"
    assert judge_validation({}).verdict == "not known"


TARGET = Target(
    "gland",
    ("t1",),
    {"front": 1, "back": 2},
    (1, 1, 1),
    (8, 8, 8),
    hypotheses={"sex": "volume: F > M", "age": "volume[front] ~ age: negative"},
)


def studied(dice, *, n=15, training=None):
    """A study of `n` people of whom the network's `front` has each the Dice that is given."""
    rng, rows, people = np.random.default_rng(0), [], []
    for number in range(n):
        case, truth = f"p{number:02}", 500 + 60 * (number % 2 == 0) + rng.normal(0, 20)
        people.append((case, case, "FM"[number % 2], 20.0 + number))
        for label, overlap in (("front", dice(number)), ("back", 0.9)):
            volume = truth + rng.normal(0, 30) if overlap else 0.0
            scores = {"dice": overlap, "volume_mm3": volume, "reference_volume_mm3": truth}
            scores["failed"] = float(overlap < 0.1)
            rows += [Row(case, case, "test", label, *one, "") for one in scores.items()]
    known = pd.DataFrame(people, columns=["case_id", "subject_id", "sex", "age"])
    measured = from_rows(pd.DataFrame(rows), TARGET, known.set_index("case_id"))
    return analyse(measured, training=training)


def test_masks_that_neither_has_are_not_counted():
    rows = pd.DataFrame(
        [("a", "x", "failed", 0.0), ("a", "x", "dice", NAN), ("b", "x", "failed", 1.0),
         ("b", "x", "dice", 0.0), ("c", "x", "failed", 0.0), ("c", "x", "dice", 0.04)],
        columns=["case_id", "label", "metric", "value"],
    )  # fmt: skip
    assert failed_masks(rows).to_dict() == {("b", "x"): True, ("c", "x"): True}


def test_effects_on_failed_masks_have_no_conclusion_and_no_number():
    study = studied(lambda number: 0.0 if number < 4 else 0.9)  # 4 of 15, of all masks 4 of 30
    effects = study.tables["effects"].set_index(["hypothesis", "method"])
    assert study.learning.verdict == "learnt"
    failed = effects.loc[("age", "predicted")]
    assert failed["verdict"] == "no conclusion"
    assert failed["reason"].startswith("the network’s masks cannot answer: 4 of 15 failed (no mask")
    assert failed[["estimate", "low", "high", "p", "power", "size"]].isna().all()
    kept = effects.loc[("sex", "predicted")]
    assert kept["verdict"] != "no conclusion"  # of both labels together, less than a fifth
    assert math.isfinite(kept["estimate"])
    assert effects.loc[("age", "reference"), "verdict"] != "no conclusion"
    apart = study.tables["effect_differences"].set_index("hypothesis")
    assert math.isnan(apart.loc["age", "difference"])
    assert "4 of 15 failed" in apart.loc["age", "reason"]


def test_a_network_that_has_not_learnt_answers_nothing():
    study = studied(lambda _: 0.04)
    assert study.learning.verdict == "doubtful"  # half of all masks failed, the others are good
    lost = studied(lambda _: 0.04, training=Training(all_foreground_dice=0.45))
    assert lost.learning.verdict == "not learnt"
    mine = lost.tables["effects"].query("method == 'predicted'")
    assert set(mine["verdict"]) == {"no conclusion"}
    why = "the network’s masks cannot answer: it has not learnt, and 15 of 30 masks failed"
    assert set(mine["reason"]) == {why}


def test_a_fifth_of_failed_masks_is_let_through():
    study = studied(lambda number: 0.0 if number < 3 else 0.9)
    assert "no conclusion" not in set(study.tables["effects"]["verdict"])


def test_masks_without_a_reference_are_judged_by_whether_they_are_there():
    rows = [("dice", f"c{number}", 0.9) for number in range(10)]
    rows += [("failed", f"c{number}", float(number >= 50)) for number in range(61)]
    table = pd.DataFrame(rows, columns=["metric", "case_id", "value"]).assign(label="gland")
    found = judge_rows(table, None)
    assert found.verdict == "learnt"
    assert found.reasons[0].startswith("The mean Dice of 10 held-out masks is 0.900")
    assert found.reasons[1].startswith("11 of 61 held-out masks failed")


def test_a_mask_that_neither_side_has_is_not_judged():
    rows = [("dice", "a", NAN), ("failed", "a", 0.0), ("dice", "b", 0.9), ("failed", "b", 0.0)]
    table = pd.DataFrame(rows, columns=["metric", "case_id", "value"]).assign(label="gland")
    assert failed_masks(table).index.get_level_values("case_id").tolist() == ["b"]
