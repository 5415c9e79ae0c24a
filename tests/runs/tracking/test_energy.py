import pytest

from neurotarget.runs.tracking.energy import EnergyMeter


@pytest.fixture
def readings(monkeypatch):
    """Times in s and powers in W that the clock and the driver give."""

    def replace(*pairs):
        clock, power = iter([time for time, _ in pairs]), iter([watts for _, watts in pairs])
        monkeypatch.setattr("neurotarget.runs.tracking.energy.time.monotonic", lambda: next(clock))
        # the second GPU draws half of the first
        both = iter([1000 * watts / share for watts in power for share in (1.5, 3)])
        monkeypatch.setattr("torch.cuda.power_draw", lambda *_: next(both))

    return replace


def test_the_power_of_gpus_is_summed_over_time(readings):
    readings((0, 150), (10, 450))
    meter = EnergyMeter([0, 1])
    meter.start()
    meter.read()
    assert meter.joules == pytest.approx(10 * (150 + 450) / 2)
    assert meter.watt_hours == pytest.approx(3000 / 3600)


def test_energy_before_a_start_is_left_out(readings):
    readings((0, 100), (10, 100), (1000, 100), (1010, 100))
    meter = EnergyMeter([0, 1])
    for step in (meter.start, meter.read, meter.start, meter.read):
        step()
    assert meter.joules == pytest.approx(2000)


def test_a_driver_that_fails_on_the_way_leaves_no_energy(readings):
    readings((0, 100), (10, 100))
    meter = EnergyMeter([0, 1])
    meter.start()
    meter.read()
    meter.read()
    assert meter.watt_hours is None


@pytest.mark.parametrize(("before", "joules"), [(10.0, 1010.0), (None, None)])
def test_a_resumed_run_adds_what_it_used_before(readings, before, joules):
    readings((0, 100), (10, 100))
    meter = EnergyMeter([0, 1])
    meter.resume(before)
    meter.start()
    meter.read()
    assert meter.joules == (None if joules is None else pytest.approx(joules))


@pytest.mark.parametrize("devices", [[], [99]])
def test_without_gpus_or_a_driver_there_is_no_energy(devices):
    meter = EnergyMeter(devices)
    meter.start()
    meter.read()
    assert meter.watt_hours is None
