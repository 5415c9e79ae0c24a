"""Training of a network with one logit per region, where regions may overlap."""

from collections.abc import Sequence

import torch
from torch import Tensor

from neurotarget.losses import crop
from neurotarget.models.region_nets import as_two_classes
from neurotarget.shapes import Batch, Feature, Inner, Labels, Levels
from neurotarget.tasks.kinds import Regions
from neurotarget.tasks.region_classes import class_scores, membership
from neurotarget.tasks.scores import CaseScore, score_case
from neurotarget.tasks.segmentation import SegmentationTask


class RegionTask(Regions, SegmentationTask):
    """Segmentation by regions that may overlap: each region is trained against all other voxels.

    The loss is the mean over regions of the loss of two classes, whose softmax is the sigmoid of
    the region's logit. Scores in validation are those of the labels.

    Source: Isensee et al. 2021, doi:10.1007/978-3-030-72087-2_11, for the regions of BraTS.
    """

    def batch_loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch of patches, over the voxels that the net scores."""
        return self._region_loss(self._levels(batch.image), crop(batch.labels, self.margin_vox))

    def score(self, batch: Batch) -> CaseScore:
        """Segment one whole volume, and count the voxels of its labels."""
        scores = self(batch.image)
        loss = float(self._region_loss(scores, batch.labels))
        classes = class_scores(scores[0], membership(self.target).inside)
        return score_case(classes[None], batch.labels, loss)

    def _region_loss(self, scores: Inner | Levels, labels: Labels) -> Tensor:
        inside = membership(self.target).inside.to(labels.device)  # (L, R)
        losses = [
            self.loss(as_two_classes(_logit(scores, number)), self._marked(column, labels))
            for number, column in enumerate(inside.T)
        ]
        return torch.stack(losses).mean()

    def _marked(self, column: Tensor, labels: Labels) -> Labels:
        """Return a label map with 1 in a region and 0 outside; ignored voxels stay."""
        known = labels.long().clamp(max=len(column) - 1)
        marked = column[known].to(labels.dtype)
        return torch.where(labels == self.target.ignored_class, labels, marked)


def _logit(scores: Inner | Levels, number: int) -> Feature | Sequence[Feature]:
    """Return the scores of one region, for one or several levels."""
    if isinstance(scores, Tensor):
        return scores[:, number : number + 1]
    return [level[:, number : number + 1] for level in scores]
