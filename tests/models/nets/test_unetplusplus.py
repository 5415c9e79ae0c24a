import pytest
import torch
from monai.networks.nets import BasicUNetPlusPlus

from neurotarget.models.nets.unetplusplus import UNetPlusPlus

WIDTHS = (4, 4, 4, 4, 8, 4)


def tiny(**changes):
    return UNetPlusPlus(2, 3, **{"widths": WIDTHS, **changes})


def test_weights_of_monais_net_fit_under_net_and_score_alike():
    theirs = BasicUNetPlusPlus(3, 2, 3, WIDTHS, deep_supervision=True).eval()
    ours = tiny(deep_supervision=True).eval()
    ours.load_state_dict({f"net.{key}": one for key, one in theirs.state_dict().items()})
    image = torch.randn(1, 2, 32, 16, 16)
    assert torch.equal(ours(image), theirs(image)[-1])


def test_deep_supervision_scores_the_full_grid_four_times_the_deepest_decoder_first():
    net = tiny(deep_supervision=True)
    image = torch.randn(1, 2, 32, 16, 16)
    levels = net.train()(image)
    assert [tuple(level.shape) for level in levels] == [(1, 3, 32, 16, 16)] * 4
    torch.testing.assert_close(net.eval()(image), levels[0])


def test_without_deep_supervision_one_tensor_comes_back_in_training_too():
    assert tiny().train()(torch.randn(1, 2, 32, 16, 16)).shape == (1, 3, 32, 16, 16)


def test_another_number_of_widths_is_refused():
    with pytest.raises(ValueError, match="got 5 widths, wanted 6: one for each of 5"):
        tiny(widths=(4, 4, 4, 4, 8))


def test_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="UNetPlusPlus: got norm 'layer'"):
        tiny(norm="layer")
