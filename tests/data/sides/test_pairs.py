import itertools
import time
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from neurotarget.data.augmentation.augment import build_augmentation
from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.data.sides.midplane import Plane, middle_of
from neurotarget.data.sides.pairs import (
    as_trained,
    split_probabilities,
    split_sides,
    to_trained,
    trained_class,
)
from neurotarget.hypothesis import Hypothesis, Published
from neurotarget.types import Target

AXES = ([1, 0, 0], [0, 1, 0], [0, 0, 1])
NUCLEI = ("dentate_left", "dentate_right")


def make_target(sides="split", **more) -> Target:
    return Target(
        "dentate",
        ["qsm"],
        {"dentate_left": 1, "stem": 7, "dentate_right": 2},
        [1, 1, 1],
        [64, 48, 48],
        pairs=[NUCLEI],
        sides=sides,
        **more,
    )


TARGET = make_target()
LEFT, STEM, RIGHT = 1, 2, 3  # classes of the target
NUCLEUS, TRAINED_STEM = 1, 2  # classes that a network sees


def heads():
    """Two nuclei of 8 × 14 × 8 voxels, 28 mm apart, and a stem between them, in RAS+ at 1 mm."""
    final = np.zeros((70, 40, 30), dtype=np.uint8)
    final[16:24, 12:26, 10:18] = LEFT
    final[44:52, 12:26, 10:18] = RIGHT
    final[32:36, 30:36, 10:18] = STEM
    return final


def merged(final):
    return np.array(trained_class(TARGET), dtype=np.uint8)[final]


def turned(axis, degrees, shift_mm=(31.0, -20.0, 55.0)):
    """Affine that turns a head about an axis and moves it by centimetres."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.array(axis) * np.radians(degrees)).as_matrix()
    matrix[:3, 3] = shift_mm
    return matrix


def reordered(array, affine, codes):
    """The same scan with its voxels stored in another order."""
    turn = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(codes)
    )
    back = nib.orientations.inv_ornt_aff(turn, array.shape)
    return nib.orientations.apply_orientation(array, turn), affine @ back


def test_with_labels_nothing_changes():
    target, final = make_target("labels"), heads()
    assert as_trained(target) is target
    assert trained_class(target) == (0, 1, 2, 3)
    assert split_sides(final, np.eye(4), target) == (final, ())
    shares = np.ones((4, 2, 2, 2))
    assert split_probabilities(shares, np.eye(4), target) == (shares, ())


def test_a_pair_is_trained_as_one_label_of_both_ids():
    ranges = {"dentate_left": (200, 1500), "dentate_right": (100, 1000), "stem": (5, 6)}
    target = make_target(
        background_ids=[9],
        volume_range_mm3=ranges,
        hypotheses={"left": "volume[dentate_left] ~ age: negative"},
        published=[Published("dice", "dentate_left", 0.9, "doi:10.1148/ryai.240478")],
    )
    trained = as_trained(target)
    assert trained.labels == {"dentate": (1, 2), "stem": (7,)}
    assert trained.volume_range_mm3 == {"dentate": (300, 2500), "stem": (5, 6)}
    assert trained.background_ids == (9,)
    assert (trained.sides, trained.pairs, trained.hypotheses) == ("labels", (), ())
    assert trained.published == ()
    assert isinstance(target.hypotheses[0], Hypothesis)  # the target itself is as it was


def test_a_range_of_one_side_alone_says_nothing_of_both():
    target = make_target(volume_range_mm3={"dentate_left": (200, 1500)})
    assert as_trained(target).volume_range_mm3 == {}


@pytest.mark.parametrize(
    ("pairs", "names"),
    [
        ([("dentate_left", "dentate_right")], ["dentate"]),
        ([("Left-Putamen", "Right-Putamen"), ("lh_hip", "rh_hip")], ["Putamen", "hip"]),
        ([("left", "right")], ["both"]),
        ([("a", "b"), ("c", "d")], ["both_1", "both_2"]),
    ],
)
def test_a_merged_label_is_called_what_its_sides_have_in_common(pairs, names):
    ids = itertools.count(1)
    labels = {name: next(ids) for pair in pairs for name in pair}
    target = Target("t", ["t1"], labels, [1] * 3, [8] * 3, pairs=pairs, sides="split")
    assert list(as_trained(target).labels) == names


def test_each_class_knows_the_class_that_is_trained():
    assert trained_class(TARGET) == (0, 1, 2, 1)


def test_a_data_sets_names_of_the_sides_lead_to_the_merged_class():
    target = Target(
        "t",
        ["t1"],
        dict(zip(NUCLEI, (1, 2), strict=True)),
        [1] * 3,
        [8] * 3,
        [NUCLEI],
        sides="split",
    )
    named = {"background": 0, "dentate left": 5, "Dentate-Right": 4}
    assert class_of_id(target, named) == {0: 0, 5: 1, 4: 2}
    assert to_trained(class_of_id(target, named), target) == {0: 0, 5: 1, 4: 1}
    assert to_trained({0: 0, 1: 1, 2: 2}, target) == class_of_id(as_trained(target))


def test_split_costs_one_class_less_a_pair_and_its_flips_are_free():
    both, split = as_trained(make_target("labels")), as_trained(TARGET)
    assert (both.num_labels, split.num_labels) == (4, 3)
    assert both.swap == (0, 3, 2, 1)
    assert split.swap == (0, 1, 2)  # a mirrored map is a map: nothing is swapped
    assert build_augmentation({"flip": {"p": 1.0}}, target=split) is not None


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("degrees", [-30, 30])
@pytest.mark.parametrize("codes", ["RAS", "LAS", "PSR"])
def test_sides_are_right_however_the_head_is_turned_and_stored(axis, degrees, codes):
    final, affine = reordered(heads(), turned(axis, degrees), codes)
    found, notes = split_sides(merged(final), affine, TARGET)
    np.testing.assert_array_equal(found, final)
    assert found.dtype == np.uint8
    assert notes == ()


def test_pieces_go_to_the_nearer_side_as_wholes():
    final = heads()
    final[26, 15, 14] = LEFT  # specks
    final[60, 38, 28] = RIGHT
    final[37:39, 1, 1] = RIGHT
    found, notes = split_sides(merged(final), turned([0, 0, 1], 20), TARGET)
    np.testing.assert_array_equal(found, final)
    assert notes == ()


def test_a_nucleus_that_leans_over_the_border_stays_whole():
    final = heads()
    final[31:44, 18:20, 13:15] = RIGHT  # 3 mm across; the border lies at 33.5
    found, notes = split_sides(merged(final), np.eye(4), TARGET)
    np.testing.assert_array_equal(found, final)
    assert notes == ()


def test_nuclei_that_were_joined_are_cut_halfway():
    joined = heads()
    joined[24:34, 18:20, 13:15] = LEFT
    joined[34:44, 18:20, 13:15] = RIGHT
    found, notes = split_sides(merged(joined), np.eye(4), TARGET)
    np.testing.assert_array_equal(found, joined)
    assert notes == ("dentate_left and dentate_right: in one piece, cut at the plane between them",)


@pytest.mark.parametrize("lost", [LEFT, RIGHT])
def test_a_nucleus_alone_takes_its_side_from_the_middle_and_says_so(lost):
    final = heads()
    final[final == lost] = 0
    affine = turned([0, 1, 0], 30)
    middle = Plane(tuple((affine @ [33.5, 19, 14, 1])[:3]), source="the box of the localiser")
    found, notes = split_sides(merged(final), affine, TARGET, middle=middle)
    np.testing.assert_array_equal(found, final)
    kept = NUCLEI[lost == LEFT]
    (note,) = notes
    assert f"only one side found, called {kept}: it lies" in note
    assert note.endswith("mm off the box of the localiser")


def test_without_a_middle_the_grids_own_is_called_a_guess():
    final = heads()
    final[final == LEFT] = 0
    found, notes = split_sides(merged(final), np.eye(4), TARGET)
    np.testing.assert_array_equal(found, final)
    assert "off the middle of the grid, a guess" in notes[0]


def test_two_halves_that_are_clear_ask_for_no_middle():
    def ask():
        raise AssertionError

    split_sides(merged(heads()), np.eye(4), TARGET, middle=ask)


def test_a_nucleus_and_a_false_find_beside_it_are_one_side():
    final = heads()
    final[final == LEFT] = 0
    final[62:66, 12:20, 10:18] = RIGHT  # a third of the nucleus, 16 mm further out
    found, notes = split_sides(merged(final), np.eye(4), TARGET, middle=Plane((33.5, 0.0, 0.0)))
    np.testing.assert_array_equal(found, final)
    assert "only one side found, called dentate_right" in notes[0]


def test_a_remnant_beyond_the_middle_is_the_other_side():
    final = heads()
    final[16:24, 15:26, 10:18][final[16:24, 15:26, 10:18] == LEFT] = 0  # a fifth is left of it
    found, notes = split_sides(merged(final), np.eye(4), TARGET, middle=Plane((33.5, 0.0, 0.0)))
    np.testing.assert_array_equal(found, final)
    assert notes == ()


def test_other_pairs_tell_the_side_of_one_alone_and_part_those_that_touch():
    labels = {f"{side}_{name}": None for name in ("far", "touching") for side in ("left", "right")}
    labels |= {"left_alone": None, "right_alone": None}
    labels = {name: number for number, name in enumerate(labels, start=1)}
    names = list(labels)
    pairs = list(zip(names[::2], names[1::2], strict=True))
    target = Target("t", ["t1"], labels, [1] * 3, [8] * 3, pairs=pairs, sides="split")
    final = np.zeros((60, 50, 30), dtype=np.uint8)
    final[10:16, 5:15, 5:15], final[44:50, 5:15, 5:15] = 1, 2
    final[26:30, 15:45, 5:15], final[30:34, 15:45, 5:15] = 3, 4
    final[34:38, 15:25, 20:26] = 6
    trained = np.array(trained_class(target), dtype=np.uint8)[final]
    found, notes = split_sides(trained, turned([0, 0, 1], 25), target)
    np.testing.assert_array_equal(found, final)
    (note,) = notes
    assert "only one side found, called right_alone" in note
    assert note.endswith("off the plane between the other pairs")


@pytest.mark.parametrize("voxels", [0, 1])
def test_next_to_nothing_is_parted_too(voxels):
    classes = np.zeros((9, 9, 9), dtype=np.uint8)
    classes[7:, 4, 4][:voxels] = NUCLEUS
    found, notes = split_sides(classes, np.eye(4), TARGET)
    assert (found == RIGHT).sum() == voxels
    assert (found > 0).sum() == len(notes) == voxels


def test_many_classes_get_a_wider_type():
    labels = {f"{side}_{n}": 2 * n + k for n in range(1, 150) for k, side in enumerate(("l", "r"))}
    pairs = [(f"l_{n}", f"r_{n}") for n in range(1, 150)]
    target = Target("t", ["t1"], labels, [1] * 3, [8] * 3, pairs=pairs, sides="split")
    classes = np.zeros((20, 5, 5), dtype=np.uint8)
    classes[2:4, 2, 2] = classes[15:17, 2, 2] = 149
    found, _ = split_sides(classes, np.eye(4), target)
    assert sorted(np.unique(found)) == [0, 297, 298]


def test_probabilities_are_those_of_the_pair_on_its_side_alone():
    final, affine = reordered(heads(), turned([0, 1, 0], 30), "LAS")
    trained = merged(final)
    shares = np.full((3, *final.shape), 0.1, dtype=np.float32)
    for number in range(3):
        shares[number][trained == number] = 0.8
    found, notes = split_probabilities(shares, affine, TARGET)
    assert found.shape == (4, *final.shape)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.argmax(axis=0), final)
    np.testing.assert_allclose(found[LEFT] + found[RIGHT], shares[NUCLEUS])
    assert not ((found[LEFT] > 0) & (found[RIGHT] > 0)).any()
    np.testing.assert_array_equal(found[[0, STEM]], shares[[0, TRAINED_STEM]])
    assert notes == ()


def test_probabilities_of_a_pair_that_is_nowhere_are_halved_in_the_middle():
    shares = np.zeros((3, 10, 4, 4), dtype=np.float32)
    shares[0], shares[NUCLEUS] = 0.7, 0.3
    found, notes = split_probabilities(shares, np.diag([-1.0, 1, 1, 1]), TARGET)
    assert (found[LEFT, 5:] > 0).all()  # voxels count to the left
    assert (found[RIGHT, :5] > 0).all()
    assert (found.sum(axis=0) == 1).all()
    assert notes == ()


@pytest.fixture(scope="module")
def dentate(shared_data):
    """Dentate nuclei of a real head: sides by hand, classes as trained, affine, susceptibility."""
    folder = shared_data / "qsm" / "head_model"
    model = nib.load(folder / "SegmentedModel.nii.gz")
    pieces, count = ndimage.label(np.asarray(model.dataobj) == 5, structure=np.ones((3, 3, 3)))
    assert count == 2
    middle_vox = [ndimage.center_of_mass(pieces == number)[0] for number in (1, 2)]
    left = 1 + int(np.argmin(middle_vox))  # the model is stored from left to right
    final = np.where(pieces == left, LEFT, np.where(pieces > 0, RIGHT, 0)).astype(np.uint8)
    mask = np.asarray(nib.load(folder / "BrainMask.nii.gz").dataobj) > 0
    chi = np.asarray(nib.load(folder / "chi_piecewise_constant.nii.gz").dataobj, np.float32) * mask
    return final, model.affine, chi


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("degrees", [-30, 30])
def test_real_nuclei_are_parted_in_a_tilted_head(dentate, axis, degrees):
    whole, affine, _ = dentate
    box = tuple(
        slice(part.start - 9, part.stop + 9)
        for part in ndimage.find_objects(np.minimum(whole, 1))[0]
    )
    affine = affine @ nib.affines.from_matvec(np.eye(3), [part.start for part in box])
    for codes in ("RAS", "LAS", "PSR", "IAR"):
        final, placed = reordered(whole[box], turned(axis, degrees) @ affine, codes)
        found, notes = split_sides(merged(final), placed, TARGET)
        np.testing.assert_array_equal(found, final)
        assert notes == ()


@pytest.mark.parametrize("lost", [LEFT, RIGHT])
def test_a_real_nucleus_alone_gets_its_side_from_the_symmetry_of_the_scan(dentate, lost):
    final, affine, chi = dentate
    alone = np.where(final == lost, 0, final).astype(np.uint8)
    affine = turned([0, 1, 0], 25) @ affine
    found, notes = split_sides(merged(alone), affine, TARGET, middle=lambda: middle_of(chi, affine))
    np.testing.assert_array_equal(found, alone)
    assert "off the scan's plane of symmetry" in notes[0]


def test_a_whole_scan_is_parted_in_a_moment(dentate):
    final, affine, _ = dentate
    trained = merged(final)
    begin = time.perf_counter()
    split_sides(trained, affine, TARGET)
    assert time.perf_counter() - begin < 1


def test_a_whole_brain_is_parted_in_a_tilted_head(shared_data):
    ids = {"ventricle": (4, 43), "cortex": (3, 42), "thalamus": (10, 49), "putamen": (12, 51)}
    ids |= {"hippocampus": (17, 53), "amygdala": (18, 54)}
    labels = {f"{s}_{n}": one for n, both in ids.items() for s, one in zip("lr", both, strict=True)}
    pairs = [(f"l_{name}", f"r_{name}") for name in ids]
    target = Target("t", ["t1"], labels, [1] * 3, [8] * 3, pairs=pairs, sides="split")
    scan = nib.load(shared_data / "label_maps" / "training_seg_01.nii.gz")
    array = np.asarray(scan.dataobj).astype(np.int16)
    array[~np.isin(array, list(labels.values()))] = 0
    final = to_classes(array, class_of_id(target))
    trained = np.array(trained_class(target), dtype=np.uint8)[final]
    found, notes = split_sides(trained, turned([0, 0, 1], 30) @ scan.affine, target)
    wrong = np.bincount(final[found != final], minlength=13)[1:] / np.bincount(final.ravel())[1:]
    assert wrong.max() < 0.01  # of cortex, on the midline
    assert wrong[4:].max() < 0.002
    assert notes == ()


def test_ignored_voxels_stay_ignored_where_sides_are_merged():
    split = Target(
        "nuclei",
        ("t1",),
        {"left": 1, "right": 2},
        (1, 1, 1),
        (8, 8, 8),
        pairs=(("left", "right"),),
        sides="split",
        ignore_ids=(9,),
    )
    assert (split.ignored_class, as_trained(split).ignored_class) == (3, 2)
    assert to_trained(class_of_id(split), split) == {0: 0, 1: 1, 2: 1, 9: 2}


@pytest.mark.parametrize(("right", "both"), [(1, 3), (3, 5), ("any", None)])
def test_both_sides_have_as_many_pieces_as_each_together(right, both):
    target = replace(TARGET, pieces={"dentate_left": 2, "dentate_right": right})
    assert as_trained(target).expected_pieces == {"dentate": both, "stem": 1}
