"""EfficientNet-Lite0 of films and of the slices of a series, with features of ImageNet."""

import math
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from neurotarget.models.backbone import VectorBackbone
from neurotarget.models.nets.slice_pool import Maps, slice_maps, strongest_features
from neurotarget.shapes import Image, Outputs

COLOURS = 3  # input channels of networks trained on ImageNet
WIDTH = 1280  # features of a slice
# the blocks of each stage: count, side of the kernel, stride, expansion, channels
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
LEAST_SD = 1e-6  # of an image that is not one value throughout
STEM = 32  # channels of the first convolution
# mean and SD of ImageNet's colours, in [0, 1], and what these weights were trained on: the values
# of a picture from 0 to 255, less 127, over 128 (Google's code of the Lite networks)
IMAGENET_MEAN, IMAGENET_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
INPUT_MEAN, INPUT_SD = 127 / 255, 128 / 255

Features = Float[Tensor, "B 1280"]


class EfficientNetLite0(VectorBackbone):
    """EfficientNet-Lite0 of each slice along K, the features' maximum over slices, a linear layer.

    A film is a series of one slice. Each image is standardised first, and one contrast is copied to
    three colours. The weights of ImageNet that `pretrained=imagenet` loads have the names of the
    package `efficientnet-lite-pytorch`.

    Source: Tan and Le 2019, arXiv 1905.11946; the Lite variant (ReLU6, no squeeze-and-excitation)
    is that of Google's `tpu/models/official/efficientnet/lite`; the maximum over slices is that of
    MRNet, Bien et al. 2018, doi:10.1371/journal.pmed.1002699.

    Args:
        frozen: keep the convolutions and their norms as they are and train the linear layer alone,
            on features that are computed once for each case.
        dropout: probability of dropping a feature before the linear layer.

    Raises:
        ValueError: the images have neither one contrast nor three.
    """

    pretrained_with: ClassVar[str] = "efficientnet-lite-pytorch"

    def __init__(
        self, in_channels: int, num_outputs: int, *, frozen: bool = True, dropout: float = 0.0
    ) -> None:
        super().__init__(num_outputs)
        if in_channels not in (1, COLOURS):
            raise ValueError(
                f"EfficientNetLite0: got {in_channels} contrasts, wanted one or three, as pictures "
                "have; name one in target.contrasts"
            )
        self.frozen, self.repeats = frozen, COLOURS // in_channels
        self.net = Lite0(num_outputs)
        self.dropout = nn.Dropout(dropout)
        # a voxel becomes the colour that is as many SD from ImageNet's mean as the voxel is from
        # the mean of its image, as the weights were trained on it
        mean, sd = (torch.tensor(one).view(COLOURS, 1, 1) for one in (IMAGENET_MEAN, IMAGENET_SD))
        self.register_buffer("shift", (mean - INPUT_MEAN) / INPUT_SD, persistent=False)
        self.register_buffer("scale", sd / INPUT_SD, persistent=False)
        if frozen:
            self.net.requires_grad_(False)
            self.net._fc.requires_grad_(True)

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation; the norms of frozen convolutions keep their statistics."""
        super().train(mode)
        if self.frozen:
            self.net.eval()
        return self

    def raw(self, image: Image) -> Outputs:
        """Outputs before `spread` and `centre` are applied."""
        return self._last(self.encode(image))

    def decide(self, features: Features) -> Outputs:
        """Score images by their features, as `encode` makes them."""
        return self.in_unit(self._last(features))

    def encode(self, image: Image) -> Features:
        """Strongest features over the slices of an image, each the mean over the slice."""
        return strongest_features(self._mean_features, standardised(image))

    def activation_maps(self, image: Image) -> Maps:
        """Class activation maps of each slice; see `slice_maps`."""
        return slice_maps(self._places, self.net._fc, standardised(image))

    def _last(self, features: Features) -> Outputs:
        return self.net._fc(self.dropout(features))

    def _mean_features(self, slices: Tensor) -> Tensor:
        return self._places(slices).mean(dim=(2, 3))

    def _places(self, slices: Tensor) -> Tensor:
        return self.net.features(slices.repeat(1, self.repeats, 1, 1) * self.scale + self.shift)


def standardised(image: Image) -> Image:
    """Each contrast of an image with mean 0 and SD 1, whatever the scale of its preparation."""
    axes = (2, 3, 4)
    centred = image - image.mean(dim=axes, keepdim=True)
    return centred / centred.square().mean(dim=axes, keepdim=True).sqrt().clamp(min=LEAST_SD)


class Lite0(nn.Module):
    """The layers, in the order and with the names of `efficientnet-lite-pytorch`."""

    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(COLOURS, STEM, 3, stride=2)
        self._bn0 = norm(STEM)
        self._blocks = nn.ModuleList()
        width = STEM
        for count, kernel, stride, expansion, channels in STAGES:
            for number in range(count):
                step = stride if number == 0 else 1
                self._blocks.append(Block(width, channels, kernel, step, expansion=expansion))
                width = channels
        self._conv_head = SameConv2d(width, WIDTH, 1)
        self._bn1 = norm(WIDTH)
        self._fc = nn.Linear(WIDTH, num_outputs)

    def features(self, slices: Float[Tensor, "N 3 I J"]) -> Float[Tensor, "N 1280 _ _"]:
        """Features of each place, one for 32 × 32 pixels, before their mean."""
        features = F.relu6(self._bn0(self._conv_stem(slices)))
        for block in self._blocks:
            features = block(features)
        return F.relu6(self._bn1(self._conv_head(features)))

    def forward(self, slices: Float[Tensor, "N 3 I J"]) -> Float[Tensor, "N outputs"]:
        """Scores of pictures."""
        return self._fc(self.features(slices).mean(dim=(2, 3)))


class Block(nn.Module):
    """An inverted residual block: wider, a convolution of each channel, narrower.

    Its input is added where it has the shape of the output. Source: Sandler et al. 2018,
    doi:10.1109/CVPR.2018.00474.
    """

    def __init__(
        self, before: int, channels: int, kernel: int, stride: int, *, expansion: int
    ) -> None:
        super().__init__()
        wide = before * expansion
        self.is_wider, self.is_added = expansion > 1, stride == 1 and before == channels
        if self.is_wider:
            self._expand_conv = SameConv2d(before, wide, 1)
            self._bn0 = norm(wide)
        self._depthwise_conv = SameConv2d(wide, wide, kernel, stride=stride, groups=wide)
        self._bn1 = norm(wide)
        self._project_conv = SameConv2d(wide, channels, 1)
        self._bn2 = norm(channels)

    def forward(self, feature: Float[Tensor, "N before I J"]) -> Float[Tensor, "N channels _ _"]:
        """Convolve; a stride of 2 halves the sides, rounded up."""
        wide = F.relu6(self._bn0(self._expand_conv(feature))) if self.is_wider else feature
        wide = F.relu6(self._bn1(self._depthwise_conv(wide)))
        narrow = self._bn2(self._project_conv(wide))
        return narrow + feature if self.is_added else narrow


class SameConv2d(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow's `SAME`: more at the end than the start."""

    def __init__(
        self, before: int, channels: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(before, channels, kernel, stride, groups=groups, bias=False)

    def forward(self, feature: Float[Tensor, "N before I J"]) -> Float[Tensor, "N channels _ _"]:
        """Convolve to sides over the stride, rounded up."""
        pads: list[int] = []
        for axis in (1, 0):  # the last axis comes first in `pad`
            side, kernel, stride = (
                feature.shape[2 + axis],
                self.kernel_size[axis],
                self.stride[axis],
            )
            total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(feature, pads) if any(pads) else feature)


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm with the settings of EfficientNet in TensorFlow."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
