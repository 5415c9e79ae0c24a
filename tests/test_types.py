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


def test_a_target_reads_claims_and_mappings_side_by_side():
    claims = {
        "sex": {"claim": "volume: F > M", "expected": 46, "source": "Chen 2017"},
        "age": "volume[a] ~ age: negative",
    }
    found = Target("gland", ["t1"], {"a": 1}, [1, 1, 1], [8, 8, 8], hypotheses=claims).hypotheses
    assert [(item.name, item.expected) for item in found] == [("sex", 46.0), ("age", None)]


def labelled(names, pairs=(), **more):
    labels = {name: number for number, name in enumerate(names, start=1)}
    return Target("brain", ["t1"], labels, [1] * 3, [8] * 3, pairs=pairs, **more)


def small(**more):
    return Target("dn", ["qsm"], {"l": 1, "r": 2}, [1, 1, 1], [8, 8, 8], **more)


def test_a_mean_is_only_asked_of_a_contrast_with_a_unit():
    claim = {"chi": "mean_qsm ~ age: positive"}
    assert small(hypotheses=claim, units={"qsm": "ppm"}).units == {"qsm": "ppm"}
    with pytest.raises(ValueError, match=r"asks about means of \['qsm'\], without a unit"):
        small(hypotheses=claim)


def test_units_are_those_of_its_contrasts():
    with pytest.raises(ValueError, match=r"gives units to \['t1'\], which are no contrasts"):
        small(units={"t1": "ppm"})


def test_only_pairs_can_be_parted():
    with pytest.raises(ValueError, match="needs pairs for sides: split"):
        small(sides="split")
    assert small(sides="split", pairs=[["l", "r"]]).sides == "split"


def test_a_published_score_is_of_a_known_kind():
    told = {"what": "dice", "label": "l", "value": 0.9, "source": "somebody"}
    assert small(published=[told]).published[0].part == "internal"
    with pytest.raises(ValueError, match="published: got 'jaccard' of 'internal', wanted one of"):
        small(published=[told | {"what": "jaccard"}])
    with pytest.raises(ValueError, match=r"names unknown labels \['x'\]"):
        small(published=[told | {"label": "x"}])


def test_one_label_has_no_regions():
    assert labelled(["a"]).regions == {}


def test_several_labels_have_a_total():
    assert labelled(["a", "b"]).regions == {"total": ("a", "b")}


def test_one_pair_is_the_total_already():
    assert labelled(["lh", "rh"], [("lh", "rh")]).regions == {"total": ("lh", "rh")}


def test_several_pairs_have_sides_and_a_sum_each():
    names = ["Left-Amygdala", "Right-Amygdala", "hippo_l", "hippo_r", "stem"]
    found = labelled(names, [tuple(names[:2]), tuple(names[2:4])]).regions
    assert found == {
        "left": ("Left-Amygdala", "hippo_l"),
        "right": ("Right-Amygdala", "hippo_r"),
        "Amygdala": ("Left-Amygdala", "Right-Amygdala"),
        "hippo": ("hippo_l", "hippo_r"),
        "total": tuple(names),
    }


def test_a_region_never_takes_the_name_of_a_label():
    names = ["left", "right", "Left-b", "Right-b", "b"]
    found = labelled(names, [("left", "right"), ("Left-b", "Right-b")]).regions
    assert set(found) == {"total"}


def test_a_hypothesis_may_name_a_region_and_nothing_else_that_is_no_label():
    claims = {"h": "volume[total]: F > M"}
    assert labelled(["a", "b"], hypotheses=claims).hypotheses[0].label == "total"
    with pytest.raises(ValueError, match=r"names unknown labels \['total'\]"):
        labelled(["a"], hypotheses=claims)


def test_ignored_ids_are_neither_labels_nor_background():
    known = ("gland", ["t1"], {"a": 1}, [1, 1, 1], [8, 8, 8])
    assert Target(*known, ignore_ids=3).ignore_ids == (3,)
    for more in ({"ignore_ids": [1]}, {"ignore_ids": [0]}):
        with pytest.raises(ValueError, match="which it also reads as labels or background"):
            Target(*known, **more)
    with pytest.raises(ValueError, match=r"ignores \[3\]"):
        Target(*known, background_ids=[3], ignore_ids=[3])
    with pytest.raises(ValueError, match="give its id as ignore_ids"):
        target(label="ignore")
