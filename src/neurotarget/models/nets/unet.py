"""The residual 3D U-Net."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from neurotarget.models.backbone import Backbone
from neurotarget.models.planning import total_stride
from neurotarget.models.residual import Convolution, Norm, ResidualUnit
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.shapes import Image, Levels, Logits
from neurotarget.types import TripleVox


class UNet(Backbone):
    """Residual U-Net that starts at half resolution, which makes it fast on a CPU.

    The network is MONAI's `UNet(num_res_units=2)`; deep supervision can use the decoder's coarser
    levels (MONAI's DynUNet has this, but takes five times as long on a CPU at equal widths).

    Source: Kerfoot et al. 2019, doi:10.1007/978-3-030-12029-0_40.

    Args:
        widths: channels of each level, finest first.
        strides: step between levels, one number or one per axis; one entry fewer than `widths`,
            by default all 2.
        kernel: side of the convolutions in voxels, odd, one number or one per axis.
        norm: `instance`, `batch` or `group`.
        dropout: probability of dropping a value after each convolution.
        top_width: channels at full resolution before a last 1×1×1 convolution; by default there
            is no such convolution, as in MONAI, and the finest level returns the scores.
        image_skip: add a convolution of the image itself to the finest level of the decoder, which
            then sees edges one voxel thick, as between gyri; needs a `top_width`.
        deep_supervision: in training, also score every coarser decoder level.

    Raises:
        ValueError: the strides do not fit the widths, the norm is unknown, or an `image_skip` has
            no `top_width`.
    """

    needs_spread = True  # the norm needs a variance

    def __init__(
        self,
        in_channels: int,
        num_labels: int,
        *,
        widths: Sequence[int] = (16, 32, 64, 128),
        strides: Sequence[int | Sequence[int]] | None = None,
        kernel: int | Sequence[int] = 3,
        norm: str = "instance",
        dropout: float = 0.0,
        top_width: int | None = None,
        image_skip: bool = False,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        strides = steps_between(strides, len(widths), net="UNet")
        self.stride = total_stride(strides)
        self.deep_supervision = deep_supervision
        sides = (kernel,) * 3 if isinstance(kernel, int) else tuple(kernel)
        if any(side % 2 == 0 for side in sides):
            raise ValueError(f"UNet: got a kernel of {kernel}, wanted odd sides; set model.kernel")
        if image_skip and not top_width:
            raise ValueError(
                "UNet: got an image skip without channels at full resolution, wanted both; set "
                "model.top_width, for example to 8"
            )
        last = top_width or num_labels
        blocks = {
            "kernel": sides,
            "norm": norm_layers(norm, [*widths, last], net="UNet"),
            "dropout": dropout,
        }
        bottom = ResidualUnit(widths[-2], widths[-1], **blocks)
        downs, ups = [], []
        for level in reversed(range(len(strides))):  # coarsest first, for MONAI's first weights
            width, step = widths[level], strides[level]
            before = widths[level - 1] if level else in_channels
            downs.append(ResidualUnit(before, width, step=step, **blocks))
            below = widths[-1] if level == len(strides) - 1 else width
            after = widths[level - 1] if level else last
            rise = Convolution(width + below, after, step=step, is_transposed=True, **blocks)
            is_bare = level == 0 and not image_skip
            unit = ResidualUnit(after, after, count=1, is_last_bare=is_bare, **blocks)
            ups.append(nn.Sequential(rise, unit))
        self.downs, self.bottom = nn.ModuleList(reversed(downs)), bottom
        self.ups = nn.ModuleList(ups)
        self.image_skip = Convolution(in_channels, last, **blocks) if image_skip else None
        self.top = nn.Conv3d(top_width, num_labels, 1) if top_width else nn.Identity()
        coarse = reversed(widths[:-2]) if deep_supervision else ()
        self.heads = nn.ModuleList(nn.Conv3d(width, num_labels, 1) for width in coarse)
        guard_small_grids(self)

    def score(self, image: Image) -> Logits | Levels:
        """Score every voxel; with deep supervision in training, also coarser grids."""
        skips, feature = [], image
        for down in self.downs:
            feature = down(feature)
            skips.append(feature)
        feature, levels = self.bottom(feature), []
        for rise, unit in self.ups:  # coarsest first
            feature = rise(torch.cat([skips.pop(), feature], dim=1))
            if self.image_skip is not None and not skips:
                feature = feature + self.image_skip(image)
            feature = unit(feature)
            levels.append(feature)
        return self.with_coarse(self.top(feature), levels, self.heads)


def steps_between(
    strides: Sequence[int | Sequence[int]] | None, levels: int, *, net: str
) -> tuple[TripleVox, ...]:
    """Expand the step between levels to one number per axis; by default all are 2.

    Raises:
        ValueError: the number of steps is not that of levels minus one, or a step is invalid; the
            message has the name of the `net`.
    """
    strides = [2] * (levels - 1) if strides is None else list(strides)
    if levels < 2 or len(strides) != levels - 1:
        raise ValueError(
            f"{net}: got {levels} widths and {len(strides)} strides, wanted at least two widths "
            "and one stride fewer; correct model.widths or model.strides"
        )
    steps = tuple((step,) * 3 if isinstance(step, int) else tuple(step) for step in strides)
    if any(len(step) != 3 or min(step) < 1 for step in steps):
        raise ValueError(
            f"{net}: got strides {strides}, wanted whole numbers of at least 1, one per step "
            "or three; correct model.strides"
        )
    return steps


def norm_of(name: str, widths: Sequence[int], *, net: str) -> tuple[str, dict[str, bool | int]]:
    """Return a norm in MONAI's format; the number of groups divides every width, at most 8.

    Raises:
        ValueError: the norm is unknown; the message has the name of the `net`.
    """
    if name not in ("instance", "batch", "group"):
        raise ValueError(f"{net}: got norm {name!r}, wanted instance, batch or group")
    if name == "group":
        return name, {"num_groups": math.gcd(8, *widths)}
    return name, {"affine": True}


def norm_layers(name: str, widths: Sequence[int], *, net: str) -> Norm:
    """Return a function that makes a norm of a number of channels, see `norm_of`."""
    kind, settings = norm_of(name, widths, net=net)
    if kind == "group":
        return lambda width: nn.GroupNorm(num_channels=width, **settings)
    made = nn.InstanceNorm3d if kind == "instance" else nn.BatchNorm3d
    return lambda width: made(width, **settings)
