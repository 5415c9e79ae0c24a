import math
import warnings

import numpy as np
import pytest

from neurotarget.stats.core.resample import draws
from neurotarget.stats.core.studentised import bootstrap_t


def ends(values):
    people = np.arange(len(values))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return bootstrap_t(np.array(values), people, draws(len(values), 0))


def test_values_that_hardly_vary_have_an_interval_or_none_but_never_an_overflow():
    """Draws of two values in equal parts have an SD whose error is what rounding leaves."""
    paired = [-16.0, -16.0, -15.36, -15.36, -14.719999999999999, -14.719999999999999]
    for values in (paired, [5.0] * 5 + [5.0 + 1e-9], [5.0] * 6, [5.0] * 4 + [5.1, 5.1 + 1e-12]):
        for low, high in ends(values).values():
            assert math.isnan(low) == math.isnan(high)
            assert math.isnan(low) or math.isfinite(high - low)


def test_values_that_vary_have_ends_about_their_sd():
    values = np.random.default_rng(0).normal(0, 2, 40)
    low, high = ends(values)["sd_difference"]
    assert low < values.std(ddof=1) < high
    assert (low, high) == pytest.approx((1.6, 2.8), rel=0.3)
