import math

import numpy as np
import pytest

from neurotarget.inference.postprocess import Postprocessing
from neurotarget.inference.postprocess_choice import FEWEST, NO_CHANGE, Example, choose

ONE_MM = (1.0, 1.0, 1.0)


def truth(side=20):
    """A cube of 6³ voxels of class 1."""
    classes = np.zeros((side, side, side), np.uint8)
    classes[2:8, 2:8, 2:8] = 1
    return classes


def example(reference, predicted):
    return Example(reference, predicted, ONE_MM, 1.0)


def with_speck(vox=8, at=14):
    pred = truth()
    pred[at : at + 2, at : at + 2, at : at + vox // 4] = 1
    return pred


def kept(choice):
    return [(one.step, one.label) for one in choice.trials if one.kept]


def test_the_largest_piece_is_kept_where_specks_cost_dice():
    cases = [example(truth(), pred) for pred in (with_speck(), with_speck(), truth())]
    choice = choose(cases, {"gland": 1})
    assert choice.steps == Postprocessing(largest_pieces={"gland": 1})
    (change,) = choice.changes
    dice = 2 * 216 / (216 + 224)
    assert change.dice_before == pytest.approx((2 * dice + 1) / 3)
    assert change.dice_after == 1.0
    assert (change.in_pieces_before, change.in_pieces_after) == (2, 0)
    # the speck is 8 % of the surface; 95 % reach into its corners that are 6, 6 and 8 mm away
    assert change.hd95_before_mm == pytest.approx(2 * math.sqrt(6**2 + 6**2 + 8**2) / 3)
    assert change.hd95_after_mm == 0.0
    assert change.n == 3


def test_true_pieces_are_not_dropped_though_false_ones_are():
    """Two true cubes; a speck of 8 voxels beside them costs less than a cube does."""
    reference = truth()
    reference[12:17, 12:17, 12:17] = 1
    pred = reference.copy()
    pred[2:4, 16:18, 2:4] = 1
    choice = choose([example(reference, pred)] * 3, {"lesion": 1})
    assert choice.steps.largest_pieces == {}
    assert choice.steps.smallest_piece_mm3 == {"lesion": pytest.approx(0.05 * 341, abs=0.1)}
    reasons = {one.step: one.reason for one in choice.trials if one.step == "largest_pieces"}
    assert reasons == {"largest_pieces": "mean Dice falls"}


def test_a_step_that_ruins_one_case_is_refused_though_the_mean_gains():
    broken = truth()
    broken[5] = 0  # the true cube in two pieces: 3 and 2 slices
    gains = [example(truth(), with_speck(16, at=12)) for _ in range(20)]
    choice = choose([*gains, example(truth(), broken)], {"gland": 1})
    trial = choice.trials[0]
    assert trial.dice_after > trial.dice_before
    assert not trial.kept
    assert trial.reason.startswith("one case loses 0.")


@pytest.mark.parametrize("number", range(FEWEST))
def test_of_few_cases_nothing_is_learned(number):
    choice = choose([example(truth(), with_speck())] * number, {"gland": 1})
    assert choice.steps == Postprocessing()
    assert choice.trials == choice.changes == ()


def test_a_label_that_few_cases_have_is_left_alone():
    pred = with_speck()
    pred[pred > 0] = 2
    cases = [example(truth(), truth()), example(truth(), truth())]
    cases += [example(truth() * 2, pred)] * 2
    choice = choose(cases, {"gland": 1, "rare": 1})
    assert choice.steps == Postprocessing()
    (trial,) = [t for t in choice.trials if (t.step, t.label) == ("largest_pieces", "rare")]
    assert trial.reason == f"fewer than {FEWEST} validation cases have this label"
    assert trial.n == 2


def test_a_step_that_changes_nothing_is_not_kept():
    choice = choose([example(truth(), truth())] * 3, {"gland": 1})
    assert choice.steps == Postprocessing()
    assert {one.reason for one in choice.trials} == {NO_CHANGE}
    assert math.isnan(choice.changes[0].hd95_before_mm)


def test_holes_are_filled_where_that_helps():
    pred = truth()
    pred[4:6, 4:6, 4:6] = 0
    choice = choose([example(truth(), pred)] * 3, {"gland": 1})
    assert choice.steps == Postprocessing(fill_holes=("gland",))
    ring = truth()
    ring[4:6, 4:6, 4:6] = 0
    assert choose([example(ring, ring)] * 3, {"gland": 1}).steps == Postprocessing()


def test_labels_are_judged_one_by_one():
    """A pair that does not touch: a speck on the left, two true pieces on the right."""
    reference = truth(24)
    reference[2:8, 14:20, 2:8] = 2
    reference[16:21, 14:19, 16:21] = 2
    pred = reference.copy()
    pred[16:18, 2:4, 16:18] = 1
    choice = choose([example(reference, pred)] * 3, {"left": 1, "right": 1})
    assert choice.steps == Postprocessing(largest_pieces={"left": 1})
    together = choice.trials[0]
    assert (together.step, together.kept) == ("largest_together", False)


def test_pieces_of_all_labels_together_are_dropped_where_no_label_loses():
    """Two labels that touch, and a false piece in which both are the larger of theirs."""
    reference = truth()
    reference[8:10, 2:8, 2:8] = 2
    pred = reference.copy()
    pred[14:19, 14:19, 14:19] = 2  # larger than the true one: the label alone would keep it
    choice = choose([example(reference, pred)] * 3, {"head": 1, "tail": 1})
    assert choice.steps == Postprocessing(largest_together=True)
    assert [one.dice_after for one in choice.changes] == [1.0, 1.0]
    assert kept(choice) == [("largest_together", "all labels")]


def test_a_label_that_no_validation_mask_has_is_passed_over():
    choice = choose([example(truth(), with_speck())] * 3, {"gland": 1, "absent": 1})
    assert choice.steps == Postprocessing(largest_together=True)
    assert not [one for one in choice.trials if one.label == "absent" and one.kept]


def pair_with_speck():
    """Two true pieces on either side, and a speck of 8 voxels that the network adds."""
    reference = truth(24)
    reference[12:17, 12:17, 12:17] = 1
    pred = reference.copy()
    pred[20:22, 2:4, 20:22] = 1
    return example(reference, pred)


def test_as_many_pieces_are_kept_as_are_expected():
    choice = choose([pair_with_speck()] * 3, {"lungs": 2})
    assert choice.steps == Postprocessing(largest_pieces={"lungs": 2})
    (change,) = choice.changes
    assert (change.dice_after, change.in_pieces_before, change.in_pieces_after) == (1.0, 3, 0)
    (trial,) = [one for one in choice.trials if one.step == "largest_pieces"]
    assert trial.pieces == 2


def test_of_two_expected_pieces_smaller_ones_than_the_smallest_may_still_go():
    """Where one of the two is missing, keeping two pieces keeps the speck."""
    alone = with_speck()
    choice = choose([pair_with_speck()] * 3 + [example(truth(), alone)] * 3, {"lungs": 2})
    assert choice.steps.largest_pieces == {"lungs": 2}
    assert "lungs" in choice.steps.smallest_piece_mm3
    assert choice.changes[0].dice_after == 1.0


def test_no_number_of_pieces_is_tried_where_any_is_usual():
    """A piece that costs no Dice, as the label is absent, is not dropped for tidiness."""
    absent = example(np.zeros_like(truth()), truth())
    cases = [example(truth(), truth())] * 3 + [absent._replace(pred=with_speck())]
    choice = choose(cases, {"lesion": None, "core": 1})
    assert not choice.steps
    assert {one.step for one in choice.trials if one.label == "lesion"} == {
        "smallest_piece_mm3",
        "fill_holes",
    }
    assert "largest_together" not in {one.step for one in choice.trials}
    assert choice.changes[0].in_pieces_before == 0
    assert choose(cases, {"lesion": 1}).steps == Postprocessing(largest_pieces={"lesion": 1})


def test_what_lies_in_ignored_voxels_counts_neither_way():
    reference, pred = truth(), with_speck()
    reference[(pred > 0) & (reference == 0)] = 2  # no rater labelled the speck
    choice = choose([example(reference, pred)] * 3, {"gland": 1})
    assert choice.steps == Postprocessing()
    assert choice.changes[0].dice_before == 1.0
