"""MONAI's SegResNet: a deep residual encoder and a light decoder with additive skips."""

import math
from collections.abc import Sequence

from monai.networks.nets import SegResNet as MonaiSegResNet
from torch import nn

from neurotarget.models.backbone import Backbone
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.shapes import Image, Levels, Logits


class SegResNet(Backbone):
    """Encoder and decoder of the winner of BraTS 2018, without its autoencoder branch.

    Group norm works for any batch size and for single voxels. Deep supervision is not in the paper;
    its heads are separate from the net, so that weights fit with and without them.

    Source: Myronenko 2019, doi:10.1007/978-3-030-11726-9_28.

    Args:
        base_width: channels of the finest level; each coarser one has twice as many.
        blocks_down: residual blocks of each encoder level, finest first.
        blocks_up: residual blocks of each decoder level, coarsest first; by default 1 each.
        dropout: probability of dropping a channel after the first convolution.
        upsample: `nontrainable` (linear, as published), `deconv` or `pixelshuffle`.
        deep_supervision: in training, also score every coarser decoder level.

    Raises:
        ValueError: the blocks of encoder and decoder do not fit, or upsampling is unknown.
    """

    pretrained_with = "MONAI's SegResNet"

    def __init__(
        self,
        in_channels: int,
        num_labels: int,
        *,
        base_width: int = 32,
        blocks_down: Sequence[int] = (1, 2, 2, 4),
        blocks_up: Sequence[int] | None = None,
        dropout: float = 0.2,
        upsample: str = "nontrainable",
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        ups = [1] * (len(blocks_down) - 1) if blocks_up is None else list(blocks_up)
        if len(blocks_down) < 2 or len(ups) != len(blocks_down) - 1:
            raise ValueError(
                f"SegResNet: got blocks_down {list(blocks_down)} and blocks_up {ups}, wanted at "
                "least two levels down and one level fewer up; correct model.blocks_up"
            )
        if upsample not in ("nontrainable", "deconv", "pixelshuffle"):
            raise ValueError(
                f"SegResNet: got upsample {upsample!r}, wanted nontrainable, deconv or pixelshuffle"
            )
        self.stride = (2 ** len(ups),) * 3
        self.deep_supervision = deep_supervision and len(ups) > 1
        self.net = MonaiSegResNet(
            spatial_dims=3,
            init_filters=base_width,
            in_channels=in_channels,
            out_channels=num_labels,
            dropout_prob=dropout or None,
            norm=("group", {"num_groups": math.gcd(8, base_width)}),
            blocks_down=tuple(blocks_down),
            blocks_up=tuple(ups),
            upsample_mode=upsample,
        )
        widths = [base_width * 2**level for level in range(1, len(ups))]
        coarse = reversed(widths) if self.deep_supervision else ()
        self.heads = nn.ModuleList(nn.Conv3d(width, num_labels, 1) for width in coarse)
        guard_small_grids(self)

    def score(self, image: Image) -> Logits | Levels:
        """Score every voxel; with deep supervision in training, also coarser grids."""
        feature, skips = self.net.encode(image)
        levels, skips = [], skips[:-1]
        for sample, up in zip(self.net.up_samples, self.net.up_layers, strict=True):
            feature = up(sample(feature) + skips.pop())
            levels.append(feature)
        return self.with_coarse(self.net.conv_final(feature), levels, self.heads)
