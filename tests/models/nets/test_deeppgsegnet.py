import pytest
import torch
from torch import nn

from neurotarget.models.nets.deeppgsegnet import DeepPGSegNet


def parameters(net):
    return sum(one.numel() for one in net.parameters())


def test_published_net_has_its_published_number_of_parameters():
    with torch.device("meta"):
        net = DeepPGSegNet(1, 1)
        assert parameters(net) == 16_318_691
        assert net(torch.empty(1, 1, 32, 32, 32)).shape == (1, 1, 32, 32, 32)
        assert parameters(DeepPGSegNet(1, 2)) == 16_318_691 + 64 + 1


def test_channels_that_eight_does_not_divide_are_one_group():
    norms = [one for one in DeepPGSegNet(3, 2, widths=(8, 16)).modules() if hasattr(one, "eps")]
    assert {(one.num_channels, one.num_groups) for one in norms} == {
        (3, 1),
        (4, 1),
        (8, 8),
        (24, 8),
    }


def test_a_patch_of_one_step_trains():
    net = DeepPGSegNet(1, 2, widths=(8, 16, 32))
    net(torch.randn(1, 1, 4, 4, 4)).square().mean().backward()
    assert all(weight.grad.isfinite().all() for weight in net.parameters())


def test_groups_of_one_channel_need_more_than_one_step():
    assert DeepPGSegNet(1, 2, widths=(4, 8, 16)).nearest((4, 4, 4)) == (8, 8, 8)
    assert DeepPGSegNet(1, 2, widths=(4, 4, 16)).nearest((4, 4, 4)) == (8, 8, 8)


def test_nothing_but_the_last_convolution_has_a_bias():
    convs = [one for one in DeepPGSegNet(1, 2, widths=(4, 8)).modules() if type(one) is nn.Conv3d]
    assert [one.kernel_size for one in convs if one.bias is not None] == [(1, 1, 1)]


def test_one_width_is_refused():
    with pytest.raises(ValueError, match="got 1 widths and 0 strides, wanted at least two"):
        DeepPGSegNet(1, 2, widths=(8,))
