"""The explicit choice of the score of a whole film."""

import pytest

from neurotarget.image_score import ImageScore, image_score
from neurotarget.problems import DataError
from neurotarget.types import Target

FILM = {"name": "air", "contrasts": ("film",), "spacing_px": (1, 1), "patch_vox": (8, 8)}
FINDING = {"finding": {"kind": "binary", "classes": ["absent", "air"]}}


def test_a_target_takes_the_fields_of_a_score():
    rule = {"by": "triplet", "least_area_px": 9}
    target = Target(**FILM, labels={"air": (1,)}, outcomes=FINDING, image_score=rule)
    assert target.image_score == ImageScore("triplet", least_area_px=9)
    assert image_score(None) is None


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"by": "mean"}, "wanted maximum, top_k, triplet"),
        ({"top_k_px": 0}, "wanted a whole number of pixels from 1"),
        ({"top_score": 1.0}, "wanted a number between 0 and 1"),
        ({"by": "triplet", "top_score": 0.2}, "bottom_score: found 0.3, wanted at most"),
        ({"k": 3}, "wanted null or some of by, top_k_px"),
    ],
)
def test_wrong_fields_are_refused(fields, wanted):
    with pytest.raises(DataError, match=wanted):
        Target(**FILM, labels={"air": (1,)}, outcomes=FINDING, image_score=fields)


def test_a_score_needs_pictures_one_label_and_one_binary_outcome():
    with pytest.raises(DataError, match="wanted it with pictures, one label and one binary"):
        Target(**FILM, labels={"air": (1,)}, image_score={})
    with pytest.raises(DataError, match="wanted it with pictures, one label and one binary"):
        Target(**FILM, labels={"a": (1,), "b": (2,)}, outcomes=FINDING, image_score={})
