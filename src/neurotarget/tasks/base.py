"""Base class of tasks: the common steps of training, and the members that a task must define."""

import math
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.models.memory_layout import channels_last as lay_out
from neurotarget.models.threads import number_of_parts
from neurotarget.shapes import Batch, Image
from neurotarget.tasks.batch_parts import in_parts, is_divisible
from neurotarget.tasks.ema import EMA
from neurotarget.tasks.guard import NaNGuard
from neurotarget.tasks.kinds import TaskKind
from neurotarget.tasks.schedule import Schedule, steps_per_epoch, training_progress
from neurotarget.types import Row, Target

OptimizerFor = Callable[[Iterable[nn.Parameter]], Optimizer]


class TargetTask(pl.LightningModule, TaskKind):
    """Training of a network for one target, on batches and whole cases.

    A kind of task declares its training data, the score that it monitors, and the rows of its
    predictions; as a `TaskKind` also the size of its network's output and its predictor.
    Checkpoints hold tensors and plain values only.
    """

    learns_from: ClassVar[Literal["labels", "outcomes"]] = "labels"
    monitor: ClassVar[str]  # validation score that selects the best weights
    rows: ClassVar[Callable[..., list[Row]]]  # scores predictions, with arguments as of `evaluate`
    objectives: ClassVar[Mapping[str, str]]  # of a search: name → logged score, the default first
    lower_is_better: ClassVar[Collection[str]] = ("loss",)  # parts of the names of such scores

    def __init__(
        self,
        target: Target,
        net: nn.Module,
        optimizer_for: OptimizerFor,
        *,
        schedule: Mapping[str, float] | Schedule | None = None,
        inferer: Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor] | None = None,
        ema_decay: float | None = None,
        channels_last: bool = True,
        keep_gradients: bool = False,
    ) -> None:
        """Join the parts.

        Args:
            target: the target that is predicted.
            net: the network.
            optimizer_for: function that makes the optimizer from the net's parameters.
            schedule: parameters of `Schedule`.
            inferer: function of (image, net) for a whole image, in validation and prediction.
            ema_decay: decay of the averaged weights that are validated and saved; None for none.
            channels_last: use the memory layout in which CPUs and GPUs convolve fastest (a
                third faster on a CPU).
            keep_gradients: never set gradients to zero, so that each step follows the sum of all
                gradients since the training began (or was resumed). This reproduces the code of
                Weninger et al. 2019, which lacks `zero_grad`.
        """
        super().__init__()
        self.target, self.net, self.inferer = target, net, inferer
        self.optimizer_for, self.ema_decay = optimizer_for, ema_decay
        self.keep_gradients = keep_gradients
        self.schedule = schedule if isinstance(schedule, Schedule) else Schedule(**schedule or {})
        self.layout = torch.channels_last_3d if channels_last else torch.contiguous_format
        if channels_last:
            lay_out(self.net)
        self._scores: dict[str, Any] = {}
        self._is_divisible: bool | None = None  # the batch, among threads; None: not known yet

    @classmethod
    def is_lower_better(cls, score: str) -> bool:
        """Return whether a lower value of a logged score, such as `val/loss`, is better."""
        return any(part in cls.lower_is_better for part in score.split("/"))

    @classmethod
    @abstractmethod
    def logged(cls, target: Target) -> list[str]:
        """Return the names of the validation scores that `monitor` may name.

        All begin with `val/`. They are known before training, to find a wrong `monitor` at once.
        """

    def prepare(self, data: TargetData) -> None:
        """Adapt the task to its data, before training; data are prepared.

        A kind of task computes values from the training cases, such as frequencies of classes;
        the base does nothing.
        """

    @abstractmethod
    def batch_loss(self, batch: Batch) -> Tensor:
        """Compute the loss of a training batch, a scalar with gradients."""

    @abstractmethod
    def example(self, batch_size: int) -> Batch:
        """Make a batch of noise in the size of a training batch, to time a step.

        The batch is on the CPU; its case ids are `noise`.
        """

    @abstractmethod
    def score(self, batch: Batch) -> Any:  # noqa: ANN401
        """Score one whole case; return plain values that `summarise` joins."""

    @abstractmethod
    def summarise(self, scores: Mapping[str, Any]) -> dict[str, float]:
        """Compute scores over all cases, including `loss`, by names without the split.

        Args:
            scores: results of `score` by case id.
        """

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the loss of a batch."""
        loss = self.batch_loss(batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.image))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Score one whole case; a batch of validation holds one."""
        self._scores[batch.case_ids[0]] = self.score(batch)

    test_step = validation_step

    def on_validation_epoch_start(self) -> None:
        """Discard the scores of an earlier epoch, which may have been interrupted."""
        self._scores.clear()

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_epoch_end(self) -> None:
        """Log the scores over the cases of all ranks, as `val/<name>`."""
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        """Log the scores over the cases of all ranks, as `test/<name>`."""
        self._log_scores("test")

    def configure_optimizers(self) -> dict[str, object]:
        """Make the optimizer, and its schedule with one update per step.

        The rate falls with the steps or with the time that is spent, see `training_progress`. On a
        CPU the optimizer is fused.
        """
        optimizer = self.optimizer_for(self.net.parameters())
        if self.device.type == "cpu":
            fuse(optimizer)
        progress, steps = training_progress(self.trainer), math.inf
        if self.schedule.epoch_factor != 1:
            steps = steps_per_epoch(self.trainer)
        scheduler = self.schedule.scheduler(optimizer, progress, steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Set gradients to zero before a batch adds its gradients, unless they are kept."""
        if not self.keep_gradients:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    @property
    def ema_every(self) -> int:
        """Number of steps from one average of the weights to the next."""
        return 1

    def configure_callbacks(self) -> list[Callback]:
        """Return the NaN guard, and weight averaging if configured."""
        if self.ema_decay is None:
            return [NaNGuard()]
        device = self.trainer.strategy.root_device
        return [NaNGuard(), EMA(self.ema_decay, device=device, every=self.ema_every)]

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Save the averaged weights also in weights-only checkpoints, which skip callbacks."""
        ema = next((one for one in self.trainer.callbacks if isinstance(one, EMA)), None)
        if ema is not None and "current_model_state" not in checkpoint:
            checkpoint["state_dict"] = ema.averaged_state() or checkpoint["state_dict"]

    def scores_of_net(self, image: Image) -> Any:  # noqa: ANN401
        """Return the network's output for images; training on a CPU divides a batch among threads.

        The images are converted to the network's memory layout.
        """
        image = image.contiguous(memory_format=self.layout)
        parts = number_of_parts(len(image))
        if not self.training or image.device.type != "cpu" or parts == 1:
            return self.net(image)
        if self._is_divisible is None:
            self._is_divisible = is_divisible(self.net, image[:2])
        return in_parts(self.net, image, parts) if self._is_divisible else self.net(image)

    def _log_scores(self, split: str) -> None:
        if scores := gather(self._scores):
            named = {f"{split}/{key}": value for key, value in self.summarise(scores).items()}
            self.log_dict(named, sync_dist=True)  # already equal on all ranks


def fuse(optimizer: Optimizer) -> None:
    """Let an optimizer update each weight in one operation, unless its settings decide otherwise.

    On GPUs this is left to the settings: Lightning does not clip gradients in float16 then.
    """
    for group in optimizer.param_groups:
        if "fused" in group and group["fused"] is None and not group.get("foreach"):
            group["fused"] = True


def gather(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Join the cases of all ranks, each case once, sorted by case_id.

    Samplers repeat cases so that each rank gets equally many; a mean over the joined cases counts
    no case twice.
    """
    parts: list[Mapping[str, Any]] = [scores]
    if dist.is_available() and dist.is_initialized():
        parts = [{} for _ in range(dist.get_world_size())]
        dist.all_gather_object(parts, dict(scores))
    joined = {case_id: score for part in parts for case_id, score in part.items()}
    return {case_id: joined[case_id] for case_id in sorted(joined)}
