"""MRNet: AlexNet of each slice, the strongest features over slices, one linear layer."""

from torch import Tensor, nn

from neurotarget.models.backbone import VectorBackbone
from neurotarget.models.nets.slice_pool import Maps, slice_maps, strongest_features
from neurotarget.shapes import Image, Outputs

COLOURS = 3  # input channels of networks trained on ImageNet
WIDTH = 256  # features of a slice
LEAST_SIDE = 63  # smaller slices vanish in the three poolings


class MRNet(VectorBackbone):
    """AlexNet on each slice along K, the maximum of mean features over slices, a linear layer.

    A series may have any number of slices. One contrast is repeated in three channels, as in the
    original, so that weights of ImageNet fit by their names (`features.0.weight`).

    Source: Bien et al. 2018, doi:10.1371/journal.pmed.1002699; layers of Krizhevsky 2014,
    arXiv 1404.5997. Dropout is an addition of re-implementations.

    Args:
        dropout: probability of dropping a feature before the last layer.
    """

    def __init__(self, in_channels: int, num_outputs: int, *, dropout: float = 0.0) -> None:
        super().__init__(num_outputs)
        self.repeats = COLOURS if in_channels == 1 else 1
        self.features = alexnet_features(in_channels * self.repeats)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(WIDTH, num_outputs))

    def raw(self, image: Image) -> Outputs:
        """Outputs before they are brought to their unit.

        Raises:
            ValueError: a slice is too small for the three poolings.
        """
        if min(image.shape[2:4]) < LEAST_SIDE:
            raise ValueError(
                f"MRNet: got slices of {image.shape[2]}×{image.shape[3]}, wanted sides of at least "
                f"{LEAST_SIDE}; resize the images or set model=slice_pool"
            )
        return self.head(strongest_features(self._mean_features, image))

    def activation_maps(self, image: Image) -> Maps:
        """Class activation maps of each slice; see `slice_maps`."""
        return slice_maps(self._places, self.head[1], image)

    def _mean_features(self, slices: Tensor) -> Tensor:
        return self._places(slices).mean(dim=(2, 3))

    def _places(self, slices: Tensor) -> Tensor:
        return self.features(slices.repeat(1, self.repeats, 1, 1))


def alexnet_features(in_channels: int) -> nn.Sequential:
    """AlexNet's convolutions with the names of torchvision's `features`."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, WIDTH, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
    )
