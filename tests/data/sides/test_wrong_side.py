import numpy as np

from neurotarget.data.sides.wrong_side import centres_right_mm, on_wrong_side

PAIRS = (("l1", "r1"), ("l2", "r2"), ("l3", "r3"), ("l4", "r4"))
HEAD = {"l1": -20.0, "r1": 20.0, "l2": -30.0, "r2": 32.0, "l3": -5.0, "r3": 5.0}


def test_centres_are_in_mm_to_the_right():
    classes = np.zeros((5, 2, 2), int)
    classes[4], classes[0, 0, 0], classes[2, 0, 0] = 1, 3, 9
    affine = np.diag([-2.0, 1, 1, 1])
    affine[0, 3] = 10
    centres = centres_right_mm(classes, affine, 4)
    assert centres[[1, 3]].tolist() == [2.0, 10.0]
    assert np.isnan(centres[[0, 2]]).all()


def test_a_pair_that_is_exchanged_is_named():
    assert on_wrong_side(HEAD, PAIRS) == []
    assert on_wrong_side({**HEAD, "l2": 33.0}, PAIRS) == ["l2 to the right of r2"]


def test_a_label_without_its_partner_is_held_against_the_other_pairs():
    assert on_wrong_side({**HEAD, "l4": 15.0}, PAIRS) == ["l4 on the right"]
    assert on_wrong_side({**HEAD, "r4": -15.0}, PAIRS) == ["r4 on the left"]
    assert on_wrong_side({**HEAD, "l4": 1.0}, PAIRS) == []  # at the middle
    assert on_wrong_side({"l1": -1.0, "r1": 1.0, "l4": 15.0}, PAIRS) == []  # too few pairs to tell
