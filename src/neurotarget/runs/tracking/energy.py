"""Energy used by CPU and GPU over a period, if the machine reports it."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch

POWERCAP = Path("/sys/class/powercap")
RANGE = "max_energy_range_uj"
MICRO, MILLI = 1e-6, 1e-3


class Source(Protocol):
    """A device whose energy can be read."""

    def joules(self) -> float:
        """Energy in J since the previous call; 0 for the first.

        Raises:
            Exception: it cannot be read on this machine.
        """


class Processor:
    """All CPU packages of the machine, by the counters that Linux exposes for Intel and AMD (RAPL).

    They count the energy of all programs, and overflow after minutes to hours, so they must be read
    repeatedly. Most systems allow only the administrator to read them.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        self.folders = [  # without parts of a package (intel-rapl:0:1), which it includes
            folder
            for folder in sorted(root.glob("intel-rapl:*"))
            if folder.name.count(":") == 1 and _text(folder / "name").startswith("package")
        ]
        self._before: list[int] = []

    def joules(self) -> float:
        """Energy in J since the previous call; 0 for the first.

        Raises:
            OSError: there are no counters, or they may not be read.
        """
        if not self.folders:
            raise FileNotFoundError("no counters of a processor's energy")
        now = [int(_text(folder / "energy_uj")) for folder in self.folders]
        before, self._before = self._before or now, now
        steps = zip(self.folders, before, now, strict=True)
        return MICRO * sum(_risen(folder, first, last) for folder, first, last in steps)


class Gpus:
    """GPUs, by the driver's power reading: mean of two readings times the time between them.

    Needs the package nvidia-ml-py.
    """

    def __init__(self, devices: Sequence[int]) -> None:
        self.devices = list(devices)
        self._before: tuple[float, float] | None = None  # seconds, watts

    def joules(self) -> float:
        """Energy in J since the previous call; 0 for the first.

        Raises:
            Exception: the driver does not report it.
        """
        watts = MILLI * sum(torch.cuda.power_draw(device) for device in self.devices)
        now = time.monotonic(), watts
        before, self._before = self._before or now, now
        return (now[0] - before[0]) * (now[1] + before[1]) / 2


class EnergyMeter:
    """Sum of the energy of all sources that can be read."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self.sources = dict(sources)
        self.joules = dict.fromkeys(self.sources, 0.0)  # only of sources that never failed

    def start(self) -> None:
        """Start counting; energy since the last reading is left out."""
        for name in list(self.joules):
            self._read(name)

    def read(self) -> None:
        """Add the energy since the last reading."""
        for name in list(self.joules):
            used = self._read(name)
            if name in self.joules:
                self.joules[name] += used

    def go_on(self, joules: Mapping[str, float]) -> None:
        """Add the energy of the run before it was resumed; sources missing there are dropped."""
        self.joules = {name: float(joules[name]) for name in self.joules if name in joules}

    @property
    def watt_hours(self) -> float | None:
        """Sum over the sources; None if there is none."""
        return sum(self.joules.values()) / 3600 if self.joules else None

    @property
    def whose(self) -> str:
        """Names of the sources, such as `cpu+gpu`; "" if there is none."""
        return "+".join(sorted(self.joules))

    def _read(self, name: str) -> float:
        try:
            return self.sources[name].joules()
        except Exception:  # drivers have their own errors; a sum with gaps would be too small
            self.joules.pop(name, None)
            return 0.0


def _risen(folder: Path, before: int, now: int) -> int:
    """Microjoules between two readings of a counter that overflows at its range."""
    return now - before if now >= before else now - before + int(_text(folder / RANGE))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()
