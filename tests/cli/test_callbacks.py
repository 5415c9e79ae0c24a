import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from neurotarget.cli.callbacks import BestScores, RandomState, WholeCheckpoints


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


def test_checkpoint_replaces_the_old_one_only_when_it_is_whole(tmp_path):
    path = tmp_path / "weights" / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"step": 1}, path)
    with pytest.raises(AttributeError, match="local"):
        WholeCheckpoints().save_checkpoint({"step": lambda: 2}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}


@pytest.mark.parametrize(
    ("monitor", "mode", "kept"),
    [("val/dice_mean", "max", (0.7, 0.9)), ("val/loss", "min", (0.5, 0.2))],
)
def test_scores_are_those_of_the_best_validation(monitor, mode, kept):
    best = BestScores(monitor, mode=mode)
    for dice, loss in [(math.nan, math.nan), (0.7, 0.9), (0.5, 0.2), (math.nan, math.nan)]:
        logged = {"val/dice_mean": dice, "val/loss": loss, "train/loss": 3.0}
        best.on_validation_end(
            SimpleNamespace(sanity_checking=False, callback_metrics=logged), None
        )
    again = BestScores(monitor, mode=mode)
    again.load_state_dict(best.state_dict())
    assert again.values == dict(zip(("val/dice_mean", "val/loss"), kept, strict=True))
