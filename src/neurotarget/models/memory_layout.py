"""The layout of weights in memory with channels last, in which convolutions are fastest."""

import torch
from torch import nn

from neurotarget.models.laid_out_layers import lay_out_layers

LAST = {5: torch.channels_last_3d, 4: torch.channels_last}  # by the dimensions of a weight


def channels_last(net: nn.Module) -> nn.Module:
    """Lay out the weights of a network with channels last, in place; returns the network.

    Layers that PyTorch computes slowly in this layout are computed by `laid_out_layers`.

    `Module.to(memory_format=…)` refuses networks that convolve in two and in three dimensions.
    """
    for tensor in (*net.parameters(), *net.buffers()):
        if tensor.dim() in LAST:
            tensor.data = tensor.data.contiguous(memory_format=LAST[tensor.dim()])
    return lay_out_layers(net)
