import numpy as np
import pytest
from patsy import dmatrix

from neurotarget.stats.core.spline import knots, natural_spline

AGES = np.random.default_rng(0).uniform(20, 80, 50)


def test_four_knots_stand_at_harrells_quantiles():
    assert knots(np.arange(101.0)) == pytest.approx([5, 35, 65, 95])


def test_the_basis_spans_the_natural_splines_of_patsy():
    at = knots(AGES)
    inside = np.linspace(at[0], at[-1], 30)  # beyond its bounds patsy has no word of lines
    ours = np.column_stack([np.ones(30), natural_spline(inside, at)])
    theirs = np.asarray(
        dmatrix(
            "cr(x, knots=inner, lower_bound=low, upper_bound=high) - 1",
            {"x": inside, "inner": at[1:-1], "low": at[0], "high": at[-1]},
        )
    )
    again = ours @ np.linalg.lstsq(ours, theirs, rcond=None)[0]
    assert again == pytest.approx(theirs, abs=1e-9)


def test_beyond_the_outer_knots_it_is_straight():
    at = knots(AGES)
    for outside in (np.linspace(0, at[0], 5), np.linspace(at[-1], 120, 5)):
        assert np.diff(natural_spline(outside, at), n=2, axis=0) == pytest.approx(0, abs=1e-9)


def test_tied_values_share_a_knot_and_two_knots_are_a_line():
    tied = np.repeat([30.0, 60.0], 10)
    assert knots(tied) == pytest.approx([30, 60])
    assert natural_spline(tied, knots(tied)).tolist() == tied[:, None].tolist()
    assert knots(np.empty(0)).size == 0
