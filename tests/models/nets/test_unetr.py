import pytest
import torch
from monai.networks import nets

from neurotarget.models.nets.unetr import UNETR

TINY = {"feature_size": 4, "hidden_size": 24, "mlp_dim": 16, "num_heads": 2}


def test_patch_is_made_larger_to_whole_blocks():
    assert UNETR(1, 2, patch_vox=(40, 56, 16), **TINY).patch_vox == (48, 64, 16)


def test_every_side_but_the_patch_is_refused():
    net = UNETR(1, 2, patch_vox=(32, 16, 16), **TINY)
    with pytest.raises(ValueError, match=r"got sides 32×32×16, wanted those .* are 32×16×16"):
        net(torch.zeros(1, 1, 32, 32, 16))


def test_it_can_be_built_for_any_whole_blocks():
    net = UNETR(1, 2, patch_vox=(32, 16, 16), **TINY)
    assert net.nearest((64, 8, 100)) == (64, 16, 112)
    assert net.below((64, 8, 100)) == (64, 16, 96)


def test_heads_that_cannot_share_are_refused():
    with pytest.raises(ValueError, match="got hidden_size 24 and num_heads 5"):
        UNETR(1, 2, **{**TINY, "num_heads": 5})


def test_published_sizes_have_the_parameters_of_monais_net_that_are_in_use():
    with torch.device("meta"):
        ours = UNETR(1, 14)
        theirs = nets.UNETR(1, 14, (96, 96, 96))
    used = {
        name: weight.shape
        for name, weight in theirs.named_parameters()
        if "norm_cross_attn" not in name
    }
    assert {name: weight.shape for name, weight in ours.net.named_parameters()} == used
