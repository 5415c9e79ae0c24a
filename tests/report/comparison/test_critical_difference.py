from dataclasses import replace

import numpy as np
import pytest

from neurotarget.report.comparison.critical_difference import (
    critical_difference_figure,
    groups,
    ranked,
)
from oracles.comparisons import a_comparison


def with_ranks(comparison, **columns):
    ranks = comparison.tables["ranks"]
    ranks = ranks[ranks["label"] == "mean"].assign(**columns)
    return replace(comparison, tables={**comparison.tables, "ranks": ranks})


def places_of(figure):
    """Where the lines of the arms leave the axis."""
    lines = [line.get_xdata() for line in figure.axes[0].lines if line.get_marker() == "None"]
    return sorted(ends[0] for ends in lines if len(ends) == 3 and ends[0] == ends[1])


@pytest.fixture
def three():
    return a_comparison(["a", "b", "c"])


def test_bars_join_the_arms_of_a_letter(three):
    found = ranked(with_ranks(three, mean_rank=[1.2, 1.9, 2.9], group=["a", "ab", "b"]))
    assert groups(found) == [[1.2, 1.9], [1.9, 2.9]]


def test_an_arm_of_another_group_in_the_midst_has_no_dot(three):
    found = ranked(with_ranks(three, mean_rank=[1.2, 1.9, 2.9], group=["a", "b", "a"]))
    assert groups(found) == [[1.2, 2.9]]  # the second arm shares no letter


def test_letters_beyond_z_have_numbers(three):
    found = ranked(with_ranks(three, mean_rank=[1.2, 1.9, 2.9], group=["aa1", "a1", "a"]))
    assert groups(found) == [[1.2, 2.9], [1.2, 1.9]]


def test_arms_stand_at_their_ranks(three):
    figure = critical_difference_figure(with_ranks(three, mean_rank=[1.0, 2.0, 3.0]))
    low, middle, high = places_of(figure)
    assert middle - low == pytest.approx(high - middle)


def test_the_critical_difference_has_the_scale_of_the_axis(three, texts):
    figure = critical_difference_figure(
        with_ranks(three, mean_rank=[1.0, 2.0, 3.0], critical_difference=1.0)
    )
    assert "critical difference 1.00" in texts(figure)
    bar = next(line for line in figure.axes[0].lines if set(line.get_ydata()) == {0.36})
    low, middle, _ = places_of(figure)
    assert np.ptp(bar.get_xdata()) == pytest.approx(middle - low)


def test_a_difference_wider_than_the_axis_is_written_as_text(three, texts):
    figure = critical_difference_figure(with_ranks(three, critical_difference=9.0))
    assert any("more than all ranks" in text for text in texts(figure))


def test_without_two_ranks_there_is_no_diagram(three):
    assert critical_difference_figure(with_ranks(three, mean_rank=[1.0, np.nan, np.nan])) is None


def test_of_two_arms_friedmans_test_is_not_mentioned(texts):
    comparison = with_ranks(a_comparison(["a", "b"]), friedman_p=np.nan)
    assert not any("Friedman" in text for text in texts(critical_difference_figure(comparison)))
