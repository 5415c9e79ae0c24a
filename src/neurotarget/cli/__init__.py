"""Entry points: the only readers of configs, argv and the clock."""

import os

# Threads that wait for each other sleep, where OpenMP lets them spin for the core that the awaited
# one needs: with 9 processes on 2 cores, a prediction's step took 2.8 to 4.5 s spinning, 0.5 to
# 0.75 s sleeping and 0.5 to 0.6 s on one thread; a training's 4.0 to 5.5 s, 1.5 to 1.7 s and 1.4 to
# 1.65 s. It is read when torch is loaded, which every module of this room does.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
