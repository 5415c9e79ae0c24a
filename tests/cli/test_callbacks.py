import random

import numpy as np
import torch

from neurotarget.cli.callbacks import RandomState, Stopwatch


def draw():
    return random.random(), float(np.random.random()), float(torch.rand(1))  # noqa: NPY002


def test_random_state_goes_on_where_it_was(tmp_path):
    torch.save(RandomState().state_dict(), tmp_path / "state")
    expected = draw()
    draw()
    again = RandomState()
    again.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    again.on_train_start(None, None)
    assert draw() == expected


def test_stopwatch_counts_over_sittings():
    watch = Stopwatch()
    watch.load_state_dict({"seconds": 100.0})
    watch.on_train_start(None, None)
    watch.on_train_end(None, None)
    assert 100 <= watch.seconds < 101
    assert watch.state_dict()["seconds"] == watch.seconds
