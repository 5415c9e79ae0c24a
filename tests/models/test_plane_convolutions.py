import copy

import pytest
import torch
from torch import nn

from neurotarget.models.nets.plain_unet import PlainUNet
from neurotarget.models.plane_convolutions import PlaneConv3d, compute_in_plane


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv3d(2, 3, 3, padding=1),
        nn.Conv3d(2, 4, (3, 5, 1), stride=(2, 1, 1), padding=(1, 2, 0), groups=2),
        nn.Conv3d(2, 3, 3, padding=2, dilation=2),
        nn.ConvTranspose3d(2, 3, (2, 2, 1), stride=(2, 2, 1)),
        nn.ConvTranspose3d(2, 3, 3, stride=(2, 2, 1), padding=1, output_padding=(1, 1, 0)),
    ],
)
def test_a_slice_is_convolved_as_before(conv):
    image = torch.rand(2, 2, 8, 6, 1, requires_grad=True)
    plane = compute_in_plane(nn.Sequential(copy.deepcopy(conv)))
    wanted, found = conv(image), plane(image)
    assert torch.allclose(found, wanted, atol=1e-6)
    (found**2).sum().backward()
    (wanted**2).sum().backward()
    assert torch.allclose(plane[0].weight.grad, conv.weight.grad, atol=1e-4)


def test_grids_of_several_slices_and_even_kernels_are_left_to_three_dimensions():
    for conv, sides in (
        (nn.Conv3d(1, 1, 3, padding=1), (4, 4, 2)),
        (nn.Conv3d(1, 1, (1, 1, 2), padding=(0, 0, 1)), (4, 4, 1)),
        (nn.ConvTranspose3d(1, 1, 2, stride=2), (4, 4, 1)),
    ):
        image = torch.rand(1, 1, *sides)
        assert torch.equal(compute_in_plane(copy.deepcopy(conv))(image), conv(image))


def test_a_network_keeps_its_weights_and_scores():
    net = PlainUNet(1, 2, widths=(4, 8), strides=[[2, 2, 1]], kernel=[3, 3, 1]).eval()
    plane = compute_in_plane(copy.deepcopy(net))
    assert plane.state_dict().keys() == net.state_dict().keys()
    assert sum(type(module) is PlaneConv3d for module in plane.modules()) == 7
    image = torch.rand(1, 1, 16, 12, 1)
    assert torch.allclose(plane(image), net(image), atol=1e-5)
