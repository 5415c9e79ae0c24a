"""A network of slices: each is encoded in its plane, and the strongest features are kept."""

from monai.networks.nets.resnet import ResNet as MonaiResNet
from torch import nn

from neurotarget.models.backbone import VectorBackbone
from neurotarget.models.nets.resnet import layers_of
from neurotarget.shapes import Image, Outputs


class SlicePool(VectorBackbone):
    """A residual network of each slice along K, the maximum of its features over slices, a layer.

    A series may have any number of slices. Source: MRNet, Bien et al. 2018,
    doi:10.1371/journal.pmed.1002699, which encodes slices with AlexNet.

    Args:
        depth: 10, 18, 34 or 50 layers of the network of a slice.
        width: channels of its first stage, doubled at each of the four.
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
        block, layers = layers_of(depth)
        self.net = MonaiResNet(
            block=block,
            layers=list(layers),
            block_inplanes=[width, 2 * width, 4 * width, 8 * width],
            spatial_dims=2,
            n_input_channels=in_channels,
            conv1_t_size=stem_kernel,
            conv1_t_stride=stem_stride,
            no_max_pool=not pool,
            feed_forward=False,
        )
        features = 8 * width * block.expansion
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(features, num_outputs))

    def raw(self, image: Image) -> Outputs:
        """Outputs before they are brought to their unit."""
        slices = image.permute(0, 4, 1, 2, 3)  # (B, K, C, I, J)
        features = self.net(slices.flatten(0, 1))  # (B K, F)
        strongest = features.unflatten(0, slices.shape[:2]).amax(dim=1)  # (B, F)
        return self.head(strongest)
