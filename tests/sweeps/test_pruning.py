from types import SimpleNamespace

import optuna
import pytest
import pytorch_lightning as pl
import torch
from filelock import FileLock
from torch.utils.data import DataLoader

from neurotarget.problems import DataError
from neurotarget.sweeps.optuna_study import open_study, read_search
from neurotarget.sweeps.pruning import PruneBadTrials, pruning

SWEEP = {
    "objective": "dice",
    "trials": 20,
    "startup_trials": 2,
    "warmup_epochs": 0,
    "sampler": "tpe",
    "pruner": "median",
    "storage": None,
    "study_name": None,
    "seed": 1,
    "parallel": 1,
    "trial": 0,
}


class Rising(pl.LightningModule):
    """Logs speed × epoch as its Dice; there is nothing to be learnt."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self.weight, self.speed = torch.nn.Parameter(torch.zeros(())), speed

    def training_step(self, batch):
        return self.weight * batch.sum()

    def validation_step(self, batch):  # noqa: ARG002
        self.log("val/dice_mean", self.speed * (self.current_epoch + 1))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.fixture
def study(tmp_path):
    return open_study(read_search(SWEEP, tmp_path, "gland"), FileLock(tmp_path / "lock"))


@pytest.fixture
def job(tmp_path):
    """`job(trial, …)` gives the callbacks of a trial's job."""

    def callbacks(trial: int | None, **changed) -> list:
        sweep = SWEEP | {"trial": trial} | changed
        return pruning({"name": "gland", "sweep": sweep}, tmp_path / "trial_0000")

    return callbacks


def validated(value: float, epoch: int, **changed) -> SimpleNamespace:
    """What a trainer of one process says after a validation."""
    return SimpleNamespace(
        is_global_zero=True,
        sanity_checking=False,
        current_epoch=epoch - 1,
        callback_metrics={"val/dice_mean": torch.tensor(value)},
        strategy=SimpleNamespace(broadcast=lambda reason: reason),
        **changed,
    )


def test_a_trial_that_is_worse_than_others_is_ended_early(study, job):
    ended = {}
    for number, speed in enumerate([0.1, 0.1, 0.12, 0.01]):
        trial = study.ask()
        data = DataLoader(torch.ones(2, 1))
        module = Rising(speed)
        trainer = pl.Trainer(
            max_epochs=4,
            callbacks=job(number),
            logger=False,
            accelerator="cpu",
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        try:
            trainer.fit(module, data, data)
            study.tell(trial, speed * 4)
        except optuna.TrialPruned as reason:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            ended[number] = str(reason)
    assert ended == {3: "dice 0.01 at epoch 1 is worse than others'"}
    reported = [one.intermediate_values for one in study.trials]
    assert reported[2] == pytest.approx({1: 0.12, 2: 0.24, 3: 0.36, 4: 0.48})
    assert reported[3] == pytest.approx({1: 0.01})


def test_a_trial_that_goes_on_reports_no_epoch_twice(study, job):
    study.ask()
    for _ in range(2):
        (callback,) = job(0)
        callback.on_fit_start(validated(0.5, 1), None)
        callback.on_validation_end(validated(0.5, 1), None)
    callback.on_validation_end(validated(0.6, 2), None)
    assert study.trials[0].intermediate_values == pytest.approx({1: 0.5, 2: 0.6})


def test_a_validation_without_a_number_is_no_reason_to_end(study, job):
    for value in (0.5, 0.6):
        trial = study.ask()
        trial.report(value, 1)
        study.tell(trial, value)
    study.ask()
    (callback,) = job(2)
    callback.on_fit_start(validated(0.0, 1), None)
    callback.on_validation_end(validated(float("nan"), 1), None)
    assert study.trials[2].intermediate_values == {}
    with pytest.raises(optuna.TrialPruned, match=r"dice 0.1 at epoch 1"):
        callback.on_validation_end(validated(0.1, 1), None)


def test_other_ranks_end_with_the_first_and_ask_no_storage(tmp_path):
    search = read_search(SWEEP | {"storage": "nonsense"}, tmp_path, "gland")
    callback = PruneBadTrials(search, 0)
    other = validated(0.9, 1)
    other.is_global_zero = False
    other.strategy.broadcast = {"": ""}.get
    callback.on_fit_start(other, None)
    callback.on_validation_end(other, None)
    other.strategy.broadcast = {"": "worse than others'"}.get
    with pytest.raises(optuna.TrialPruned, match="worse than others'"):
        callback.on_validation_end(other, None)


def test_without_an_answer_of_the_storage_the_trial_continues(study, job, tmp_path, capsys):
    (callback,) = job(7)
    callback.on_fit_start(validated(0.5, 1), None)
    callback.on_validation_end(validated(0.5, 1), None)
    assert "this trial continues without pruning: " in capsys.readouterr().out
    trial = study.ask()
    (callback,) = job(0)
    callback.on_fit_start(validated(0.5, 1), None)
    study.tell(trial, 0.5)  # as by somebody who gave it up
    callback.on_validation_end(validated(0.5, 1), None)
    assert "this trial continues without pruning: " in capsys.readouterr().out


def test_the_check_before_training_is_not_reported(study, job):
    study.ask()
    (callback,) = job(0)
    sanity = validated(0.5, 1)
    sanity.sanity_checking = True
    callback.on_fit_start(sanity, None)
    callback.on_validation_end(sanity, None)
    assert study.trials[0].intermediate_values == {}


def test_a_search_without_m_is_reported(job):
    with pytest.raises(DataError, match="found a single training, wanted a search; add -m"):
        job(None)


def test_what_is_no_trial_or_cannot_be_pruned_gets_no_callback(job, tmp_path):
    assert pruning({"name": "gland"}, tmp_path) == []
    assert pruning({"name": "gland", "sweep": None}, tmp_path) == []
    assert job(0, pruner="none") == []
    assert job(0, objective=["dice", "volume_r"]) == []
    (callback,) = job(0)
    assert callback.search.storage == f"sqlite:///{tmp_path}/study.db"
