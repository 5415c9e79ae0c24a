"""How OpenMP's threads wait for each other, chosen when a command starts on a busy machine."""

import os

BUSY = 1.5  # runnable processes a core, as a mean over the last minute


def wait_policy(load: float, cores: int) -> str | None:
    """`PASSIVE` on a busy machine, where threads should sleep while they wait; else OpenMP's own.

    Threads that spin hold the core that the awaited one needs. On 2 cores beside 9 processes, a
    prediction's step took 2.8 to 4.5 s spinning and 0.5 to 0.75 s sleeping, a training's 4.0 to
    5.5 s and 1.5 to 1.7 s. On an idle machine sleeping made a training's step 16 to 23 % slower
    (0.135 s instead of 0.115 s), and beside two busy processes 20 % (0.52 s instead of 0.44 s).
    """
    return "PASSIVE" if load > BUSY * cores else None


def choose_wait_policy() -> None:
    """Set `OMP_WAIT_POLICY` by the machine's load, unless the user has; before torch is loaded."""
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has none
        return
    if policy := wait_policy(load, os.cpu_count() or 1):
        os.environ.setdefault("OMP_WAIT_POLICY", policy)
