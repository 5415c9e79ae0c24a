"""Train a network that segments a target, on patches; validate it on whole volumes."""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.sides.pairs import as_trained
from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.losses import DeepSupervision, Loss, crop
from neurotarget.problems import DataError
from neurotarget.shapes import Batch, Image, Inner, Levels, Logits
from neurotarget.tasks.base import OptimizerFor, TargetTask
from neurotarget.tasks.kinds import Segmentation
from neurotarget.tasks.score_outcomes import segmentation_rows
from neurotarget.tasks.scores import AGREEMENT, CaseScore, added, score_case, summarise
from neurotarget.types import Target


class SegmentationTask(Segmentation, TargetTask):
    """Segmentation of one target by any net that maps (B, C, I, J, K) to (B, L, I, J, K).

    Training batches are patches; validation and test batches are one whole volume of any size.
    """

    monitor: ClassVar[str] = "val/dice_mean"
    rows = staticmethod(segmentation_rows)
    objectives: ClassVar[Mapping[str, str]] = {
        "dice": monitor,
        "volume_icc": "val/volume_icc/",  # of each label
        "volume_r": "val/volume_r/",
    }

    def __init__(
        self,
        target: Target,
        net: nn.Module,
        loss: Loss,
        optimizer_for: OptimizerFor,
        **settings: object,
    ) -> None:
        """Join the parts; `settings` are those of `TargetTask`.

        The net may return a list of levels in training (deep supervision), and may leave
        `net.margin_vox` voxels at each face without a score. `loss` is a function of (logits,
        labels) for one level. The default inferer has windows of the target's patch that overlap by
        half and are blended with a Gaussian.
        """
        super().__init__(target, net, optimizer_for, **settings)
        self.margin_vox = int(getattr(net, "margin_vox", 0))
        window = SlidingWindow(target.patch_vox, margin_vox=self.margin_vox)
        self.inferer = self.inferer or window
        self.loss = DeepSupervision(loss)

    @classmethod
    def logged(cls, target: Target) -> list[str]:
        """Return the names of Dice and loss, and of Dice and volume agreement of each label."""
        names = as_trained(target).label_names
        logged = [cls.monitor, "val/loss", *(f"val/dice/{name}" for name in names)]
        return logged + [f"val/volume_{key}/{name}" for name in names for key in AGREEMENT]

    def forward(self, image: Image) -> Logits:
        """Score every voxel of a whole volume, in float32."""
        return self.inferer(image, self._finest)

    def batch_loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch of patches, over the voxels that the net scores."""
        return self.loss(self._levels(batch.image), crop(batch.labels, self.margin_vox))

    def example(self, batch_size: int) -> Batch:
        """Make noise patches (B, C, I, J, K) with labels (B, I, J, K), on the CPU."""
        sides = self.target.patch_vox
        image = torch.randn(batch_size, len(self.target.channels), *sides)
        labels = torch.randint(self.target.num_labels, (batch_size, *sides))
        return Batch(image, labels, ["noise"] * batch_size)

    def score(self, batch: Batch) -> CaseScore:
        """Segment one whole volume and count its voxels.

        The scores of the volume are computed slab by slab, unless the loss or the inferer works
        on whole volumes only.
        """
        loss = self.loss.loss
        if not (hasattr(loss, "sums") and hasattr(self.inferer, "slabs")):
            logits = self(batch.image)
            return score_case(logits, batch.labels, self.loss(logits, batch.labels).item())
        counted, sums, stop = [], None, 0
        for slab in self.inferer.slabs(batch.image, self._finest):
            first, stop = stop, stop + slab.shape[2]
            labels = batch.labels[:, first:stop]
            counted.append(score_case(slab, labels, math.nan))
            of_slab = loss.sums(slab, labels)
            sums = of_slab if sums is None else sums.plus(of_slab)
        return added(counted, loss.of(sums).item())

    def summarise(self, scores: Mapping[str, CaseScore]) -> dict[str, float]:
        """Compute Dice and agreement of volumes over the cases, see `scores.summarise`."""
        return summarise(scores, self.target)

    def prepare(self, data: TargetData) -> None:
        """Leave ignored voxels out of the loss, if masks may have ignored voxels.

        Raises:
            DataError: masks may have ignored voxels, and the loss cannot leave voxels out.
        """
        if data.has_ignored:
            self.ignore()

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

    def _finest(self, image: Image) -> Inner:
        return self._levels(image).float()

    def _levels(self, image: Image) -> Inner | Levels:
        return self.scores_of_net(image)
