"""MONAI's V-Net: residual levels of 5×5×5 convolutions."""

from monai.networks.nets import VNet as MonaiVNet
from monai.networks.nets.vnet import (
    DownTransition,
    InputTransition,
    OutputTransition,
    UpTransition,
)
from torch import nn

from neurotarget.models.backbone import Backbone
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.shapes import Image, Logits

ACT = ("elu", {"inplace": True})


class VNet(Backbone):
    """MONAI's V-Net of five levels with batch norm and ELU.

    Its first level adds the image, repeated over channels, to its output; if the number of
    contrasts does not divide the width, `stem`, a 1×1×1 convolution, first maps it to the next
    number that does.

    Source: Milletari et al. 2016, doi:10.1109/3DV.2016.79.

    Args:
        base_width: channels of the finest level; each coarser one has twice as many.
        dropout: probability of dropping a channel in the two coarsest levels and the skips.

    Raises:
        ValueError: the width is less than the number of contrasts.
    """

    stride = (16, 16, 16)
    needs_spread = True  # batch norm of one patch needs more than one voxel

    def __init__(
        self, in_channels: int, num_labels: int, *, base_width: int = 16, dropout: float = 0.5
    ) -> None:
        super().__init__()
        if base_width < in_channels:
            raise ValueError(
                f"VNet: got base_width {base_width} for {in_channels} contrasts, wanted at least "
                "as many; correct model.base_width"
            )
        taken = next(n for n in range(in_channels, base_width + 1) if base_width % n == 0)
        fits = taken == in_channels
        self.stem = nn.Identity() if fits else nn.Conv3d(in_channels, taken, 1)
        self.net = _Scaled(taken, num_labels, base_width=base_width, dropout=dropout)
        guard_small_grids(self)

    def score(self, image: Image) -> Logits:
        """Score every voxel."""
        return self.net(self.stem(image))


class _Scaled(MonaiVNet):
    """MONAI's net at any width; at 16 its names, shapes and results are MONAI's."""

    def __init__(
        self, in_channels: int, num_labels: int, *, base_width: int, dropout: float
    ) -> None:
        nn.Module.__init__(self)  # MONAI's own would build the levels at a width of 16
        one, two, four, eight, most = (base_width * 2**level for level in range(5))
        skips, both = (None, dropout), (dropout, dropout)
        self.in_tr = InputTransition(3, in_channels, one, ACT)
        self.down_tr32 = DownTransition(3, one, 1, ACT)
        self.down_tr64 = DownTransition(3, two, 2, ACT)
        self.down_tr128 = DownTransition(3, four, 3, ACT, dropout_prob=dropout)
        self.down_tr256 = DownTransition(3, eight, 2, ACT, dropout_prob=dropout)
        self.up_tr256 = UpTransition(3, most, most, 2, ACT, dropout_prob=both)
        self.up_tr128 = UpTransition(3, most, eight, 2, ACT, dropout_prob=both)
        self.up_tr64 = UpTransition(3, eight, four, 1, ACT, dropout_prob=skips)
        self.up_tr32 = UpTransition(3, four, two, 1, ACT, dropout_prob=skips)
        self.out_tr = OutputTransition(3, two, num_labels, ACT)
