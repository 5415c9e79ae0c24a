"""Swin UNETR: an encoder with attention in shifted windows, and a convolutional decoder."""

from collections.abc import Sequence

from monai.networks.nets import SwinUNETR as MonaiSwinUNETR

from neurotarget.models.backbone import Wrapped
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.types import TripleVox


class SwinUNETR(Wrapped):
    """MONAI's Swin UNETR, for any sides that are multiples of 32.

    Source: Hatamizadeh et al. 2022, doi:10.1007/978-3-031-08999-2_22; with `residual`, He et al.
    2023, doi:10.1007/978-3-031-43901-8_40.

    Args:
        feature_size: channels of the first stage, doubled at each; a multiple of 12.
        depths: attention layers of each stage, even numbers, as windows alternate.
        num_heads: attention heads of each stage.
        window_vox: side of the attention windows, in the voxels of a stage's own grid.
        norm: of the convolutions, `instance` or `batch`.
        dropout: probability of dropping a value in the transformer.
        residual: start each stage with a residual convolution, as in Swin UNETR version 2.
        checkpointing: save memory by activation checkpointing in the encoder.

    Raises:
        ValueError: the stages are not four, or the channels no multiple of 12 or of the heads.
    """

    stride: TripleVox = (32, 32, 32)
    needs_spread = True
    pretrained_with = "MONAI's SwinUNETR"

    def __init__(
        self,
        in_channels: int,
        num_labels: int,
        *,
        feature_size: int = 48,
        depths: Sequence[int] = (2, 2, 2, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window_vox: int = 7,
        norm: str = "instance",
        dropout: float = 0.0,
        residual: bool = False,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        _check_stages(feature_size, depths, num_heads)
        self.net = MonaiSwinUNETR(
            in_channels=in_channels,
            out_channels=num_labels,
            feature_size=feature_size,
            depths=tuple(depths),
            num_heads=tuple(num_heads),
            window_size=window_vox,
            norm_name=norm,
            drop_rate=dropout,
            use_v2=residual,
            use_checkpoint=checkpointing,
        )
        guard_small_grids(self)


def _check_stages(feature_size: int, depths: Sequence[int], num_heads: Sequence[int]) -> None:
    if len(depths) != 4 or len(num_heads) != 4:
        raise ValueError(
            f"SwinUNETR: got {len(depths)} depths and {len(num_heads)} numbers of heads, wanted "
            "four of each, one per stage; correct conf/model/swin_unetr.yaml"
        )
    widths = [feature_size * 2**stage for stage in range(4)]
    unshared = [f"{w} by {h}" for w, h in zip(widths, num_heads, strict=True) if w % h]
    if feature_size % 12 or unshared:
        shares = f", whose heads cannot share {', '.join(unshared)}" if unshared else ""
        raise ValueError(
            f"SwinUNETR: got feature_size {feature_size}{shares}, wanted a multiple of 12 that "
            "the heads divide; correct conf/model/swin_unetr.yaml"
        )
