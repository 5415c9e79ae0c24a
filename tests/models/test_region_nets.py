import pytest
import torch
from torch import nn

from neurotarget.models.nets.deepparcellation import DeepParcellation
from neurotarget.models.nets.plain_unet import PlainUNet
from neurotarget.models.profile import profile
from neurotarget.models.region_nets import RegionNets, WholeNet


def nets_of(count=3, widths=(2, 4), **settings):
    torch.manual_seed(0)
    return RegionNets([PlainUNet(1, 1, widths=widths, **settings) for _ in range(count)])


def test_a_step_trains_the_network_whose_turn_it_is():
    nets = nets_of().train()
    nets.turn = 1
    nets(torch.randn(1, 1, 8, 8, 8)).sum().backward()
    trained = [any(weight.grad is not None for weight in net.parameters()) for net in nets.nets]
    assert trained == [False, True, False]


def test_the_softmax_of_two_classes_is_the_sigmoid_of_the_logit():
    nets, image = nets_of().train(), torch.randn(2, 1, 8, 8, 8)
    nets.turn = 2
    with torch.no_grad():
        wanted = torch.sigmoid(nets.nets[2](image))[:, 0]
        torch.testing.assert_close(nets(image).softmax(dim=1)[:, 1], wanted)


def test_scores_of_regions_are_the_logits_of_their_networks():
    nets, image = nets_of().eval(), torch.randn(1, 1, 8, 8, 8)
    with torch.no_grad():
        scores = nets(image)
        torch.testing.assert_close(scores[:, 1:2], nets.nets[1](image))
        torch.testing.assert_close(scores[:, 2:], nets.nets[2](image))
        assert not scores[:, 0].any()
        torch.testing.assert_close(WholeNet(nets)(image)[:, 1:], nets.nets[0](image))


def test_a_step_of_many_networks_takes_the_memory_of_one_and_their_weights():
    one, many = (profile(nets_of(count), (1, 1, 16, 16, 16), training=True) for count in (2, 6))
    weights_mib = 4 * (many.parameters - one.parameters) / 2**20
    assert many.flops == one.flops
    assert many.peak_memory_mib == pytest.approx(one.peak_memory_mib + weights_mib, rel=0.01)


def test_deep_supervision_has_two_classes_on_each_level():
    nets = nets_of(widths=(2, 2, 2), deep_supervision=True).train()
    assert nets.deep_supervision
    assert [level.shape[1] for level in nets(torch.randn(1, 1, 8, 8, 8))] == [2, 2]


def test_sides_are_those_of_the_architecture():
    nets = RegionNets([DeepParcellation(1, 1, widths=(2, 2, 2)) for _ in range(2)])
    assert nets.nearest((5, 8, 9)) == (8, 8, 12)
    assert nets.below((5, 8, 9)) == (4, 8, 8)
    assert nets.rule() == "multiples of 4×4×4"
    free = RegionNets([nn.Conv3d(1, 1, 3, padding=1) for _ in range(2)])
    assert free.nearest((5, 8, 9)) == (5, 8, 9)


def test_one_network_is_not_enough():
    with pytest.raises(ValueError, match="got 1 networks, wanted at least 2"):
        nets_of(1)
