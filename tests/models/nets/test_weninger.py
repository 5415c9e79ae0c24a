import pytest
import torch
from torch import nn

from neurotarget.models.nets.weninger import WeningerLocator, WeningerSegmenter


def parameters(net):
    return sum(one.numel() for one in net.parameters())


def test_published_locator_has_its_published_number_of_parameters():
    assert parameters(WeningerLocator(5, 2)) == 2_042_162


def test_published_segmenter_has_its_published_parameters_and_grid():
    with torch.device("meta"):
        net = WeningerSegmenter(5, 4)
        assert parameters(net) == 6_420_420
        assert net(torch.empty(2, 5, 124, 124, 124)).shape == (2, 4, 36, 36, 36)


def test_all_but_the_margin_is_scored_on_every_valid_grid():
    with torch.device("meta"):
        net = WeningerSegmenter(1, 2, width=2)
        for sides in ((92, 92, 92), (92, 108, 148)):
            scored = tuple(side - 2 * net.margin_vox for side in sides)
            assert net(torch.empty(1, 1, *sides)).shape == (1, 2, *scored)


def test_valid_sides_begin_at_92_and_step_by_8():
    net = WeningerSegmenter(1, 2, width=2)
    assert net.nearest((1, 92, 93)) == (92, 92, 100)
    assert net.below((1, 99, 131)) == (92, 92, 124)
    with pytest.raises(ValueError, match="got sides 96×92×92, wanted sides of 92, 100, 108"):
        net(torch.zeros(1, 1, 96, 92, 92))


def test_every_smaller_grid_would_leave_nothing_to_score():
    with torch.device("meta"):
        net = WeningerSegmenter(1, 2, width=2).net
        with pytest.raises(RuntimeError):
            net(torch.empty(1, 1, 84, 84, 84))


def copy_channel(conv, channel):
    """Make a convolution hand on one of its channels, voxel by voxel."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    conv.weight.data[:, channel, *(side // 2 for side in conv.kernel_size)] = 1


def test_what_is_scored_has_the_place_it_has_in_the_patch():
    net = WeningerSegmenter(1, 2, width=2)
    for path, one in list(net.named_modules()):
        if isinstance(one, nn.InstanceNorm3d):
            net.set_submodule(path, nn.Identity())
    first, last = net.net.downs[0], net.net.blocks[-1]
    for conv in (first[0], first[3], last[3], net.net.head):
        copy_channel(conv, 0)
    copy_channel(last[0], 2)  # the skip, which comes after two channels from below
    image = torch.rand(1, 1, 92, 92, 100)
    inner = image[:, :, 44:-44, 44:-44, 44:-44]
    torch.testing.assert_close(net(image), inner.expand(1, 2, -1, -1, -1))


def test_locator_takes_multiples_of_8():
    net = WeningerLocator(1, 2, width=2)
    assert net(torch.randn(1, 1, 8, 16, 24)).shape == (1, 2, 8, 16, 24)
    with pytest.raises(ValueError, match="got sides 8×8×8"):
        net(torch.zeros(1, 1, 8, 8, 8))
