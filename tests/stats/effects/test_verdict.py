import math

import numpy as np
import pytest
from scipy.stats import t
from statsmodels.stats.power import TTestIndPower

from neurotarget.stats.effects.verdict import (
    ABSENT,
    INCONCLUSIVE,
    OPPOSITE,
    SHOWN,
    SMALLER,
    Interval,
    detectable,
    judge,
    power_to_find,
)

pytestmark = pytest.mark.filterwarnings("error")


def judged(estimate, half, *, sign=1, expected=math.nan, matters=math.nan, share=1.0, unit="mm3"):
    """The verdict on an interval of a large sample, whose half width at 95 % is given."""
    return judge(
        Interval.of(estimate, half / 1.959964, 1e9),
        sign=sign,
        expected=expected,
        matters=matters,
        power=0.356,
        least=92.4,
        unit=unit,
        share=share,
    )


@pytest.mark.parametrize(
    ("estimate", "sign", "word"),
    [
        *[(50, 1, SHOWN), (50, 0, SHOWN), (50, -1, OPPOSITE)],
        *[(-50, -1, SHOWN), (-50, 0, SHOWN), (-50, 1, OPPOSITE)],
    ],
)
def test_an_interval_without_0_is_judged_by_its_side(estimate, sign, word):
    assert judged(estimate, 40, sign=sign) == (word, "")


def test_an_interval_that_touches_0_includes_it():
    ends = Interval(0.0, 90.0, 7.0, 83.0)
    found = judge(
        ends, sign=1, expected=math.nan, matters=math.nan, power=math.nan, least=92.4, unit="mm3"
    )
    assert found == (INCONCLUSIVE, "these data would show an effect of 92.4 mm³ with 80 % power")


def test_without_a_smallest_effect_of_interest_nothing_is_absent():
    assert judged(0, 0.001).kind == INCONCLUSIVE


def test_an_interval_of_two_one_sided_tests_within_what_matters_is_absent():
    # 1.96 to 1.645: a half width of 20 at 95 % is one of 16.8 at 90 %
    assert judged(0, 20, matters=17).kind == ABSENT
    assert judged(0, 20, matters=16.7).kind == INCONCLUSIVE
    assert judged(-1, 20, matters=17).kind == INCONCLUSIVE
    assert judged(0, 20, matters=17).reason == (
        "the 90 % interval [−16.8, 16.8] lies within the smallest effect of interest, 17 mm³"
    )


def test_what_is_shown_but_does_not_matter_says_so():
    found = judged(5, 4, matters=23)
    assert found == (SHOWN, "it lies within the smallest effect of interest, 23 mm³")


def test_direction_and_size_are_judged_apart():
    # −0.84 [−1.18, −0.50] where −8 is published
    found = judged(-0.84, 0.34, sign=-1, expected=-8.0, unit="mm3/year")
    assert found == (SMALLER, "the interval excludes the published −8 mm³ per year")
    assert judged(-6, 2.5, sign=-1, expected=-8.0) == (SHOWN, "")
    assert judged(-16, 2.5, sign=-1, expected=-8.0).reason == "larger than the published −8 mm³"
    assert judged(6, 2.5, sign=0, expected=-8.0) == (
        SHOWN,
        "the published −8 mm³ points the other way",
    )


def test_a_published_effect_that_the_data_exclude_is_named():
    found = judged(0.3, 3.05, sign=-1, expected=-3.3, matters=1.65, unit="mm3/year")
    assert found.kind == INCONCLUSIVE
    assert found.reason.startswith(
        "the interval excludes the published −3.3 mm³ per year; the power "
    )
    found = judged(35, 85, expected=46.0, matters=23)
    assert found == (
        INCONCLUSIVE,
        "the power to find the published +46 mm³ was 35 %; these data would show an effect of "
        "92.4 mm³ with 80 % power",
    )


def test_volumes_that_show_a_share_of_an_effect_are_held_against_that_share():
    assert judged(0, 20, matters=17, share=0.6).kind == INCONCLUSIVE
    assert judged(0, 20, matters=30, share=0.6).kind == ABSENT
    assert judged(25, 10, expected=46.0).kind == SMALLER
    assert judged(25, 10, expected=46.0, share=0.6) == (SHOWN, "")


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
