import copy

import pytest
import torch
from torch import nn

from neurotarget.models.laid_out_layers import (
    LAID_OUT,
    LaidOutInstanceNorm3d,
    PointConv3d,
    lay_out_layers,
)
from neurotarget.models.memory_layout import channels_last
from neurotarget.models.nets.unet import UNet
from neurotarget.models.profile import profile

LAST = torch.channels_last_3d
SHAPE = (3, 8, 4, 5, 6)


def with_values(layer):
    """A layer whose weights differ between channels."""
    torch.manual_seed(1)
    for weight in layer.parameters():
        weight.data = torch.rand_like(weight) + 0.1
    return layer


LAYERS = {
    "instance norm": lambda: nn.InstanceNorm3d(8, affine=True),
    "plain instance norm": lambda: nn.InstanceNorm3d(8, eps=1e-3),
    "group norm": lambda: nn.GroupNorm(2, 8),
    "plain group norm": lambda: nn.GroupNorm(4, 8, affine=False),
    "layer norm": lambda: nn.GroupNorm(1, 8),
    "PReLU": nn.PReLU,
    "PReLU of channels": lambda: nn.PReLU(8),
    "convolution": lambda: nn.Conv3d(8, 3, 1),
    "convolution without bias": lambda: nn.Conv3d(8, 5, 1, bias=False),
}


def passed(layer, *, kind, layout):
    """Result and gradients of a pass."""
    torch.manual_seed(2)
    image = (3 * torch.randn(SHAPE, dtype=kind) + 1).contiguous(memory_format=layout)
    image.requires_grad_()
    made = layer(image)
    made.backward(torch.randn_like(made, memory_format=torch.contiguous_format))
    return made.detach(), image.grad, *(weight.grad for weight in layer.parameters())


@pytest.mark.parametrize("name", LAYERS)
def test_results_and_gradients_are_those_of_pytorch(name):
    plain = with_values(LAYERS[name]()).double()
    laid_out = lay_out_layers(copy.deepcopy(plain))
    assert type(laid_out) in LAID_OUT.values()
    wanted = passed(plain, kind=torch.float64, layout=torch.contiguous_format)
    for layout in (LAST, torch.contiguous_format):
        laid_out.zero_grad()
        found = passed(laid_out, kind=torch.float64, layout=layout)
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LAYERS)
def test_channels_stay_last(name):
    layer = lay_out_layers(with_values(LAYERS[name]()))
    made, gradient, *_ = passed(layer, kind=torch.float32, layout=LAST)
    assert made.is_contiguous(memory_format=LAST)
    assert gradient.is_contiguous(memory_format=LAST)


def test_a_norm_far_from_zero_keeps_its_precision():
    image = (torch.randn(2, 4, 16, 16, 16) + 1000).contiguous(memory_format=LAST)
    found = lay_out_layers(nn.InstanceNorm3d(4))(image)
    wanted = nn.InstanceNorm3d(4)(image.double()).float()
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_a_norm_of_bfloat16_computes_in_float32():
    layer = lay_out_layers(with_values(nn.InstanceNorm3d(8, affine=True)))
    image = torch.randn(SHAPE).to(torch.bfloat16, memory_format=LAST)
    found = layer(image)
    assert found.dtype == torch.bfloat16
    wanted = layer(image.float())
    torch.testing.assert_close(found, wanted.bfloat16(), rtol=0, atol=0)


def test_large_features_are_summed_in_pieces():
    torch.manual_seed(3)
    image = torch.randn(2, 16, 30, 31, 32)
    image[:, :, :3] += 5
    plain, laid_out = nn.GroupNorm(4, 16), lay_out_layers(nn.GroupNorm(4, 16))
    for layer, layout in ((plain, torch.contiguous_format), (laid_out, LAST)):
        layer(image.contiguous(memory_format=layout)).pow(3).mean().backward()
    torch.testing.assert_close(laid_out.weight.grad, plain.weight.grad, rtol=1e-4, atol=1e-5)
    found = laid_out(image.contiguous(memory_format=LAST))
    torch.testing.assert_close(found, plain(image), rtol=1e-4, atol=1e-4)


def test_one_voxel_has_no_spread_to_learn_from():
    layer = lay_out_layers(nn.InstanceNorm3d(2).train())
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        layer(torch.zeros(1, 2, 1, 1, 1))


def test_only_convolutions_of_single_voxels_become_matrix_products():
    kinds = {
        nn.Conv3d(4, 4, 1): PointConv3d,
        nn.Conv3d(4, 4, 3): nn.Conv3d,
        nn.Conv3d(4, 4, 1, stride=2): nn.Conv3d,
        nn.Conv3d(4, 4, 1, groups=2): nn.Conv3d,
        nn.Conv3d(4, 4, 1, padding=1): nn.Conv3d,
    }
    net = lay_out_layers(nn.Sequential(*kinds))
    assert [type(layer) for layer in net] == list(kinds.values())


def test_running_statistics_are_left_to_pytorch():
    layer = lay_out_layers(nn.InstanceNorm3d(8, track_running_stats=True))
    layer(torch.randn(SHAPE).contiguous(memory_format=LAST))
    assert layer.running_mean.any()


def test_a_whole_network_learns_and_costs_the_same():
    torch.manual_seed(1)
    plain = UNet(2, 3, widths=(4, 8, 16), top_width=4)
    laid_out = channels_last(copy.deepcopy(plain))
    assert any(isinstance(layer, LaidOutInstanceNorm3d) for layer in laid_out.modules())
    assert plain.state_dict().keys() == laid_out.state_dict().keys()
    image = torch.randn(2, 2, 16, 16, 16)
    for net in (plain, laid_out):
        net(image.contiguous(memory_format=LAST)).square().mean().backward()
    for one, other in zip(plain.parameters(), laid_out.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-6)
    costs = [profile(net, (2, 2, 16, 16, 16), training=True) for net in (plain, laid_out)]
    assert costs[0].flops == costs[1].flops


@pytest.mark.parametrize("width", [2, 8])
def test_a_strided_convolution_of_single_pixels_stays_within_its_memory(width):
    plain = nn.Conv2d(width, 6, 1, stride=2)
    thin = channels_last(nn.Sequential(copy.deepcopy(plain)))
    torch.manual_seed(4)
    for _ in range(20):  # PyTorch's own ended the program after a few
        image = torch.randn(4, width, 9, 8, requires_grad=True)
        other = image.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
        wanted, made = plain(image), thin(other)
        torch.testing.assert_close(made, wanted)
        wanted.square().mean().backward()
        made.square().mean().backward()
        torch.testing.assert_close(other.grad, image.grad)
    torch.testing.assert_close(thin[0].weight.grad, plain.weight.grad)
