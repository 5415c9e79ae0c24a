"""Training of a network that predicts numbers of whole images, such as an age."""

import math
from collections.abc import Collection, Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics.functional.regression import pearson_corrcoef, r2_score

from neurotarget.outcome import Outcome
from neurotarget.problems import DataError
from neurotarget.shapes import Outcomes, Outputs
from neurotarget.tasks.base import OptimizerFor
from neurotarget.tasks.kinds import Regression
from neurotarget.tasks.outcome_task import OutcomeTask
from neurotarget.types import Target

SCORES = ("error_abs", "error", "r", "r2")


class RegressionTask(Regression, OutcomeTask):
    """Prediction of outcomes that are numbers.

    The loss is Huber's: quadratic for errors up to `delta_sd` and linear beyond, so that outliers
    count less than with the squared error; errors are in units of the outcome's SD over the
    training cases. `error_abs` is the mean absolute error in the unit of the outcome, and
    `error_abs_mean` the mean over outcomes of this error in SD.

    Source: Huber 1964, doi:10.1214/aoms/1177703732.
    """

    monitor: ClassVar[str] = "val/error_abs_mean"
    objectives: ClassVar[Mapping[str, str]] = {"error_abs": monitor, "r": "val/r/"}
    lower_is_better: ClassVar[Collection[str]] = ("loss", "error_abs", "error_abs_mean")

    def __init__(
        self,
        target: Target,
        net: nn.Module,
        optimizer_for: OptimizerFor,
        *,
        delta_sd: float = 1.0,
        **settings: object,
    ) -> None:
        """Join the parts; further `settings` are those of `TargetTask`.

        Raises:
            DataError: `delta_sd` is not above 0.
        """
        super().__init__(target, net, optimizer_for, **settings)
        if not delta_sd > 0:
            raise DataError(f"task.delta_sd: found {delta_sd}, wanted a number above 0")
        self.delta_sd = delta_sd
        self.register_buffer("sd", torch.ones(len(target.outcomes)))

    @classmethod
    def logged(cls, target: Target) -> list[str]:
        """Return the names of mean absolute error and loss, and of the scores of each outcome."""
        names = [one.name for one in target.outcomes]
        return [cls.monitor, "val/loss"] + [f"val/{key}/{name}" for name in names for key in SCORES]

    def fit_scale(self, codes: Outcomes) -> None:
        """Compute mean and SD of each number over the training cases; an SD of 0 becomes 1."""
        known = [column[~column.isnan()] for column in codes.T]
        centre = torch.stack([column.mean() for column in known])
        sd = torch.stack([column.std(correction=0) for column in known])
        self.sd.copy_(torch.where(sd > 0, sd, torch.ones_like(sd)))
        if hasattr(self.net, "rescale"):
            self.net.rescale(centre, self.sd)

    def one_loss(self, outcome: Outcome, outputs: Outputs, codes: Float[Tensor, " B"]) -> Tensor:
        """Compute Huber's loss of one outcome, in units of its SD."""
        sd = self.sd[self.target.outcomes.index(outcome)]
        return F.huber_loss(outputs[:, 0] / sd, codes / sd, delta=self.delta_sd)

    def scores_of(
        self,
        outcome: Outcome,  # noqa: ARG002
        outputs: Outputs,
        codes: Float[Tensor, " B"],
    ) -> dict[str, float]:
        """Compute mean absolute error and mean error in the outcome's unit, correlation, and R².

        NaN with fewer than two cases; correlation and R² also where the references do not vary. The
        mean error is predicted minus reference.
        """
        predicted = outputs[:, 0]
        if len(codes) < 2:
            return dict.fromkeys(SCORES, math.nan)
        error = predicted - codes
        varies = bool(codes.std() > 0 and predicted.std() > 0)
        values = (
            error.abs().mean(),
            error.mean(),
            pearson_corrcoef(predicted, codes) if varies else torch.tensor(math.nan),
            r2_score(predicted, codes) if codes.std() > 0 else torch.tensor(math.nan),
        )
        return dict(zip(SCORES, map(float, values), strict=True))
