import numpy as np

from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.data.nearest_class import give_to_nearest
from neurotarget.data.sides.pairs import to_trained
from neurotarget.types import Target

GRID = {"contrasts": ["t1"], "spacing_mm": [1, 1, 1], "patch_vox": [8, 8, 8]}


def test_a_voxel_gets_the_class_whose_nearest_voxel_is_nearest():
    classes = np.array([[[1, 3, 3, 3, 2, 3]]])
    give_to_nearest(classes, 3, (1, 2))
    assert classes.tolist() == [[[1, 1, 1, 2, 2, 2]]]  # the middle one is as near to both


def test_an_owner_far_away_or_missing_counts_too():
    classes = np.zeros((60, 1, 1), int)
    classes[0], classes[40] = 1, 3
    give_to_nearest(classes, 3, (1, 2))
    assert classes[40] == 1
    alone = np.full((2, 2, 2), 3)
    give_to_nearest(alone, 3, (1, 2))
    assert not alone.any()


def test_a_corpus_callosum_is_read_as_the_white_matter_of_its_side():
    brain = Target(
        "brain", labels=["Left-Cerebral-White-Matter", "Right-Cerebral-White-Matter"], **GRID
    )
    ids = np.array([[[2, 251, 77, 41, 24]]])
    mapping = {**class_of_id(brain), 24: 0}
    assert mapping[251] == (1, 2)
    assert to_classes(ids, mapping).tolist() == [[[1, 1, 2, 2, 0]]]
    assert 251 not in class_of_id(
        brain, {"Left Cerebral White Matter": 1, "Right cerebral white matter": 2}
    )


def test_a_target_of_one_class_for_both_sides_needs_no_side():
    names = ["Left-Cerebral-White-Matter", "Right-Cerebral-White-Matter"]
    both = Target("brain", labels=names, sides="split", **GRID)
    assert to_trained({0: 0, 2: 1, 41: 2, 251: (1, 2)}, both) == {0: 0, 2: 1, 41: 1, 251: 1}
