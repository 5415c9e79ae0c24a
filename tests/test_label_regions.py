from dataclasses import replace

import pytest

from neurotarget.data.sides.pairs import as_trained
from neurotarget.types import Target


def tumour(**more):
    labels = {"necrosis": 1, "edema": 2, "enhancing": [4, 3]}
    return Target("tumour", ["t1", "t1ce"], labels, [1] * 3, [8] * 3, **more)


REGIONS = {"whole": [1, 2, 4], "core": ["enhancing", "necrosis"], "enhancing": 3}


def test_regions_are_labels_in_the_order_of_the_target():
    found = tumour(regions=REGIONS)
    assert found.regions["whole"] == ("necrosis", "edema", "enhancing")
    assert found.regions["core"] == ("necrosis", "enhancing")
    assert found.regions["enhancing"] == ("enhancing",)
    assert list(found.all_regions) == ["whole", "core", "total"]  # enhancing is a label
    assert replace(found, question="?").regions == found.regions


def test_questions_may_be_about_a_region():
    asks = {"age": "volume[core] ~ age: positive"}
    assert tumour(regions=REGIONS, hypotheses=asks).hypotheses[0].label == "core"
    with pytest.raises(ValueError, match=r"names unknown labels \['rim'\]"):
        tumour(regions=REGIONS, hypotheses={"age": "volume[rim] ~ age: positive"})


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ({"whole": [1, 5]}, r"regions: found \['5'\], which are no labels"),
        ({"edema": [1, 2]}, r"regions: found \['edema'\], which are names of other labels"),
        ({"total": [1]}, r"regions: found \['total'\], which are names of other labels"),
        ({"whole": []}, r"regions: found \['whole'\] without labels"),
        ({"a/b": [1]}, "needs names of letters"),
        ([1], "regions: found .*, wanted a mapping of names"),
    ],
)
def test_other_regions_are_refused(regions, message):
    with pytest.raises(ValueError, match=message):
        tumour(regions=regions)


def test_merged_sides_have_no_regions():
    sides = Target(
        "two", ["t1"], {"l": 1, "r": 2, "m": 3}, [1] * 3, [8] * 3, pairs=[["l", "r"]],
        sides="split", regions={"both": ["l", "m"]},
    )  # fmt: skip
    assert as_trained(sides).regions == {}


def test_derived_contrasts_are_sums_of_those_of_files():
    found = tumour(derived={"subtraction": "t1ce - t1"})
    assert found.channels == ("t1", "t1ce", "subtraction")
    assert found.contrasts == ("t1", "t1ce")
    with pytest.raises(ValueError, match=r"derived: found \['t2'\], wanted sums of t1, t1ce"):
        tumour(derived={"subtraction": "t2 - t1"})
    with pytest.raises(ValueError, match=r"derived: found \['t1'\], which are other columns"):
        tumour(derived={"t1": "t1ce - t1"})
    with pytest.raises(ValueError, match="derived: sub: found 't1ce /', wanted sums"):
        tumour(derived={"sub": "t1ce /"})
