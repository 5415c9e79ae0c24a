import time

from neurotarget.training.resources.step_probe import mean_seconds


def test_a_first_call_that_warms_up_is_not_counted():
    calls = []

    def step():
        calls.append(1)
        time.sleep(0.5 if len(calls) == 1 else 0.01)

    assert mean_seconds(step, least_s=0.05, most_s=9.0) < 0.25
    assert len(calls) > 2


def test_a_slow_step_is_timed_once():
    calls = []

    def step():
        calls.append(1)
        time.sleep(0.05)

    assert mean_seconds(step, least_s=1.0, most_s=0.01) >= 0.05
    assert len(calls) == 1
