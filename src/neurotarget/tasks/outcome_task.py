"""Base of the tasks that predict outcomes of whole images."""

from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.inference.predict_outcomes import output_sizes
from neurotarget.inference.windows.whole_image import WholeImage
from neurotarget.outcome import Outcome
from neurotarget.shapes import Batch, Image, Outcomes, Outputs
from neurotarget.tasks.base import OptimizerFor, TargetTask
from neurotarget.tasks.frozen_features import encoded, features_of_cases
from neurotarget.tasks.kinds import OutcomePrediction
from neurotarget.tasks.score_outcomes import outcome_rows
from neurotarget.types import Target


class OutcomeScore(NamedTuple):
    """Outputs for one case, the codes of its outcomes, and its loss; plain values."""

    outputs: list[float]
    codes: list[float]
    loss: float


class OutcomeTask(OutcomePrediction, TargetTask):
    """Prediction of outcomes by a net that maps (B, C, I, J, K) to (B, outputs).

    Batches are the middle of whole images. The loss is the mean over the outcomes of the target;
    an outcome that is unknown for a case does not count.
    """

    learns_from: ClassVar[Literal["labels", "outcomes"]] = "outcomes"
    rows = staticmethod(outcome_rows)

    def __init__(
        self, target: Target, net: nn.Module, optimizer_for: OptimizerFor, **settings: object
    ) -> None:
        """Join the parts; `settings` are those of `TargetTask`."""
        super().__init__(target, net, optimizer_for, **settings)
        self.inferer = self.inferer or WholeImage(target.patch_vox)
        self.features: dict[str, Tensor] = {}  # of the cases by id, if the network is frozen

    def forward(self, image: Image) -> Outputs:
        """Score whole images, in float32."""
        return self.inferer(image, self._outputs)

    def prepare(self, data: TargetData) -> None:
        """Compute the scale and frequency of the outcomes from the training cases."""
        codes = data.training_codes()
        self.fit_scale(torch.from_numpy(codes).to(self.device))

    def fit_scale(self, codes: Outcomes) -> None:
        """Adapt the task to the codes of the training cases, (cases, outcomes), NaN where unknown.

        The base does nothing.
        """

    def on_fit_start(self) -> None:
        """Compute the features of all cases, if the network keeps its convolutions frozen."""
        if getattr(self.net, "frozen", False):
            data = self.trainer.datamodule
            cases = [*data.cases("train"), *data.cases("val")]
            folders = {case.case_id: data.folders[case.case_id] for case in cases}
            self.features = features_of_cases(self.net, folders, data.cache, window=self.inferer)

    def batch_loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch of images."""
        outputs = self._decided(batch)
        outputs = self._outputs(batch.image) if outputs is None else outputs
        return self.loss_of(outputs, batch.outcomes)

    def loss_of(self, outputs: Outputs, codes: Outcomes) -> Tensor:
        """Compute the mean loss over the outcomes, from the cases with a known outcome.

        An outcome without a known case in the batch is left out. If no outcome is known, loss and
        gradients are 0.
        """
        parts = outputs.split(output_sizes(self.target), dim=1)
        losses = []
        for position, (outcome, part) in enumerate(zip(self.target.outcomes, parts, strict=True)):
            known = ~codes[:, position].isnan()
            if known.any():
                losses.append(self.one_loss(outcome, part[known], codes[known, position]))
        return torch.stack(losses).mean() if losses else outputs.sum() * 0.0

    def one_loss(self, outcome: Outcome, outputs: Outputs, codes: Float[Tensor, " B"]) -> Tensor:
        """Compute the mean loss of one outcome over known cases; each kind of task defines this."""
        raise NotImplementedError

    def example(self, batch_size: int) -> Batch:
        """Make a batch of noise images with codes 0 and 1."""
        sides = self.target.patch_vox
        image = torch.randn(batch_size, len(self.target.channels), *sides)
        codes = torch.randint(2, (batch_size, len(self.target.outcomes))).float()
        if getattr(self.net, "frozen", False):  # a step works on features
            self.features.setdefault("noise", encoded(self.net, image[:1].to(self.device))[0])
        return Batch(image, None, ["noise"] * batch_size, codes)

    def score(self, batch: Batch) -> OutcomeScore:
        """Score one whole image."""
        outputs = self._decided(batch)
        outputs = self(batch.image) if outputs is None else outputs
        loss = self.loss_of(outputs, batch.outcomes).item()
        return OutcomeScore(outputs[0].tolist(), batch.outcomes[0].tolist(), loss)

    def summarise(self, scores: Mapping[str, OutcomeScore]) -> dict[str, float]:
        """Compute the scores of each outcome over the cases, their mean, and the mean loss.

        Names are `<score>/<outcome>`; the monitored score has a mean over outcomes too,
        `<score>_mean`, without those that are undefined.
        """
        outputs = torch.tensor([score.outputs for score in scores.values()])
        codes = torch.tensor([score.codes for score in scores.values()])
        parts = outputs.split(output_sizes(self.target), dim=1)
        values: dict[str, float] = {}
        for position, (outcome, part) in enumerate(zip(self.target.outcomes, parts, strict=True)):
            known = ~codes[:, position].isnan()
            found = self.scores_of(outcome, part[known], codes[known, position])
            values |= {f"{key}/{outcome.name}": value for key, value in found.items()}
        main = self.monitor.removeprefix("val/").removesuffix("_mean")
        means = torch.tensor([values[f"{main}/{one.name}"] for one in self.target.outcomes])
        values[f"{main}_mean"] = float(means.nanmean())
        values["loss"] = sum(score.loss for score in scores.values()) / len(scores)
        return values

    def scores_of(
        self, outcome: Outcome, outputs: Outputs, codes: Float[Tensor, " B"]
    ) -> dict[str, float]:
        """Compute the scores of one outcome over cases; NaN if undefined. Each kind defines them.

        Names are without the outcome, such as `auroc`.
        """
        raise NotImplementedError

    def _decided(self, batch: Batch) -> Outputs | None:
        """Outputs from the features of a batch's cases; None if these are not known."""
        if not all(case_id in self.features for case_id in batch.case_ids):
            return None
        features = torch.stack([self.features[case_id] for case_id in batch.case_ids])
        return self.net.decide(features.to(batch.image.device)).float()

    def _outputs(self, image: Image) -> Outputs:
        return self.scores_of_net(image).float()
