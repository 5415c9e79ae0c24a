import pytest
import torch
from monai.networks.nets import AttentionUnet

from neurotarget.models.nets.attention_unet import AttentionUNet


def tiny(**changes):
    return AttentionUNet(2, 3, **{"widths": (4, 4, 8), **changes})


def test_weights_of_monais_net_fit_under_net_and_score_alike():
    theirs = AttentionUnet(3, 2, 3, channels=(4, 4, 8), strides=(2, 2)).eval()
    ours = tiny().eval()
    ours.load_state_dict({f"net.{key}": one for key, one in theirs.state_dict().items()})
    image = torch.randn(1, 2, 8, 8, 12)
    assert torch.equal(ours(image), theirs(image))


def test_other_steps_along_an_axis_keep_the_grid():
    net = tiny(strides=[[2, 2, 1], 2]).eval()
    assert net.stride == (4, 4, 2)
    assert net(torch.randn(1, 2, 8, 8, 6)).shape == (1, 3, 8, 8, 6)


def test_a_gate_without_channels_is_refused():
    with pytest.raises(ValueError, match=r"got widths \[1, 4\], wanted at least 2"):
        tiny(widths=[1, 4])


def test_strides_that_do_not_fit_the_widths_are_refused():
    with pytest.raises(ValueError, match="AttentionUNet: got 3 widths and 1 strides"):
        tiny(strides=[2])
