"""MONAI's attention U-Net, whose skips have gates controlled by the coarser level."""

from collections.abc import Sequence

from monai.networks.nets import AttentionUnet as MonaiAttentionUnet

from neurotarget.models.backbone import Wrapped
from neurotarget.models.nets.unet import steps_between
from neurotarget.models.planning import total_stride
from neurotarget.models.small_grids import guard_small_grids


class AttentionUNet(Wrapped):
    """U-Net with additive attention gates on its skips and batch norm.

    Unlike the authors' code, MONAI's net also has a gate at the finest skip, and no deep
    supervision. The widths are those of the authors: 64 to 1024, divided by their feature scale of
    4. Biases of convolutions before a norm have no effect, but MONAI's weights have them.

    Source: Oktay et al. 2018, doi:10.48550/arXiv.1804.03999.

    Args:
        widths: channels of each level, finest first.
        strides: step between levels, one number or one per axis; one entry fewer than `widths`,
            by default all 2.
        kernel: side of the convolutions in voxels, odd, one number or one per axis.
        dropout: probability of dropping a value after each convolution.

    Raises:
        ValueError: the strides do not fit the widths, or a gate would have no channel.
    """

    needs_spread = True  # batch norm of one patch needs more than one voxel

    def __init__(
        self,
        in_channels: int,
        num_labels: int,
        *,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        strides: Sequence[int | Sequence[int]] | None = None,
        kernel: int | Sequence[int] = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        steps = steps_between(strides, len(widths), net="AttentionUNet")
        if min(widths[:-1]) < 2:
            raise ValueError(
                f"AttentionUNet: got widths {list(widths)}, wanted at least 2, as a gate has half "
                "the channels of its level; correct model.widths"
            )
        self.stride = total_stride(steps)
        side = kernel if isinstance(kernel, int) else tuple(kernel)
        self.net = MonaiAttentionUnet(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=num_labels,
            channels=tuple(widths),
            strides=steps,
            kernel_size=side,
            up_kernel_size=side,
            dropout=dropout,
        )
        guard_small_grids(self)
