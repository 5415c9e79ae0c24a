import numpy as np
import pytest

from neurotarget.data.labels import (
    class_of_id,
    cut_labels,
    label_values,
    rounded_labels,
    to_classes,
    to_file_ids,
)
from neurotarget.data.scans.volume import read_volume
from neurotarget.problems import DataError
from neurotarget.types import Target


def target(labels, **more):
    return Target("t", ["t1"], labels, [1, 1, 1], [8, 8, 8], **more)


def test_targets_own_ids_count_where_the_data_set_names_none():
    wanted = {0: 0, 9: 0, 17: 1, 53: 2, 54: 2}
    assert class_of_id(target({"left": 17, "right": [53, 54]}, background_ids=[9])) == wanted


def test_names_match_in_any_case_and_bring_their_ids():
    ids = {"background": 0, "Right-Dentate": 1, "left dentate": 2}
    wanted = {0: 0, 2: 1, 1: 2}
    assert class_of_id(target({"left_dentate": 10, "right_dentate": 11}), ids) == wanted


def test_ids_count_where_only_the_names_differ():
    assert class_of_id(target({"pituitary": 1}), {"background": 0, "gland": 1}) == {0: 0, 1: 1}


def test_merged_labels_keep_all_their_ids_beside_a_name():
    named = {"background": 0, "anterior": 1, "posterior": 2}
    assert class_of_id(target({"hippocampus": [1, 2]}), named) == {0: 0, 1: 1, 2: 1}


def test_a_label_the_data_set_lacks_is_reported_with_what_it_has():
    with pytest.raises(DataError, match=r"no label stalk \(id 7\).*which has gland = 1"):
        class_of_id(target({"gland": 1, "stalk": 7}), {"gland": 1})


def test_an_id_for_two_labels_is_refused():
    with pytest.raises(DataError, match="id 1 for the labels gland and stalk"):
        class_of_id(target({"gland": 3, "stalk": 1}), {"gland": 1, "other": 3})


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, ">i2"])
def test_classes_are_bytes_whatever_the_file_held(dtype):
    array = np.array([[[0, 17], [53, 9]]]).astype(dtype)
    classes = to_classes(array, {0: 0, 9: 0, 17: 1, 53: 2})
    assert classes.tolist() == [[[0, 1], [2, 0]]]
    assert classes.dtype == np.uint8


@pytest.mark.parametrize("odd", [-3, 2**30])
def test_ids_outside_any_table_are_mapped_too(odd):
    assert to_classes(np.array([0, odd, 5]), {0: 0, odd: 1, 5: 2}).tolist() == [0, 1, 2]


def test_unknown_values_are_listed_with_case_and_file():
    message = r"c1: a\.nii: found label values 4, 7 that .* wanted 0 or one of 1"
    with pytest.raises(DataError, match=message):
        to_classes(np.array([0, 1, 7, 4]), {0: 0, 1: 1}, case_id="c1", file="a.nii")


def test_interpolated_masks_are_refused():
    with pytest.raises(DataError, match=r"label values 0\.5, wanted whole numbers"):
        to_classes(np.array([0, 0.5, 1]), {0: 0, 1: 1})


def test_an_empty_array_has_no_classes():
    assert to_classes(np.zeros((0, 2, 2), np.int16), {0: 0, 1: 1}).shape == (0, 2, 2)


def test_values_come_sorted_as_whole_numbers():
    assert label_values(np.array([3.0, 0.0, 3.0])).tolist() == [0, 3]


@pytest.mark.parametrize(("top", "dtype"), [(2, np.uint8), (1035, np.uint16)])
def test_files_get_the_first_id_in_the_smallest_type(top, dtype):
    ids = to_file_ids(np.array([0, 2, 1]), target({"a": 1, "b": [top, 7]}))
    assert ids.tolist() == [0, top, 1]
    assert ids.dtype == dtype


def test_classes_and_ids_are_inverse():
    study = target({"a": 5, "b": 300})
    classes = np.array([0, 1, 2], dtype=np.uint8)
    assert np.array_equal(to_classes(to_file_ids(classes, study), class_of_id(study)), classes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_near_whole_numbers_are_rounded_and_reported(dtype):
    array = np.array([0, 0.9999999, 1.9995, 2.001, 17], dtype=dtype)
    assert label_values(array).tolist() == [0, 1, 2, 17]
    assert to_classes(array, {0: 0, 1: 1, 2: 2, 17: 3}).tolist() == [0, 1, 2, 2, 3]
    (problem,) = rounded_labels(array, case_id="c1", file="a.nii")
    assert problem.level == "warning"
    assert problem.found == "label values up to 0.001 off whole numbers"
    assert rounded_labels(array.round()) == rounded_labels(np.array([1, 2])) == []


def test_values_further_off_are_refused_with_the_tolerance():
    with pytest.raises(
        DataError, match=r"label values 0\.998, wanted whole numbers .within 0\.001"
    ):
        to_classes(np.array([0, 0.998]), {0: 0, 1: 1})


def test_negative_and_huge_values_are_rounded_too():
    array = np.array([-0.0000001, -2.9999999, 2**30 + 0.0])
    assert to_classes(array, {0: 0, -3: 1, 2**30: 2}).tolist() == [0, 1, 2]


@pytest.mark.parametrize("folder", ["near1", "scl255"])
def test_real_label_maps_that_are_nearly_whole_are_read(cases_folder, folder):
    array = read_volume(cases_folder / "label_values" / folder / "m1.nii").array
    assert label_values(array).tolist() == [0, 1, 2]
    assert set(np.unique(to_classes(array, {0: 0, 1: 1, 2: 2}))) == {0, 1, 2}


def test_the_label_called_ignore_and_ignored_ids_are_one_past_the_last_class():
    one = target({"a": 1, "b": 2}, ignore_ids=[9])
    assert class_of_id(one) == {0: 0, 1: 1, 2: 2, 9: 3}
    named = {"background": 0, "a": 1, "b": 2, "ignore": 7}
    assert class_of_id(one, named) == {0: 0, 1: 1, 2: 2, 7: 3, 9: 3}


def test_a_data_set_that_names_nothing_but_ignore_leaves_the_targets_ids():
    assert class_of_id(target({"a": 1}), {"ignore": 2}) == {0: 0, 1: 1, 2: 2}


@pytest.mark.parametrize(
    ("labels", "background", "read_as"),
    [({"a": 1}, [3], "background"), ({"a": [1, 3]}, [], "a")],
)
def test_ignored_voxels_read_as_something_else_are_refused(labels, background, read_as):
    wanted = f"found id 3, whose voxels the data set ignores, read as {read_as}"
    with pytest.raises(DataError, match=wanted):
        class_of_id(target(labels, background_ids=background), {"a": 1, "ignore": 3})


def test_an_unknown_id_is_not_called_background_alone():
    with pytest.raises(DataError, match="to its ignore_ids where no rater labelled"):
        to_classes(np.array([0, 3]), {0: 0, 1: 1})


def test_all_other_ids_are_background_where_the_target_says_so():
    whole = target({"a": 31, "b": [32, 33]}, background_ids="others", ignore_ids=[9])
    array = np.array([0, 4, 9, 31, 32, 33, 207, -5])
    assert to_classes(array, class_of_id(whole)).tolist() == [0, 0, 3, 1, 2, 2, 0, 0]


def test_labels_beside_ignored_voxels_are_cut():
    classes = np.zeros((5, 3, 3), np.uint8)
    classes[0], classes[2], classes[3] = 1, 2, 3  # 3 is ignored, and 1 lies off it
    assert cut_labels(classes, target({"a": 1, "b": 2})) == ("b",)
    assert cut_labels(classes % 3, target({"a": 1, "b": 2})) == ()
