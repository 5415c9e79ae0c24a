"""Training of a network that predicts classes of whole images."""

import math
from collections.abc import Collection, Mapping
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_average_precision,
    binary_calibration_error,
    multiclass_accuracy,
    multiclass_auroc,
    multiclass_average_precision,
    multiclass_calibration_error,
)

from neurotarget.inference.predict_outcomes import values_of
from neurotarget.outcome import Outcome
from neurotarget.problems import DataError
from neurotarget.shapes import Outcomes, Outputs
from neurotarget.tasks.base import OptimizerFor
from neurotarget.tasks.kinds import Classification
from neurotarget.tasks.outcome_task import OutcomeTask
from neurotarget.types import Target

SCORES = ("auroc", "average_precision", "accuracy", "brier", "calibration_error")


class ClassificationTask(Classification, OutcomeTask):
    """Prediction of binary outcomes and of outcomes with several classes.

    The loss is the cross-entropy. With `class_weights: balanced` every class has the same total
    weight in the training, and the predicted probabilities are those of a cohort in which all
    classes are equally frequent; by default they are those of the training cases.
    """

    monitor: ClassVar[str] = "val/auroc_mean"
    objectives: ClassVar[Mapping[str, str]] = {
        "auroc": monitor,
        "average_precision": "val/average_precision/",  # of each outcome
        "brier": "val/brier/",
    }
    lower_is_better: ClassVar[Collection[str]] = ("loss", "brier", "calibration_error")

    def __init__(
        self,
        target: Target,
        net: nn.Module,
        optimizer_for: OptimizerFor,
        *,
        class_weights: Literal["none", "balanced"] = "none",
        label_smoothing: float = 0.0,
        **settings: object,
    ) -> None:
        """Join the parts; further `settings` are those of `TargetTask`.

        Raises:
            DataError: `class_weights` or `label_smoothing` has no valid value.
        """
        super().__init__(target, net, optimizer_for, **settings)
        if class_weights not in ("none", "balanced"):
            raise DataError(f"task.class_weights: found {class_weights!r}, wanted none or balanced")
        if not 0 <= label_smoothing < 1:
            raise DataError(
                f"task.label_smoothing: found {label_smoothing}, wanted a share from 0 to below 1"
            )
        self.class_weights, self.label_smoothing = class_weights, label_smoothing
        sizes = [len(outcome.classes) for outcome in target.outcomes]
        self.weights = [torch.ones(size) for size in sizes]  # of the classes of each outcome

    @classmethod
    def logged(cls, target: Target) -> list[str]:
        """Return the names of mean AUROC and loss, and of the scores of each outcome."""
        names = [one.name for one in target.outcomes]
        return [cls.monitor, "val/loss"] + [f"val/{key}/{name}" for name in names for key in SCORES]

    def fit_scale(self, codes: Outcomes) -> None:
        """Initialise the logits at the frequencies of the classes; weight classes if configured.

        A class without a training case counts as one case. The bias of the last layer is set, if
        the network can rescale its outputs, so that training does not have to learn frequencies.
        """
        bias = []
        for position, outcome in enumerate(self.target.outcomes):
            known = codes[:, position][~codes[:, position].isnan()].long()
            counts = torch.bincount(known, minlength=len(outcome.classes)).clamp(min=1).float()
            if self.class_weights == "balanced":
                self.weights[position] = counts.sum() / (len(counts) * counts)
                counts = torch.ones_like(counts)
            logs = (counts / counts.sum()).log()
            bias.append(logs[1:] - logs[:1] if outcome.kind == "binary" else logs)
        if hasattr(self.net, "rescale"):  # logits begin at the frequencies
            start = torch.cat(bias)
            self.net.rescale(start, torch.ones_like(start))

    def one_loss(self, outcome: Outcome, outputs: Outputs, codes: Float[Tensor, " B"]) -> Tensor:
        """Compute the cross-entropy of one outcome, the mean over the cases, in nats.

        `outputs` are (B, 1) for a binary outcome, else (B, classes); `codes` are class numbers.
        """
        weights = self.weights[self.target.outcomes.index(outcome)].to(outputs.device)
        classes = codes.long()
        if outcome.kind == "binary":  # as two classes, the first with a logit of 0
            outputs = torch.cat([torch.zeros_like(outputs), outputs], dim=1)
        losses = F.cross_entropy(
            outputs.float(), classes, reduction="none", label_smoothing=self.label_smoothing
        )
        return (losses * weights[classes]).mean()

    def scores_of(
        self, outcome: Outcome, outputs: Outputs, codes: Float[Tensor, " B"]
    ) -> dict[str, float]:
        """Compute AUROC, average precision, accuracy, Brier score and calibration error.

        For several classes, AUROC and average precision are means over the classes that some cases
        have and some lack. Scores are NaN without known cases, or if all have one class.
        """
        found, classes = len(outcome.classes), codes.long()
        if not len(classes):
            return dict.fromkeys(SCORES, math.nan)
        probabilities = values_of(outcome, outputs)
        truth = F.one_hot(classes, found).float()
        if outcome.kind == "binary":
            positive = probabilities[:, 0]
            is_both = 0 < int(classes.sum()) < len(classes)
            values = (
                binary_auroc(positive, classes) if is_both else torch.tensor(math.nan),
                binary_average_precision(positive, classes) if is_both else torch.tensor(math.nan),
                ((positive > 0.5) == (classes > 0)).float().mean(),
                (positive - truth[:, 1]).square().mean(),
                binary_calibration_error(positive, classes, n_bins=10),
            )
        else:
            present = truth.sum(dim=0).bool() & ~truth.sum(dim=0).eq(len(truth))
            auroc = multiclass_auroc(probabilities, classes, found, average=None)
            precision = multiclass_average_precision(probabilities, classes, found, average=None)
            values = (
                auroc[present].mean(),
                precision[present].mean(),
                multiclass_accuracy(probabilities, classes, found, average="micro"),
                (probabilities - truth).square().sum(dim=1).mean(),
                multiclass_calibration_error(probabilities, classes, found, n_bins=10),
            )
        return dict(zip(SCORES, map(float, values), strict=True))
