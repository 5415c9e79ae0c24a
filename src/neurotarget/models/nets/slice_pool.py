"""A network of slices: each is encoded in its plane, and the strongest features are kept."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from neurotarget.models.backbone import VectorBackbone
from neurotarget.models.nets.resnet import residual_network
from neurotarget.shapes import Image, Outputs

Maps = Float[Tensor, "B outputs I J K"]


class SlicePool(VectorBackbone):
    """A residual network of each slice along K, the features' maximum over slices, a linear layer.

    A series may have any number of slices. Source: MRNet, Bien et al. 2018,
    doi:10.1371/journal.pmed.1002699, which encodes slices with AlexNet.

    Args:
        depth: 10, 18, 34 or 50, the layers of the residual network.
        width: channels of its first stage, doubled at each further one.
        stem_kernel: side of the first convolution's kernel.
        stem_stride: of the first convolution.
        pool: whether the stem ends with a pooling of stride 2.
        dropout: probability of dropping a feature before the last layer.

    Raises:
        ValueError: the depth is not one of these.
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
        dropout: float = 0.0,
    ) -> None:
        super().__init__(num_outputs)
        self.net = residual_network(
            in_channels,
            depth=depth,
            width=width,
            stem_kernel=stem_kernel,
            stem_stride=stem_stride,
            pool=pool,
            is_flat=True,
        )
        features = self.net.in_planes
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, num_outputs))

    def raw(self, image: Image) -> Outputs:
        """Outputs before `spread` and `centre` are applied."""
        return self.head(strongest_features(self.net, image))

    def activation_maps(self, image: Image) -> Maps:
        """Class activation maps of each slice; see `slice_maps`."""
        return slice_maps(self._places, self.head[1], image)

    def _places(self, slices: Tensor) -> Tensor:
        """Features of each place of slices, before their mean."""
        kept: list[Tensor] = []
        hook = self.net.layer4.register_forward_hook(lambda *passed: kept.append(passed[2]))
        try:
            self.net(slices)
        finally:
            hook.remove()
        return kept[0]


def slice_maps(encode: Callable[[Tensor], Tensor], layer: nn.Linear, image: Image) -> Maps:
    """Class activation maps: weights of the last layer times the features of each place.

    There is one map per slice along K, enlarged to the slice. Places above 0 raise the output, and
    those below 0 lower it. Only the slice in which a feature is strongest contributes that feature
    to the output, so maps of other slices also show features that had no influence.

    Source: Zhou et al. 2016, doi:10.1109/CVPR.2016.319; of each slice as in MRNet, Bien et al.
    2018, doi:10.1371/journal.pmed.1002699.
    """
    features = encode(_slices(image).flatten(0, 1)).float()  # (B K, F, I', J')
    maps = torch.einsum("of,nfij->noij", layer.weight.float(), features)
    sides: Sequence[int] = image.shape[2:4]
    maps = F.interpolate(maps, size=tuple(sides), mode="bilinear", align_corners=False)
    return maps.unflatten(0, (len(image), image.shape[4])).permute(0, 2, 3, 4, 1)


def _slices(image: Image) -> Float[Tensor, "B K C I J"]:
    return image.permute(0, 4, 1, 2, 3)


def strongest_features(encode: Callable[[Tensor], Tensor], image: Image) -> Tensor:
    """Encode each slice along K, (B K, C, I, J) to (B K, F), and take the maximum, (B, F)."""
    slices = _slices(image)
    features = encode(slices.flatten(0, 1))
    return features.unflatten(0, slices.shape[:2]).amax(dim=1)
