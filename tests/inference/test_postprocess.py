import numpy as np
import pytest

from neurotarget.inference.postprocess import Postprocessing, common_steps
from neurotarget.size_units import PIXELS

NAMES = ("core", "shell")


def blank(side=12):
    return np.zeros((side, side, side), np.uint8)


def two_pieces():
    """Class 1 in pieces of 27 and 2 voxels, class 2 in pieces of 8 and 1."""
    classes = blank()
    classes[1:4, 1:4, 1:4] = 1
    classes[9, 9, 9:11] = 1
    classes[6:8, 1:3, 1:3] = 2
    classes[10, 1, 10] = 2
    return classes


def sizes(classes):
    return [int((classes == number).sum()) for number in (1, 2)]


def test_without_steps_the_map_itself_comes_back():
    classes = two_pieces()
    assert Postprocessing().apply(classes, NAMES, 1.0) is classes
    assert not Postprocessing()


def test_the_largest_piece_of_one_label_leaves_the_other_as_it_is():
    classes = two_pieces()
    found = Postprocessing(largest_pieces={"core": 1}).apply(classes, NAMES, 1.0)
    assert sizes(found) == [27, 9]
    assert sizes(classes) == [29, 9], "the map that was given is changed"


def test_voxels_that_share_a_corner_are_one_piece():
    classes = blank()
    classes[2, 2, 2] = classes[3, 3, 3] = 1
    assert sizes(Postprocessing(largest_pieces={"core": 1}).apply(classes, NAMES, 1.0)) == [2, 0]


def test_the_largest_piece_together_may_hold_several_labels():
    classes = two_pieces()
    classes[4:6, 1:3, 1:3] = 1  # joins 27 and 8 voxels
    found = Postprocessing(largest_together=True).apply(classes, NAMES, 1.0)
    assert sizes(found) == [35, 8]


@pytest.mark.parametrize(
    ("voxel_mm3", "left"), [(1.0, [27, 8]), (0.5, [27, 8]), (4.0, [29, 8]), (8.0, [29, 9])]
)
def test_pieces_below_a_size_in_mm3_go(voxel_mm3, left):
    steps = Postprocessing(smallest_piece_mm3={"core": 5.0, "shell": 8.0})
    assert sizes(steps.apply(two_pieces(), NAMES, voxel_mm3)) == left


def test_a_label_is_never_emptied_by_its_own_steps():
    steps = Postprocessing(smallest_piece_mm3={"core": 1e9, "shell": 1e9})
    assert sizes(steps.apply(two_pieces(), NAMES, 1.0)) == [27, 8]


def test_a_hole_goes_to_the_label_that_surrounds_most_of_it():
    classes = blank()
    classes[2:9, 2:9, 2:9] = 2
    classes[5, 5, 5] = 0  # within the shell
    classes[3:5, 3:5, 3:5] = 1
    classes[3, 3, 3] = 0  # three faces to each: the first of them
    found = Postprocessing(fill_holes=NAMES).apply(classes, NAMES, 1.0)
    assert found[5, 5, 5] == 2
    assert found[3, 3, 3] == 1
    only = Postprocessing(fill_holes=("core",)).apply(classes, NAMES, 1.0)
    assert only[5, 5, 5] == 0


def test_a_hollow_that_reaches_the_outside_stays_open():
    classes = blank(7)
    classes[1:6, 1:6, 1:6] = 1
    classes[3, 3, 3:] = 0
    found = Postprocessing(fill_holes=("core",)).apply(classes, NAMES, 1.0)
    np.testing.assert_array_equal(found, classes)


def test_holes_are_filled_after_pieces_are_dropped():
    classes = blank()
    classes[2:9, 2:9, 2:9] = 2
    classes[4:7, 4:7, 4:7] = 0
    classes[5, 5, 5] = 1  # a speck in the hollow of the shell
    classes[11, 11, 10:12] = 1
    steps = Postprocessing(largest_pieces={"core": 1}, fill_holes=("shell",))
    assert sizes(steps.apply(classes, NAMES, 1.0)) == [2, 343]


def test_an_empty_map_stays_empty():
    steps = Postprocessing(True, dict.fromkeys(NAMES, 1), {"core": 5}, NAMES)
    assert not steps.apply(blank(), NAMES, 1.0).any()


def test_steps_are_plain_values_and_come_back():
    steps = Postprocessing(True, {"core": 1}, {"shell": 5}, ("shell",))
    assert Postprocessing.read(steps.as_dict()) == steps
    assert steps.as_dict()["smallest_piece_mm3"] == {"shell": 5.0}
    assert Postprocessing.read(steps.as_dict(PIXELS), PIXELS) == steps
    assert steps.as_dict(PIXELS)["smallest_piece_px"] == {"shell": 5.0}


def test_steps_of_older_versions_keep_one_piece():
    older = {"largest_together": False, "largest_piece": ["core"], "fill_holes": []}
    assert Postprocessing.read(older) == Postprocessing(largest_pieces={"core": 1})


def test_a_number_of_pieces_below_one_is_refused():
    with pytest.raises(ValueError, match="wanted at least one piece each"):
        Postprocessing(largest_pieces={"core": 0})


@pytest.mark.parametrize(("most", "left"), [(1, 27), (2, 29), (3, 30), (9, 30)])
def test_as_many_of_the_largest_pieces_are_kept_as_stated(most, left):
    classes = two_pieces()
    classes[11, 11, 11] = 1
    found = Postprocessing(largest_pieces={"core": most}).apply(classes, NAMES, 1.0)
    assert sizes(found) == [left, 9]


def test_of_the_largest_pieces_too_small_ones_go():
    steps = Postprocessing(largest_pieces={"core": 2}, smallest_piece_mm3={"core": 3.0})
    assert sizes(steps.apply(two_pieces(), NAMES, 1.0)) == [27, 9]


def test_an_ensemble_keeps_what_more_than_half_keep():
    one = Postprocessing(True, {"core": 1}, {"shell": 5.0})
    two = Postprocessing(False, {"core": 2}, {"shell": 3.0}, ("core",))
    three = Postprocessing()
    assert common_steps([one, two, three]) == Postprocessing(False, {"core": 2}, {"shell": 3.0})
    assert common_steps([one, three]) == Postprocessing()
    assert common_steps([one]) == one


def test_a_hole_in_a_picture_is_filled_in_its_plane():
    classes = np.zeros((7, 7, 1), np.uint8)
    classes[1:6, 1:6] = 1
    classes[3, 3] = 0
    classes[0, 3] = 2
    found = Postprocessing(fill_holes=("core",)).apply(classes, NAMES, 1.0)
    assert sizes(found) == [25, 1]
    deep = np.repeat(classes, 2, axis=2)  # of two slices, the hole is open above and below
    assert sizes(Postprocessing(fill_holes=("core",)).apply(deep, NAMES, 1.0)) == [48, 2]
