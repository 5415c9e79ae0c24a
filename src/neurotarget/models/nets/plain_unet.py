"""The plain 3D U-Net: two convolutions per level, max pooling, transposed convolutions."""

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution, UpSample
from torch import nn

from neurotarget.models.backbone import Backbone
from neurotarget.models.nets.unet import norm_of, steps_between
from neurotarget.models.planning import total_stride
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.shapes import Image, Levels, Logits


class PlainUNet(Backbone):
    """U-Net as published: no residuals, no attention, and its first level at full resolution.

    Widths are those of the paper, which doubles channels before pooling and has 19,069,955
    parameters. Here convolutions pad, and instance norm replaces batch norm (equivalent for batches
    of one), which adds 2,336 scales.

    Source: Çiçek et al. 2016, doi:10.1007/978-3-319-46723-8_49.

    Args:
        widths: channels of each level, finest first; a level's first convolution has half.
        strides: pooling between levels, one number or one per axis; one entry fewer than `widths`,
            by default all 2.
        kernel: side of the convolutions in voxels, odd, one number or one per axis.
        norm: `instance`, `batch` or `group`.
        dropout: probability of dropping a value after each convolution.
        deep_supervision: in training, also score every coarser decoder level.

    Raises:
        ValueError: the strides do not fit the widths, or the norm is unknown.
    """

    needs_spread = True  # the norm needs a variance

    def __init__(
        self,
        in_channels: int,
        num_labels: int,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        strides: Sequence[int | Sequence[int]] | None = None,
        kernel: int | Sequence[int] = 3,
        norm: str = "instance",
        dropout: float = 0.0,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        steps = steps_between(strides, len(widths), net="PlainUNet")
        self.stride = total_stride(steps)
        self.deep_supervision = deep_supervision
        halves = [max(width // 2, 1) for width in widths]
        settings = {
            "kernel": kernel if isinstance(kernel, int) else tuple(kernel),
            "norm": norm_of(norm, [*widths, *halves], net="PlainUNet"),
            "dropout": dropout or None,
        }
        before = [in_channels, *widths[:-1]]
        self.downs = nn.ModuleList(
            _two(*channels, **settings) for channels in zip(before, halves, widths, strict=True)
        )
        self.pools = nn.ModuleList(nn.MaxPool3d(step) for step in steps)
        self.raises, self.ups = nn.ModuleList(), nn.ModuleList()
        for below, width, step in zip(widths[:0:-1], widths[-2::-1], steps[::-1], strict=True):
            self.raises.append(UpSample(3, below, below, scale_factor=step, bias=False))
            self.ups.append(_two(below + width, width, width, **settings))
        coarse = widths[-2:0:-1] if deep_supervision else ()
        self.heads = nn.ModuleList(nn.Conv3d(width, num_labels, 1) for width in coarse)
        self.top = nn.Conv3d(widths[0], num_labels, 1)
        guard_small_grids(self)

    def score(self, image: Image) -> Logits | Levels:
        """Score every voxel; with deep supervision in training, also coarser grids."""
        feature = self.downs[0](image)
        skips = []
        for pool, down in zip(self.pools, self.downs[1:], strict=True):
            skips.append(feature)
            feature = down(pool(feature))
        levels = []
        for lift, up in zip(self.raises, self.ups, strict=True):  # coarsest first
            feature = up(torch.cat([skips.pop(), lift(feature)], dim=1))
            levels.append(feature)
        return self.with_coarse(self.top(feature), levels, self.heads)


def _two(
    before: int,
    between: int,
    after: int,
    *,
    kernel: int | tuple[int, ...],
    norm: tuple[str, dict[str, bool | int]],
    dropout: float | None,
) -> nn.Sequential:
    """Two convolutions, each with norm and ReLU, without bias, which the norm would remove."""
    settings = {"kernel_size": kernel, "norm": norm, "dropout": dropout, "bias": False}
    return nn.Sequential(
        Convolution(3, before, between, act="relu", **settings),
        Convolution(3, between, after, act="relu", **settings),
    )
