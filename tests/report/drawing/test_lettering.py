import math

import numpy as np
import pytest

from neurotarget.number_text import digits_for, number
from neurotarget.report.drawing.lettering import fitted, plain, wide_inch
from neurotarget.report.text.numbers import estimate, tick_text


def test_a_text_that_fits_is_kept():
    assert fitted("left hippocampus", 2, 9) == "left hippocampus"


@pytest.mark.parametrize("text", ["ctx-lh-caudalanteriorcingulate", "W" * 5000, "iii iii " * 40])
def test_a_text_that_is_too_wide_keeps_its_ends(text):
    short = fitted(text, 1, 9)
    assert wide_inch([short], 9) <= 1
    head, tail = short.split("…")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert wide_inch([short + "W"], 9) > 0.9  # no more is left out than must be


def test_lines_and_control_characters_become_one_line():
    assert plain("a\n b\tc\x00d") == "a b c\ufffdd"


def test_an_estimate_has_equal_decimals_by_its_largest_number():
    row = {"value": -11.63, "low": -17.7, "high": -5.492}
    assert estimate(row) == "−11.6 [−17.7, −5.5]"
    assert estimate(row | {"value": 137.2}, sign=True) == "+137 [−18, −5]"


def test_without_an_interval_there_are_no_brackets():
    assert estimate({"value": 1.5, "low": math.nan, "high": 2.0}) == "1.50"
    assert estimate(dict.fromkeys(("value", "low", "high"), math.nan)) == "–"


@pytest.mark.parametrize(
    ("value", "count"), [(0, 0), (250, 0), (25, 1), (2.5, 2), (0.25, 3), (0.025, 3), (np.nan, 0)]
)
def test_decimals_follow_the_size(value, count):
    assert digits_for(value) == count


def test_minus_is_a_minus():
    assert number(-1.5, 1) == tick_text(-1.5) == "−1.5"


def test_tick_text_are_set_apart_from_ten_thousand_on():
    assert (tick_text(9999), tick_text(-12000)) == ("9999", "−12\u202f000")
