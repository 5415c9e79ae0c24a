import pytest
import torch
from torch import nn

from neurotarget.models.nets.plain_unet import PlainUNet

PAPERS_PARAMETERS = 19_069_955  # Çiçek et al. 2016, section 2


def tiny(**changes):
    return PlainUNet(2, 3, **{"widths": (4, 8, 16), **changes})


def test_with_the_papers_widths_it_has_the_papers_parameters_and_the_scales_of_its_norms():
    net = PlainUNet(3, 3)
    scales = sum(one.weight.numel() for one in net.modules() if isinstance(one, nn.InstanceNorm3d))
    assert sum(one.numel() for one in net.parameters()) - scales == PAPERS_PARAMETERS


def test_each_level_has_two_convolutions_and_the_first_of_them_half_the_channels():
    net = tiny()
    channels = [
        [one.out_channels for one in block.modules() if isinstance(one, nn.Conv3d)]
        for block in (*net.downs, *net.ups)
    ]
    assert channels == [[2, 4], [4, 8], [8, 16], [8, 8], [4, 4]]


def test_pooling_by_other_steps_along_an_axis_keeps_the_grid():
    net = tiny(strides=[[2, 2, 1], 2])
    assert net.stride == (4, 4, 2)
    assert net(torch.randn(1, 2, 8, 8, 6)).shape == (1, 3, 8, 8, 6)


def test_deep_supervision_scores_coarser_levels_in_training_only():
    net = tiny(widths=(4, 8, 8, 8), deep_supervision=True)
    image = torch.randn(1, 2, 16, 16, 24)
    sides = [tuple(level.shape[1:]) for level in net.train()(image)]
    assert sides == [(3, 16, 16, 24), (3, 8, 8, 12), (3, 4, 4, 6)]
    assert net.eval()(image).shape == (1, 3, 16, 16, 24)


@pytest.mark.parametrize("norm", ["instance", "batch", "group"])
def test_each_norm_trains(norm):
    net = tiny(norm=norm, dropout=0.1)
    net(torch.randn(2, 2, 8, 8, 8)).square().mean().backward()
    assert all(weight.grad.isfinite().all() for weight in net.parameters())


def test_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="PlainUNet: got norm 'layer', wanted instance"):
        tiny(norm="layer")


def test_strides_that_do_not_fit_the_widths_are_refused():
    with pytest.raises(ValueError, match="PlainUNet: got 3 widths and 3 strides"):
        tiny(strides=[2, 2, 2])
