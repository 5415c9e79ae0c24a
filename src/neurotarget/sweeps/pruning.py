"""Prune trials that score worse than earlier trials at the same epoch."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from neurotarget.problems import DataError
from neurotarget.runs.network.task_class import task_class
from neurotarget.sweeps.optuna_study import (
    Search,
    load_study,
    masked,
    need_optuna,
    objective_value,
    read_search,
)

if TYPE_CHECKING:
    import optuna


def pruning(config: Mapping[str, Any], folder: Path) -> list[Callback]:
    """Return the callbacks of a search's job for its trainer; empty if the search does not prune.

    Args:
        config: resolved configuration of the job; `sweep.trial` is its trial number.
        folder: folder of the job, inside the folder of the search.

    Raises:
        DataError: settings of the search are invalid, or this is not a job of a search.
    """
    sweep = config.get("sweep") or {}
    if "trial" not in sweep:
        return []
    if sweep["trial"] is None:
        raise DataError(
            "sweep=optuna: found a single training, wanted a search; add -m, or leave sweep=optuna "
            "out"
        )
    name = str(config.get("name") or folder.parent.name)
    search = read_search(sweep, folder.parent, name, task_class(config))
    return [] if search.pruner == "none" else [PruneBadTrials(search, int(sweep["trial"]))]


class PruneBadTrials(Callback):
    """Reports the objective of every validation to the study, which may stop the trial.

    Only rank 0 accesses the storage; all ranks stop together. An undefined objective is not
    reported (early on, volumes of empty masks have no correlation). If the storage cannot be
    reached, the trial continues unpruned. Studies with several objectives cannot prune.

    Raises:
        optuna.TrialPruned: the trial is stopped.
    """

    def __init__(self, search: Search, number: int) -> None:
        need_optuna()
        self.search, self.number = search, number
        self.trial: optuna.Trial | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Find the trial in the storage; if it is not found, training continues unpruned."""
        if trainer.is_global_zero:
            self.trial = self._find()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Report the objective, and stop the trial if the study decides so.

        Raises:
            optuna.TrialPruned: on all ranks at once; the message states the epoch and the value.
        """
        if trainer.sanity_checking:
            return
        reason = ""
        if trainer.is_global_zero and self.trial is not None:
            metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
            reason = self._judge(metrics, trainer.current_epoch + 1)
        if reason := trainer.strategy.broadcast(reason):
            from optuna import TrialPruned

            raise TrialPruned(reason)

    def _find(self) -> "optuna.Trial | None":
        from optuna.trial import Trial

        try:
            study = load_study(self.search)
            (frozen_trial,) = [
                one for one in study.get_trials(deepcopy=False) if one.number == self.number
            ]
        except (DataError, ValueError) as error:
            print(f"this trial continues without pruning: {error}", flush=True)
            return None
        return Trial(study, frozen_trial._trial_id)

    def _judge(self, metrics: Mapping[str, float], epoch: int) -> str:
        """Report the epoch (from 1); return why the trial stops, or ""."""
        from optuna.exceptions import OptunaError

        objective = self.search.objectives[0]
        value, unknown = objective_value(metrics, self.search.metrics[0])
        if unknown:
            return ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a resumed run reports an epoch again
                self.trial.report(value, epoch)
            is_bad = self.trial.should_prune()
        except (OptunaError, KeyError) as error:
            self.trial = None
            print(f"this trial continues without pruning: {masked(str(error))}", flush=True)
            return ""
        return f"{objective} {value:.4g} at epoch {epoch} is worse than others'" if is_bad else ""
