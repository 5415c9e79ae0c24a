import pytest

from neurotarget.types import Target


def target(name="gland", label="a"):
    return Target(name, ["t1"], {label: 1}, [1, 1, 1], [8, 8, 8])


@pytest.mark.parametrize(
    "name", ["x/../../escaped", "..", ".hidden", "", "left side", "a\n", "a\\b"]
)
def test_names_that_cannot_be_part_of_a_file_name_are_refused(name):
    told = "needs names of letters, digits, _, - and ., with no . in front"
    with pytest.raises(ValueError, match=told):
        target(label=name)
    with pytest.raises(ValueError, match=told):
        target(name=name)


def test_words_of_any_script_are_names():
    assert target("gland-2.1", "Hypophyse_ü").label_names == ("Hypophyse_ü",)


def test_no_label_is_called_as_the_sum_of_all():
    with pytest.raises(ValueError, match=r"names a label total.*mend conf/target"):
        target(label="total")
