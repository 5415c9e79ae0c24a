"""Energy used by GPUs over a period, if their driver reports it."""

import time
from collections.abc import Sequence

import torch


class EnergyMeter:
    """Energy of some GPUs: the mean of two readings of the driver's power times the time between.

    Needs the package nvidia-ml-py. `joules` is None without GPUs, or once a reading has failed, as
    a sum with gaps would be too small.

    Args:
        devices: CUDA's numbers of the GPUs; empty measures nothing.
    """

    def __init__(self, devices: Sequence[int] = (), *, joules: float | None = None) -> None:
        """Measure GPUs by their numbers; `joules` is the energy of a run before it stopped."""
        self.devices = list(devices)
        self.joules = 0.0 if self.devices and joules is None else joules
        self._before = (0.0, 0.0)  # seconds, watts

    def start(self) -> None:
        """Start counting; energy since the last reading is left out."""
        self._read()

    def read(self) -> None:
        """Add the energy since the last reading."""
        before, now = self._before, self._read()
        if self.joules is not None:
            self.joules += (now[0] - before[0]) * (now[1] + before[1]) / 2

    def resume(self, joules: float | None) -> None:
        """Add the energy of the run before it was resumed; None makes the sum unknown."""
        self.joules = None if joules is None or self.joules is None else self.joules + joules

    @property
    def watt_hours(self) -> float | None:
        """Energy in Wh; None if unknown."""
        return None if self.joules is None else self.joules / 3600

    def _read(self) -> tuple[float, float]:
        """Current time in s and power in W."""
        if self.joules is not None:
            try:
                watts = sum(torch.cuda.power_draw(device) for device in self.devices) / 1000
                self._before = time.monotonic(), watts
            except Exception:  # drivers have their own errors
                self.joules = None
        return self._before
