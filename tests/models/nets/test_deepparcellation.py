import pytest
import torch

from neurotarget.models.nets.deepparcellation import DeepParcellation, Gate


def values(net):
    """Parameters and the statistics of batch norms, as Keras counts."""
    statistics = [one for name, one in net.named_buffers() if "running" in name]
    return sum(one.numel() for one in [*net.parameters(), *statistics])


def test_published_net_has_its_published_number_of_parameters():
    assert values(DeepParcellation(1, 1)) == 1_453_139


def test_more_labels_change_the_last_convolution_only():
    assert values(DeepParcellation(1, 5)) == 1_453_139 + 4 * (16 + 1)
    assert values(DeepParcellation(3, 1)) == 1_453_139 + 2 * (125 * 8 + 8)


def test_gates_stand_on_every_skip_but_the_finest():
    net = DeepParcellation(1, 2)
    gates = [(gate.below.in_channels, gate.skip.in_channels) for gate in net.gates]
    assert gates == [(64, 32), (64, 16)]


def test_a_shut_gate_lets_nothing_of_the_skip_through():
    gate = Gate(2, 3, 4).eval()
    torch.nn.init.zeros_(gate.weigh.weight)
    torch.nn.init.constant_(gate.weigh.bias, -50.0)
    below = torch.randn(1, 3, 2, 2, 2)
    one, other = (gate(torch.randn(1, 2, 4, 4, 4), below) for _ in range(2))
    torch.testing.assert_close(one, other)
    torch.nn.init.constant_(gate.weigh.bias, 50.0)
    skip = torch.randn(1, 2, 4, 4, 4)
    torch.testing.assert_close(gate(skip, below), gate.norm(gate.mix(skip)))


def test_weights_begin_with_hes_spread_and_biases_with_0():
    net = DeepParcellation(1, 2)
    weight = net.downs[3].first[0].weight  # 64 of 32 channels and 5³ voxels
    assert weight.std().item() == pytest.approx((2 / (32 * 125)) ** 0.5, rel=0.02)
    assert not net.head.bias.any()


def test_stride_is_one_step_fewer_than_the_widths():
    net = DeepParcellation(1, 2, widths=(4, 4, 8))
    assert net.stride == (4, 4, 4)
    assert net(torch.randn(1, 1, 4, 8, 12)).shape == (1, 2, 4, 8, 12)
    with pytest.raises(ValueError, match="got 1 widths and 0 strides, wanted at least two"):
        DeepParcellation(1, 2, widths=(8,))
