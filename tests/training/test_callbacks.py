import math
import random
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from neurotarget.training.callbacks import (
    BestScores,
    Checkpoint,
    Loading,
    RandomState,
    WholeCheckpoints,
)


def draw():
    return random.random(), float(np.random.random()), float(torch.rand(1))  # noqa: NPY002


def test_random_state_continues_where_it_was(tmp_path):
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


def best_of(folder, *, score=None):
    """The record of the best weights in a folder, where `score` says that they were saved."""
    best = Checkpoint(folder, "best", monitor="val/dice_mean", mode="max")
    if score is not None:
        path = folder / "best.ckpt"
        path.write_text("")
        best.best_k_models = {str(path): torch.tensor(score)}
        best.kth_best_model_path = best.best_model_path = str(path)
        best.best_model_score = best.kth_value = torch.tensor(score)
    return best


def is_better(best, score):
    trainer = SimpleNamespace(strategy=SimpleNamespace(reduce_boolean_decision=bool))
    return best.check_monitor_top_k(trainer, torch.tensor(score))


def test_the_best_score_moves_with_its_folder(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    state = best_of(tmp_path / "first", score=0.8).state_dict()
    (tmp_path / "second" / "best.ckpt").write_text("")
    moved = best_of(tmp_path / "second")
    moved.load_state_dict(state)
    assert [is_better(moved, score) for score in (0.7, 0.9)] == [False, True]
    assert moved.best_model_path == str(tmp_path / "second" / "best.ckpt")
    assert not any("first" in path for path in moved.best_k_models)


def test_lost_best_weights_are_replaced_by_the_next_ones(tmp_path):
    best = best_of(tmp_path, score=0.8)
    (tmp_path / "best.ckpt").unlink()
    again = best_of(tmp_path)
    again.load_state_dict(best.state_dict())
    assert is_better(again, 0.1)


def test_the_record_has_the_key_of_earlier_runs(tmp_path):
    before = ModelCheckpoint(str(tmp_path), monitor="val/dice_mean", mode="max")
    assert best_of(tmp_path).state_key == before.state_key


def test_a_module_for_the_end_is_loaded_at_the_first_validation(tmp_path, monkeypatch):
    (tmp_path / "module_for_the_end.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    loading = Loading("module_for_the_end")
    assert "module_for_the_end" not in sys.modules
    loading.on_validation_start(None, None)
    assert sys.modules.pop("module_for_the_end")
