import pytest

from neurotarget.runs.tracking.energy import EnergyMeter, Gpus, Processor


class Falling:
    """A source that gives what it is told, and then fails."""

    def __init__(self, *joules):
        self.left = list(joules)

    def joules(self):
        if not self.left:
            raise RuntimeError("driver is gone")
        return self.left.pop(0)


@pytest.fixture
def powercap(tmp_path):
    """Counters as Linux lays them out: two packages, a part of one, and the whole platform."""

    def write(folder, name, microjoules):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "name").write_text(f"{name}\n")
        (tmp_path / folder / "energy_uj").write_text(f"{microjoules}\n")
        (tmp_path / folder / "max_energy_range_uj").write_text("10000000\n")

    def read(first, second):
        write("intel-rapl:0", "package-0", first)
        write("intel-rapl:1", "package-1", second)
        write("intel-rapl:0:0", "core", 5 * first)
        write("intel-rapl:2", "psys", 7 * first)
        return tmp_path

    return read


def test_packages_are_summed_and_their_parts_left_out(powercap):
    cpu = Processor(powercap(1_000_000, 500_000))
    assert cpu.joules() == 0
    powercap(3_000_000, 750_000)
    assert cpu.joules() == pytest.approx(2.25)
    assert cpu.joules() == 0


def test_a_counter_that_begins_again_has_gone_on_to_its_range(powercap):
    cpu = Processor(powercap(9_000_000, 0))
    cpu.joules()
    powercap(500_000, 0)
    assert cpu.joules() == pytest.approx(1.5)


def test_a_machine_without_counters_has_no_energy(tmp_path):
    meter = EnergyMeter({"cpu": Processor(tmp_path)})
    meter.start()
    meter.read()
    assert (meter.watt_hours, meter.whose) == (None, "")


def test_counters_that_may_not_be_read_are_no_energy(powercap):
    root = powercap(1, 1)
    (root / "intel-rapl:1" / "energy_uj").unlink()
    meter = EnergyMeter({"cpu": Processor(root)})
    meter.start()
    assert (meter.watt_hours, meter.whose) == (None, "")


def test_energy_is_in_watt_hours_and_what_came_before_a_start_is_left_out(powercap):
    meter = EnergyMeter({"cpu": Processor(powercap(0, 0))})
    meter.start()
    powercap(3_600_000, 0)
    meter.read()
    powercap(5_000_000, 0)
    meter.start()
    powercap(5_000_000, 3_600_000)
    meter.read()
    assert meter.watt_hours == pytest.approx(0.002)
    assert meter.whose == "cpu"


def test_a_source_that_fails_on_the_way_is_left_out_as_a_whole():
    meter = EnergyMeter({"gpu": Falling(0, 5), "cpu": Falling(0, 1, 2)})
    meter.start()
    meter.read()
    assert meter.joules == {"gpu": 5, "cpu": 1}
    meter.read()
    assert meter.joules == {"cpu": 3}
    assert meter.whose == "cpu"


def test_what_an_earlier_sitting_could_not_read_is_incomplete():
    meter = EnergyMeter({"gpu": Falling(0, 5), "cpu": Falling(0, 1)})
    meter.go_on({"cpu": 10.0})
    meter.start()
    meter.read()
    assert meter.joules == {"cpu": 11}


def test_a_gpus_power_is_summed_over_time(monkeypatch):
    clock, power = iter([0.0, 10.0]), iter([100_000, 50_000, 300_000, 150_000])  # mW
    monkeypatch.setattr("neurotarget.runs.tracking.energy.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("torch.cuda.power_draw", lambda *_: next(power))
    gpus = Gpus([0, 1])
    assert gpus.joules() == 0
    assert gpus.joules() == pytest.approx(10 * (150 + 450) / 2)


def test_a_gpu_whose_driver_tells_nothing_has_no_energy():
    meter = EnergyMeter({"gpu": Gpus([99])})
    meter.start()
    assert meter.watt_hours is None
