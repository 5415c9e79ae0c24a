"""UNETR: a transformer over blocks of 16³ voxels as encoder, and a convolutional decoder."""

from collections.abc import Sequence

from monai.networks import nets
from torch import nn

from neurotarget.models.backbone import Wrapped
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.shapes import Image, times
from neurotarget.types import TripleVox


class UNETR(Wrapped):
    """MONAI's UNETR, for a single patch size.

    Each block of 16³ voxels has a learned position embedding, so weights belong to one patch size:
    the net accepts no other sides, neither in training nor for whole volumes; `nearest` and `below`
    return sides that it can be built for. The encoder has 12 layers; MONAI's unused
    `norm_cross_attn` is removed.

    Source: Hatamizadeh et al. 2022, doi:10.1109/WACV51458.2022.00181.

    Args:
        patch_vox: sides of the patches, rounded up to multiples of 16.
        feature_size: channels of the convolutions at full resolution, doubled at each step.
        hidden_size: size of the transformer's token of a block of voxels.
        mlp_dim: width of its two-layer perceptrons.
        num_heads: attention heads; they share `hidden_size` evenly.
        norm: of the convolutions, `instance` or `batch`.
        dropout: probability of dropping a value in the transformer.

    Raises:
        ValueError: the heads cannot share `hidden_size`.
    """

    stride: TripleVox = (16, 16, 16)
    pretrained_with = "MONAI's UNETR"

    def __init__(
        self,
        in_channels: int,
        num_labels: int,
        *,
        patch_vox: Sequence[int] = (96, 96, 96),
        feature_size: int = 16,
        hidden_size: int = 768,
        mlp_dim: int = 3072,
        num_heads: int = 12,
        norm: str = "instance",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if hidden_size % num_heads:
            raise ValueError(
                f"UNETR: got hidden_size {hidden_size} and num_heads {num_heads}, wanted a "
                "multiple of the heads; correct conf/model/unetr.yaml"
            )
        self.patch_vox = self.nearest(patch_vox)
        self.net = nets.UNETR(
            in_channels=in_channels,
            out_channels=num_labels,
            img_size=self.patch_vox,
            feature_size=feature_size,
            hidden_size=hidden_size,
            mlp_dim=mlp_dim,
            num_heads=num_heads,
            norm_name=norm,
            dropout_rate=dropout,
        )
        for block in self.net.vit.blocks:  # MONAI never uses this norm
            block.norm_cross_attn = nn.Identity()
        guard_small_grids(self)

    def check(self, image: Image) -> None:
        """Refuse an image with sides other than the patch's.

        Raises:
            ValueError: the sides differ from those of the patch.
        """
        if (sides := tuple(image.shape[2:])) != self.patch_vox:
            raise ValueError(
                f"UNETR: got sides {times(sides)}, wanted those it is built for, the patch's; the "
                f"nearest are {times(self.patch_vox)}"
            )
