"""Stops a trial of a search that does worse than others did by the same epoch."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from neurotarget.problems import DataError
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
    """What a job of a search adds to its trainer: nothing where nothing is to be pruned.

    Args:
        config: resolved configuration of the job; `sweep.trial` is the trial that it runs.
        folder: the job's, inside that of the search.

    Raises:
        DataError: settings of the search are refused, or this is no job of a search at all.
    """
    sweep = config.get("sweep") or {}
    if "trial" not in sweep:
        return []
    if sweep["trial"] is None:
        raise DataError(
            "sweep=optuna: found a single training, wanted a search; add -m, or leave sweep=optuna "
            "out"
        )
    search = read_search(sweep, folder.parent, str(config.get("name") or folder.parent.name))
    return [] if search.pruner == "none" else [PruneBadTrials(search, int(sweep["trial"]))]


class PruneBadTrials(Callback):
    """Reports the objective of every validation to the study, which may end the trial.

    Only rank 0 talks to the storage; all ranks end together. A validation whose objective is not
    a number says nothing, as early on where volumes of nothing agree with no other. Where the
    storage does not answer, the trial goes on unpruned. Studies of several objectives cannot
    prune.

    Raises:
        optuna.TrialPruned: the trial is not worth going on with.
    """

    def __init__(self, search: Search, number: int) -> None:
        need_optuna()
        self.search, self.number = search, number
        self.trial: optuna.Trial | None = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Find the trial in the storage."""
        if trainer.is_global_zero:
            self.trial = self._find()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Report, and end the trial where the study says so."""
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
            (found,) = [
                one for one in study.get_trials(deepcopy=False) if one.number == self.number
            ]
        except (DataError, ValueError) as error:
            print(f"this trial goes on unpruned: {error}", flush=True)
            return None
        return Trial(study, found._trial_id)

    def _judge(self, metrics: Mapping[str, float], epoch: int) -> str:
        """Report the epoch (from 1); why the trial ends, or ""."""
        from optuna.exceptions import OptunaError

        objective = self.search.objectives[0]
        value, unknown = objective_value(metrics, objective)
        if unknown:
            return ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a run that goes on comes to an epoch again
                self.trial.report(value, epoch)
            is_bad = self.trial.should_prune()
        except (OptunaError, KeyError) as error:
            self.trial = None
            print(f"this trial goes on unpruned: {masked(str(error))}", flush=True)
            return ""
        return f"{objective} {value:.4g} at epoch {epoch} is worse than others'" if is_bad else ""
