"""MONAI's UNet++, with nested convolutions on the skips of every level."""

from collections.abc import Sequence

from monai.networks.nets import BasicUNetPlusPlus
from torch import nn

from neurotarget.models.backbone import Backbone
from neurotarget.models.nets.unet import norm_of
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.shapes import Image, Levels, Logits

LEVELS = 5


class UNetPlusPlus(Backbone):
    """Nested U-Net of five levels.

    With deep supervision each of the four decoders of growing depth scores the full grid, the
    deepest first: `DeepSupervision` weights them by 1, 1/2, 1/4, 1/8, where the paper has equal
    weights. In evaluation only the deepest is used, one of the paper's two modes; the other is
    their mean.

    Source: Zhou et al. 2018, doi:10.1007/978-3-030-00889-5_1.

    Args:
        widths: channels of the five levels, finest first, and of the last layer before the
            scores; the default is MONAI's.
        norm: `instance`, `batch` or `group`.
        dropout: probability of dropping a value after each convolution.
        deep_supervision: in training, also score with the three shallower decoders.

    Raises:
        ValueError: there are not six widths, or the norm is unknown.
    """

    stride = (2 ** (LEVELS - 1),) * 3
    needs_spread = True  # the norm needs a variance

    def __init__(
        self,
        in_channels: int,
        num_labels: int,
        *,
        widths: Sequence[int] = (32, 32, 64, 128, 256, 32),
        norm: str = "instance",
        dropout: float = 0.0,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) != LEVELS + 1:
            raise ValueError(
                f"UNetPlusPlus: got {len(widths)} widths, wanted {LEVELS + 1}: one for each of "
                f"{LEVELS} levels and one for the last layer; correct model.widths"
            )
        self.deep_supervision = deep_supervision
        self.net = BasicUNetPlusPlus(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=num_labels,
            features=tuple(widths),
            deep_supervision=deep_supervision,
            norm=norm_of(norm, widths, net="UNetPlusPlus"),
            dropout=dropout,
        )
        if not deep_supervision:  # MONAI computes these scores and drops them
            self.net.final_conv_0_1 = nn.Identity()
            self.net.final_conv_0_2 = nn.Identity()
            self.net.final_conv_0_3 = nn.Identity()
        guard_small_grids(self)

    def score(self, image: Image) -> Logits | Levels:
        """Score every voxel; with deep supervision in training, by four decoders, deepest first."""
        *shallower, deepest = self.net(image)
        if self.training and self.deep_supervision:
            return [deepest, *reversed(shallower)]
        return deepest
