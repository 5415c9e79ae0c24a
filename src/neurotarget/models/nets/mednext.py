"""MedNeXt: blocks of depthwise convolutions, structured like transformer blocks."""

from typing import NamedTuple

from monai.networks.nets import MedNeXt as MonaiMedNeXt

from neurotarget.models.backbone import Backbone
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.shapes import Image, Levels, Logits
from neurotarget.types import TripleVox


class Size(NamedTuple):
    """Expansions and blocks of the encoder's levels (mirrored in the decoder) and bottleneck."""

    expansion: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]
    bottleneck: tuple[int, int]  # expansion, blocks


SIZES = {
    "S": Size((2, 2, 2, 2), (2, 2, 2, 2), (2, 2)),
    "B": Size((2, 3, 4, 4), (2, 2, 2, 2), (4, 2)),
    "M": Size((2, 3, 4, 4), (3, 4, 4, 4), (4, 4)),
    "L": Size((3, 4, 8, 8), (3, 4, 8, 8), (8, 8)),
}


class MedNeXt(Backbone):
    """MONAI's MedNeXt in the paper's four sizes.

    Biases of convolutions before a norm have no effect, as the norm removes them.

    Source: Roy et al. 2023, doi:10.1007/978-3-031-43901-8_39.

    Args:
        size: `S`, `B`, `M` or `L`: number of blocks, and their inner width.
        kernel: side of the depthwise convolutions in voxels; the paper has 3 and 5.
        width: channels at full resolution, doubled at each of the four steps.
        deep_supervision: in training, also score the four coarser grids.

    Raises:
        ValueError: the size is unknown, or the kernel not odd.
    """

    stride: TripleVox = (16, 16, 16)
    needs_spread = True
    pretrained_with = "MONAI's MedNeXt"

    def __init__(
        self,
        in_channels: int,
        num_labels: int,
        *,
        size: str = "S",
        kernel: int = 3,
        width: int = 32,
        deep_supervision: bool = True,
    ) -> None:
        super().__init__()
        if size not in SIZES:
            raise ValueError(f"MedNeXt: got size {size!r}, wanted one of {', '.join(SIZES)}")
        if kernel % 2 == 0:
            raise ValueError(f"MedNeXt: got kernel {kernel}, wanted an odd side such as 3 or 5")
        self.deep_supervision = deep_supervision
        expansion, blocks, (inner_expansion, inner_blocks) = SIZES[size]
        self.net = MonaiMedNeXt(
            in_channels=in_channels,
            out_channels=num_labels,
            init_filters=width,
            kernel_size=kernel,
            encoder_expansion_ratio=expansion,
            bottleneck_expansion_ratio=inner_expansion,
            decoder_expansion_ratio=expansion[::-1],
            blocks_down=blocks,
            blocks_bottleneck=inner_blocks,
            blocks_up=blocks[::-1],
            use_residual_connection=True,
            deep_supervision=deep_supervision,
        )
        guard_small_grids(self)

    def score(self, image: Image) -> Logits | Levels:
        """Score every voxel; with deep supervision in training, also coarser grids."""
        scores = self.net(image)
        return list(scores) if isinstance(scores, tuple) else scores
