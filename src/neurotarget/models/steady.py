"""Convolutions on tiny grids in float32, where a processor's bfloat16 ones go wrong."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

Feature = Float[Tensor, "B _ _ _ _"]


def steady(net: nn.Module) -> nn.Module:
    """Let 3D convolutions compute in float32 under a CPU's autocast where a side is too short.

    The gradient of their weights is left unwritten in part where a side of the grid is shorter
    than the kernel: whatever the memory held before counts as gradient, NaN included. Seen with
    torch 2.13 (oneDNN 3.12) on AVX-512; such grids are so small that float32 costs nothing.
    """
    for module in net.modules():
        if type(module) is nn.Conv3d:
            module.__class__ = SteadyConv3d
    return net


class SteadyConv3d(nn.Conv3d):
    """A convolution that `steady` watches; its weights, names and float32 results are the same."""

    def forward(self, image: Feature) -> Feature:
        """Convolve, in float32 where bfloat16 on a CPU would break the weights' gradient."""
        is_reduced = image.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        pairs = zip(image.shape[2:], self.kernel_size, strict=True)
        if not (is_reduced and any(side < kernel for side, kernel in pairs)):
            return super().forward(image)
        with torch.autocast("cpu", enabled=False):
            exact = super().forward(image.float())
        return exact.to(torch.get_autocast_dtype("cpu"))
