"""A network of patches: each place of an image is scored, and the highest scores decide."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from neurotarget.models.backbone import VectorBackbone
from neurotarget.models.nets.resnet import residual_network
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.shapes import Image, Outputs


class PatchPool(VectorBackbone):
    """Multiple-instance learning: a residual network that scores each place instead of pooling.

    A place sees its receptive field only. The scores s of N places are joined by the smooth maximum
    log(mean(exp(r s))) / r: their mean where r is near 0, their maximum where it is large.

    Source: Pinheiro and Collobert 2015, doi:10.1109/CVPR.2015.7298780 (smooth maximum); as the MIL
    of Gooßen et al. 2019, arXiv 1907.07324.

    Args:
        depth: 10, 18, 34 or 50 layers.
        width: channels of the first of four stages, doubled at each further one.
        stem_kernel: side of the first convolution's kernel.
        stem_stride: of the first convolution.
        pool: whether the stem ends with a pooling of stride 2.
        is_flat: images are slices: every kernel and stride is 1 along K.
        sharpness: r.

    Raises:
        ValueError: the depth is not one of these, or the sharpness is not positive.
    """

    def __init__(
        self,
        in_channels: int,
        num_outputs: int,
        *,
        depth: int = 18,
        width: int = 64,
        stem_kernel: int = 7,
        stem_stride: int = 2,
        pool: bool = True,
        is_flat: bool = False,
        sharpness: float = 5.0,
    ) -> None:
        super().__init__(num_outputs)
        if sharpness <= 0:
            raise ValueError(f"sharpness: got {sharpness}, wanted a positive number")
        self.net = residual_network(
            in_channels,
            depth=depth,
            width=width,
            stem_kernel=stem_kernel,
            stem_stride=stem_stride,
            pool=pool,
            is_flat=is_flat,
        )
        self.net.avgpool = Places()
        self.is_flat, self.sharpness = is_flat, sharpness
        self.head = nn.Linear(self.net.in_planes, num_outputs)
        guard_small_grids(self)

    def raw(self, image: Image) -> Outputs:
        """Outputs before they are brought to their unit."""
        features = self.net(image[..., 0] if self.is_flat else image)
        # (B, N, F)
        places = features.unflatten(1, (self.head.in_features, -1)).transpose(1, 2)
        scores = self.sharpness * self.head(places).float()  # (B, N, outputs)
        return (torch.logsumexp(scores, dim=1) - math.log(scores.shape[1])) / self.sharpness


class Places(nn.Module):
    """In place of the mean over an image: features of all places, (B, F, N)."""

    def forward(self, feature: Float[Tensor, "B F *sides"]) -> Float[Tensor, "B F N"]:
        """Lay the places out one after another, whatever the layout in memory."""
        return feature.flatten(2).contiguous()
