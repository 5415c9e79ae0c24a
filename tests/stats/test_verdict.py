import math

import numpy as np
import pytest
from scipy.stats import t
from statsmodels.stats.power import TTestIndPower

from neurotarget.stats.verdict import (
    NOT_ENOUGH,
    NOT_REPLICATED,
    REPLICATED,
    detectable,
    judge,
    power_to_find,
)

pytestmark = pytest.mark.filterwarnings("error")


def judged(low, high, *, sign=1, expected=math.nan, power=math.nan, unit="mm3"):
    return judge(low, high, sign=sign, expected=expected, power=power, least=92.4, unit=unit)


@pytest.mark.parametrize(
    ("low", "high", "sign", "word"),
    [
        (5, 90, 1, REPLICATED),
        (5, 90, 0, REPLICATED),
        (5, 90, -1, NOT_REPLICATED),
        (-90, -5, -1, REPLICATED),
        (-90, -5, 0, REPLICATED),
        (-90, -5, 1, NOT_REPLICATED),
    ],
)
def test_an_interval_without_0_is_judged_by_its_side(low, high, sign, word):
    found = judged(low, high, sign=sign, expected=500.0, power=0.1)  # neither counts any more
    assert found == (word, "" if word == REPLICATED else "the opposite is found")


def test_an_interval_that_touches_0_includes_it():
    assert judged(0.0, 90).word == NOT_REPLICATED


def test_a_small_cohort_that_holds_both_0_and_the_published_effect_is_not_enough():
    found = judged(-50, 120, expected=46.0, power=0.356)
    assert found.word == NOT_ENOUGH
    assert found.reason == "the power to find the expected effect of +46 mm³ was 35 %, wanted 80 %"


def test_with_the_power_to_find_it_it_is_not_replicated():
    found = judged(-40, 50, expected=46.0, power=0.8)
    assert found.word == NOT_REPLICATED
    assert found.reason == "the power to find the expected effect of +46 mm³ was 80 %"


def test_an_interval_without_the_published_effect_speaks_against_it_whatever_the_power():
    found = judged(-2.7, 3.4, sign=-1, expected=-3.3, power=0.57, unit="mm3/year")
    assert found.word == NOT_REPLICATED
    assert found.reason == "the interval excludes the expected effect of −3.3 mm³/year"


def test_where_nothing_is_published_the_detectable_effect_is_told():
    assert judged(-50, 120) == (NOT_REPLICATED, "with 80 % power it would find 92.4 mm³ or more")


@pytest.mark.parametrize(("gap", "n"), [(0.0, 10), (0.5, 64), (0.8, 26), (1.5, 30)])
def test_power_is_that_of_statsmodels_t_test(gap, n):
    ours = power_to_find(gap, np.sqrt(2 / n), 2 * n - 2)
    assert ours == pytest.approx(TTestIndPower().power(gap, n, 0.05), abs=1e-6)
    assert power_to_find(-gap, np.sqrt(2 / n), 2 * n - 2) == ours


def test_64_a_group_find_half_an_sd_four_times_of_five():
    # Cohen 1988, table 2.4.1: n = 64 for d = 0.5 at 80 % power, two-sided 5 %
    assert power_to_find(0.5, np.sqrt(2 / 64), 126) == pytest.approx(0.80, abs=0.005)


@pytest.mark.parametrize("freedom", [1.2, 3, 30, 1000])
def test_power_grows_from_5_percent_to_1_without_a_hole(freedom):
    found = [power_to_find(effect, 1.0, freedom) for effect in np.geomspace(1e-3, 1e6, 200)]
    assert found[0] == pytest.approx(0.05, abs=1e-3)
    assert found[-1] == pytest.approx(1)
    assert (np.diff(found) >= -1e-6).all()
    assert math.isnan(power_to_find(math.nan, 1.0, freedom))


def test_the_detectable_effect_has_80_percent_power():
    assert detectable(2.0, 60) == pytest.approx(2 * (t.ppf(0.975, 60) + t.ppf(0.8, 60)))
    assert power_to_find(detectable(2.0, 60), 2.0, 60) == pytest.approx(0.8, abs=0.005)
