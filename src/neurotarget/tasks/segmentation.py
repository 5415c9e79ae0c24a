"""Training of a network that segments a target: trained on patches, validated on whole volumes."""

from collections.abc import Callable, Iterable, Mapping

import pytorch_lightning as pl
import torch
from monai.inferers import SlidingWindowInferer
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

from neurotarget.losses import DeepSupervision, Loss, crop
from neurotarget.problems import DataError
from neurotarget.shapes import Batch, Image, Inner, Levels, Logits
from neurotarget.tasks.ema import EMA
from neurotarget.tasks.guard import NaNGuard
from neurotarget.tasks.schedule import Schedule, training_progress
from neurotarget.tasks.scores import CaseScore, gather, score_case, summarise
from neurotarget.types import Target

OptimizerFor = Callable[[Iterable[nn.Parameter]], Optimizer]
Inferer = Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor]


class SegmentationTask(pl.LightningModule):
    """Segmentation of one target by any net that maps (B, C, I, J, K) to (B, L, I, J, K).

    Training batches are patches; validation and test batches are one whole volume of any size.
    Checkpoints hold tensors and plain values only.
    """

    def __init__(
        self,
        target: Target,
        net: nn.Module,
        loss: Loss,
        optimizer_for: OptimizerFor,
        *,
        schedule: Mapping[str, float] | Schedule | None = None,
        inferer: Inferer | None = None,
        ema_decay: float | None = None,
        channels_last: bool = True,
    ) -> None:
        """Join the parts.

        Args:
            target: what is segmented; gives label names, spacing and the patch.
            net: scores voxels; may return a list of levels in training (deep supervision), and
                may leave `net.margin_vox` voxels at each face without a score.
            loss: function of (logits, labels) for one level.
            optimizer_for: makes the optimizer from the net's parameters.
            schedule: parameters of `Schedule`.
            inferer: runs (volume, net) window by window; by default windows of the target's
                patch that overlap by half and are blended with a Gaussian; a net with a margin
                has no default.
            ema_decay: decay of the averaged weights that are validated and saved; None for none.
            channels_last: lay images and weights out as CPUs and GPUs convolve fastest (a
                third faster on a CPU).

        Raises:
            ValueError: the net has a margin and no inferer that knows of it.
        """
        super().__init__()
        self.margin_vox = int(getattr(net, "margin_vox", 0))
        if self.margin_vox and inferer is None:
            raise ValueError(
                f"SegmentationTask: got no inferer for {type(net).__name__}, which leaves "
                f"{self.margin_vox} voxels at each face without a score; give one that adds them"
            )
        self.target, self.net, self.loss = target, net, DeepSupervision(loss)
        self.optimizer_for, self.ema_decay = optimizer_for, ema_decay
        self.schedule = schedule if isinstance(schedule, Schedule) else Schedule(**schedule or {})
        self.inferer = inferer or SlidingWindowInferer(
            target.patch_vox, sw_batch_size=4, overlap=0.5, mode="gaussian"
        )
        self.layout = torch.channels_last_3d if channels_last else torch.contiguous_format
        self.net.to(memory_format=self.layout)
        self._scores: dict[str, CaseScore] = {}

    def forward(self, image: Image) -> Logits:
        """Score every voxel of a whole volume, in float32."""
        return self.inferer(image, lambda window: self._levels(window).float())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the loss of a batch of patches, over the voxels that the net scores."""
        loss = self.loss(self._levels(batch.image), crop(batch.labels, self.margin_vox))
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.image))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Segment one whole volume and keep its counts."""
        logits = self(batch.image)
        loss = self.loss(logits, batch.labels)
        self._scores[batch.case_ids[0]] = score_case(logits, batch.labels, loss.item())

    test_step = validation_step

    def ignore(self) -> None:
        """Leave voxels of the target's `ignored_class` out of the loss; scores leave them out.

        Raises:
            DataError: the loss has no `ignore_label`.
        """
        if not hasattr(self.loss.loss, "ignore_label"):
            raise DataError(
                f"task.loss: found {type(self.loss.loss).__name__}, which cannot leave voxels out, "
                "and masks with ignored voxels; wanted a loss with ignore_label, such as "
                "neurotarget.losses.DiceCrossEntropy"
            )
        self.loss.loss.ignore_label = self.target.ignored_class

    def on_validation_epoch_start(self) -> None:
        """Discard the counts of an earlier epoch, which may have been interrupted."""
        self._scores.clear()

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_epoch_end(self) -> None:
        """Log the scores over the cases of all ranks."""
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        """Log the scores over the cases of all ranks."""
        self._log_scores("test")

    def configure_optimizers(self) -> dict[str, object]:
        """The optimizer, and its schedule with one update per step."""
        optimizer = self.optimizer_for(self.net.parameters())
        scheduler = self.schedule.scheduler(optimizer, training_progress(self.trainer))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def configure_callbacks(self) -> list[Callback]:
        """The NaN guard, and weight averaging if configured."""
        if self.ema_decay is None:
            return [NaNGuard()]
        return [NaNGuard(), EMA(self.ema_decay, device=self.trainer.strategy.root_device)]

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Save the averaged weights also in weights-only checkpoints, which skip callbacks."""
        ema = next((one for one in self.trainer.callbacks if isinstance(one, EMA)), None)
        if ema is not None and "current_model_state" not in checkpoint:
            checkpoint["state_dict"] = ema.averaged_state() or checkpoint["state_dict"]

    def _levels(self, image: Image) -> Inner | Levels:
        return self.net(image.contiguous(memory_format=self.layout))

    def _log_scores(self, split: str) -> None:
        if scores := gather(self._scores):
            values = summarise(scores, self.target)
            named = {f"{split}/{key}": value for key, value in values.items()}
            self.log_dict(named, sync_dist=True)  # already equal on all ranks
