import pytest

from neurotarget.data.reading_results import named_labels
from neurotarget.problems import nearest, some


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ({"0": "background", "1": "A"}, {"background": 0, "A": 1}),
        ({"background": 0, "a": 1}, {"background": 0, "a": 1}),
        ({"a": [3]}, {"a": 3}),
        ({"whole": [1, 2], "core": 2}, None),
        (["a", "b"], None),
        ({}, None),
    ],
)
def test_label_names_of_both_habits_are_read(labels, named):
    assert named_labels(labels) == named


def test_the_nearest_word_is_found_in_any_case():
    assert nearest("LABLE", ["Label", "split"]) == "Label"
    assert nearest("zzz", ["label"]) is None


def test_long_lists_are_cut_and_counted():
    assert some(range(3)) == "0, 1, 2"
    assert some(range(5), most=2) == "0, 1, … (5 in all)"
    assert some([]) == "none"
