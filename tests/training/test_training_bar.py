import pytest

from neurotarget.training.training_bar import Pace, duration


def test_time_left_follows_the_pace_of_the_last_minutes():
    pace = Pace(window_s=60)
    for second in range(101):  # 1 % a second, then the machine becomes four times slower
        pace.add(min(second, 20) / 100 + max(second - 20, 0) / 400, float(second))
    # 40 % are done after 100 s, and the last minute did 15 %
    assert pace.left_s() == pytest.approx(60 * 60 / 15)


def test_no_time_is_estimated_before_there_is_a_pace():
    pace = Pace()
    assert pace.left_s() is None
    pace.add(0.5, 0.0)
    pace.add(0.5, 10.0)
    assert pace.left_s() is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "5 s"),
        (41, "40 s"),
        (57, "55 s"),
        (58, "1 minute"),
        (90, "2 minutes"),
        (535, "9 minutes"),
        (3570, "1 h"),
        (7900, "2 h 10 min"),
    ],
)
def test_durations_are_rounded_as_people_say_them(seconds, text):
    assert duration(seconds) == text
