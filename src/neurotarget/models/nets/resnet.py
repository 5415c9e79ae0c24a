"""Residual networks that score whole images, in three dimensions or in the plane of a slice."""

from monai.networks.nets.resnet import ResNet as MonaiResNet
from monai.networks.nets.resnet import ResNetBlock, ResNetBottleneck
from torch import nn

from neurotarget.models.backbone import VectorBackbone
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.shapes import Image, Outputs

LAYERS = {
    10: (ResNetBlock, (1, 1, 1, 1)),
    18: (ResNetBlock, (2, 2, 2, 2)),
    34: (ResNetBlock, (3, 4, 6, 3)),
    50: (ResNetBottleneck, (3, 4, 6, 3)),
}


class ResNet(VectorBackbone):
    """MONAI's 3-D residual network, with a stem for small images.

    Images of one slice (K = 1) are convolved in the plane of the slice.

    Source: He et al. 2016, doi:10.1109/CVPR.2016.90; in three dimensions Hara et al. 2018,
    doi:10.1109/CVPR.2018.00685.

    Args:
        depth: 10, 18, 34 or 50 layers.
        width: channels of the first of four stages, doubled at each further one.
        stem_kernel: side of the first convolution's kernel.
        stem_stride: of the first convolution; 1 keeps the detail of small images.
        pool: whether the stem ends with a pooling of stride 2.
        is_flat: images are slices: every kernel and stride is 1 along K.
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
        is_flat: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(num_outputs)
        net = residual_network(
            in_channels,
            depth=depth,
            width=width,
            stem_kernel=stem_kernel,
            stem_stride=stem_stride,
            pool=pool,
            is_flat=is_flat,
            num_outputs=num_outputs,
        )
        net.fc = nn.Sequential(nn.Dropout(dropout), net.fc)
        self.is_flat, self.net = is_flat, net
        guard_small_grids(self)

    def raw(self, image: Image) -> Outputs:
        """Outputs before they are brought to their unit."""
        return self.net(image[..., 0] if self.is_flat else image)


def residual_network(
    in_channels: int,
    *,
    depth: int,
    width: int,
    stem_kernel: int,
    stem_stride: int,
    pool: bool,
    is_flat: bool,
    num_outputs: int | None = None,
) -> MonaiResNet:
    """MONAI's network by the arguments of `ResNet`; without `num_outputs` it ends with features.

    Raises:
        ValueError: the depth is unknown.
    """
    if depth not in LAYERS:
        known = ", ".join(map(str, LAYERS))
        raise ValueError(f"depth: got {depth}, wanted one of {known}; correct model.depth")
    block, layers = LAYERS[depth]
    return MonaiResNet(
        block=block,
        layers=list(layers),
        block_inplanes=[width, 2 * width, 4 * width, 8 * width],
        spatial_dims=2 if is_flat else 3,
        n_input_channels=in_channels,
        conv1_t_size=stem_kernel,
        conv1_t_stride=stem_stride,
        no_max_pool=not pool,
        num_classes=num_outputs or 0,
        feed_forward=num_outputs is not None,
    )
