import pytest
import torch
from monai.networks.nets import SegResNet as MonaiSegResNet

from neurotarget.models.nets.segresnet import SegResNet


def tiny(**changes):
    return SegResNet(2, 3, **{"base_width": 4, "blocks_down": (1, 1, 1), "dropout": 0.0, **changes})


@pytest.mark.parametrize("deep_supervision", [False, True])
def test_weights_of_monais_net_fit_under_net_and_score_alike(deep_supervision):
    theirs = MonaiSegResNet(init_filters=8, in_channels=2, out_channels=3).eval()
    ours = SegResNet(2, 3, base_width=8, deep_supervision=deep_supervision).eval()
    state = {f"net.{key}": one for key, one in theirs.state_dict().items()}
    missing, unexpected = ours.load_state_dict(state, strict=False)
    assert all(key.startswith("heads.") for key in missing)
    assert not unexpected
    image = torch.randn(1, 2, 16, 8, 8)
    assert torch.equal(ours(image), theirs(image))


def test_deep_supervision_scores_coarser_levels_in_training_only():
    net = tiny(blocks_down=(1, 1, 1, 1), deep_supervision=True)
    image = torch.randn(1, 2, 16, 16, 24)
    sides = [tuple(level.shape[1:]) for level in net.train()(image)]
    assert sides == [(3, 16, 16, 24), (3, 8, 8, 12), (3, 4, 4, 6)]
    assert net.eval()(image).shape == (1, 3, 16, 16, 24)


def test_one_voxel_on_the_coarsest_grid_is_enough():
    assert tiny()(torch.randn(1, 2, 4, 4, 4)).shape == (1, 3, 4, 4, 4)


def test_blocks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"blocks_down \[1, 1, 1\] and blocks_up \[1\], wanted"):
        tiny(blocks_up=[1])


def test_unknown_upsampling_is_refused():
    with pytest.raises(ValueError, match="got upsample 'nearest', wanted nontrainable, deconv"):
        tiny(upsample="nearest")
