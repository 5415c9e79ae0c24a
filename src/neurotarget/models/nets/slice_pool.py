"""A network of slices: each is encoded in its plane, and the strongest features are kept."""

from collections.abc import Callable

from torch import Tensor, nn

from neurotarget.models.backbone import VectorBackbone
from neurotarget.models.nets.resnet import residual_network
from neurotarget.shapes import Image, Outputs


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


def strongest_features(encode: Callable[[Tensor], Tensor], image: Image) -> Tensor:
    """Encode each slice along K, (B K, C, I, J) to (B K, F), and take the maximum, (B, F)."""
    slices = image.permute(0, 4, 1, 2, 3)  # (B, K, C, I, J)
    features = encode(slices.flatten(0, 1))
    return features.unflatten(0, slices.shape[:2]).amax(dim=1)
