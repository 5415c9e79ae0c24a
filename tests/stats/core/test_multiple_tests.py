import gc
import math

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from neurotarget.stats.core.multiple_tests import corrected


@pytest.mark.parametrize("method", ["holm", "fdr_bh"])
@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_p_values_are_those_of_statsmodels(method, n):
    p = np.random.default_rng(n).uniform(0, 0.3, n).round(2)  # some are equal
    np.testing.assert_array_equal(corrected(p, method), multipletests(p, method=method)[1])


@pytest.mark.parametrize("method", ["holm", "fdr_bh"])
def test_unknown_p_values_stay_unknown_and_are_not_counted(method):
    found = corrected(np.array([math.nan, 0.02, math.nan, 0.01]), method)
    np.testing.assert_allclose(found, [math.nan, 0.02, math.nan, 0.02])
    assert np.isnan(corrected(np.full(3, math.nan), method)).all()
    assert corrected(np.empty(0), method).size == 0


def test_the_garbage_of_the_process_is_left_alone():
    """To collect it, as statsmodels does, takes longer than a table of the study."""
    seen = []

    def note(phase, _):
        seen.append(phase)

    gc.disable()
    gc.callbacks.append(note)
    try:
        corrected(np.array([0.01, 0.04]))
    finally:
        gc.callbacks.remove(note)
        gc.enable()
    assert not seen
