import math

import numpy as np
import pytest

from neurotarget.metrics.metric_units import UNITS, is_own
from neurotarget.metrics.own_metrics import OwnMetric, own_score, try_metrics
from neurotarget.problems import DataError

EMPTY = np.zeros((4, 4, 4), dtype=bool)
FULL = ~EMPTY


def scored(function, *masks):
    metric = OwnMetric(function)
    return own_score("mine", metric, *masks, spacing_mm=(1.0, 2.0, 3.0), where="p1, core")


def test_a_score_gets_whole_masks_and_the_spacing():
    def score(reference, predicted, spacing_mm):
        return reference.sum() + predicted.sum() + spacing_mm[2]

    assert scored(score, EMPTY, FULL) == 64 + 3


@pytest.mark.parametrize("masks", [(), (EMPTY, EMPTY)])
def test_nothing_to_score_is_undefined(masks):
    assert math.isnan(scored(lambda *_: 1.0, *masks))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_undefined(value):
    assert math.isnan(scored(lambda *_: value, FULL, FULL))


@pytest.mark.parametrize("function", [lambda *_: 1 / 0, lambda *_: "x", lambda *_: None])
def test_an_error_names_metric_and_case(function):
    with pytest.raises(DataError, match=r"metrics\.mine: found an error in p1, core .*Error"):
        scored(function, FULL, FULL)


@pytest.mark.parametrize("name", ["dice", "mean_t1", "reference_x", "a@b", "a b", ""])
def test_a_name_of_ours_is_refused(name):
    with pytest.raises(DataError, match="wanted a free name; rename the metric"):
        try_metrics({name: OwnMetric(lambda *_: 1.0)})


def test_metrics_of_this_program_are_not_own():
    assert not any(map(is_own, (*UNITS, "dice@b", "rater_dice@a@b", "reference_mean_qsm")))
    assert is_own("centre_distance_mm")
