"""Prediction by one binary network per region: their probabilities fused into one label map."""

import torch
from jaxtyping import Float
from torch import Tensor

from neurotarget.inference.segment import Predictor
from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.metrics.region_parts import merged
from neurotarget.models.region_nets import WholeNet
from neurotarget.types import Target

LEAST = 0.5  # probability of a region, and its share after the softmax


def fused(scores: Float[Tensor, "L ..."]) -> Float[Tensor, "L ..."]:
    """Fuse one logit per region into shares of classes; each voxel keeps at most one region.

    Probabilities below 0.5 become 0, all are multiplied by the number of regions, a softmax over
    the regions follows, and a share of at least 0.5 is kept. Background gets 1 minus this share, so
    that the largest share is the voxel's label. The factor makes the softmax sharp: without it none
    of more than three regions would reach 0.5. Two regions whose probabilities differ by less than
    about 1 / number of regions leave a voxel to background where a third region competes.
    A region of probability 0 is never kept, which matters only for targets of one or two regions.

    Source: Lim et al. 2022, doi:10.3389/fnagi.2022.1027857, and its code of 2022-12-12.

    Args:
        scores: background, which is not used, then one logit per region.
    """
    regions = torch.sigmoid(scores[1:])
    regions = torch.where(regions < LEAST, 0.0, regions)
    shares = torch.softmax(len(regions) * regions, dim=0)
    kept = torch.where((shares >= LEAST) & (regions > 0), shares, 0.0)
    return torch.cat([1 - kept.sum(dim=0, keepdim=True), kept])


class RegionPredictor(Predictor):
    """Segments scans with `RegionNets`."""

    @property
    def settings(self) -> dict[str, object]:
        """All settings that affect a prediction, as plain values."""
        return {**super().settings, "fusion": "regions"}

    def to_probabilities(self, scores: Float[Tensor, "L ..."]) -> Float[Tensor, "L ..."]:
        """Compute the shares of the classes by fusion of binary networks."""
        return fused(scores)

    def of_whole(self) -> Predictor:
        """Return a predictor of all regions together, as one label `whole`.

        It runs `nets[0]`, which predictions of the regions do not use.
        """
        window = self.inferer
        return Predictor(
            WholeNet(self.net),
            whole_target(self.target),
            self.preparation,
            inferer=SlidingWindow(
                window.window_vox,
                overlap=window.overlap,
                batch=window.batch,
                swap=None if window.swap is None else (0, 1),
                margin_vox=window.margin_vox,
                centre=window.centre,
            ),
            device=str(self.device),
            bf16=self.bf16,
            localiser=self.localiser,
        )


def whole_target(target: Target) -> Target:
    """Return the target with all labels merged to `whole`, without pairs and hypotheses."""
    return merged(target, "whole", target.label_names)
