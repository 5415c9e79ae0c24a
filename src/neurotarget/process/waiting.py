"""Choose the wait policy of OpenMP's threads by the load of the machine at start."""

import os

BUSY = 1.5  # runnable processes per core, mean over the last minute


def wait_policy(load: float, cores: int) -> str | None:
    """Return `PASSIVE` (waiting threads sleep) on a busy machine; else None, OpenMP's default.

    Spinning threads hold the core that the awaited thread needs. On 2 cores with 9 other processes,
    a prediction step took 2.8 to 4.5 s spinning and 0.5 to 0.75 s sleeping, a training step 4.0 to
    5.5 s and 1.5 to 1.7 s. On an idle machine sleeping made a training step 16 to 23 % slower
    (0.135 s instead of 0.115 s), and with two busy processes 20 % (0.52 s instead of 0.44 s).
    """
    return "PASSIVE" if load > BUSY * cores else None


def choose_wait_policy() -> None:
    """Set `OMP_WAIT_POLICY` by the load, unless the user has; call it before importing torch.

    Child processes inherit it. A system without load averages keeps the default of OpenMP.
    """
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has no load average
        return
    if policy := wait_policy(load, os.cpu_count() or 1):
        os.environ.setdefault("OMP_WAIT_POLICY", policy)
