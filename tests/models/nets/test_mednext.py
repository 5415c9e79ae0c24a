import pytest
import torch
from monai.networks.nets import mednext

from neurotarget.models.nets.mednext import MedNeXt


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", ["S", "B", "M", "L"])
def test_each_size_has_the_layers_of_monais(size, kernel):
    with torch.device("meta"):
        ours = MedNeXt(2, 3, size=size, kernel=kernel)
        theirs = mednext.create_mednext(
            size, in_channels=2, out_channels=3, kernel_size=kernel, deep_supervision=True
        )
    shapes = {name: value.shape for name, value in theirs.state_dict().items()}
    assert {name: value.shape for name, value in ours.net.state_dict().items()} == shapes


def test_deep_supervision_scores_four_coarser_grids_in_training_only():
    net, image = MedNeXt(1, 3, width=2), torch.randn(1, 1, 32, 16, 16)
    sides = [tuple(level.shape[1:]) for level in net.train()(image)]
    assert sides == [
        (3, 32, 16, 16),
        (3, 16, 8, 8),
        (3, 8, 4, 4),
        (3, 4, 2, 2),
        (3, 2, 1, 1),
    ]
    assert net.eval()(image).shape == (1, 3, 32, 16, 16)


def test_without_deep_supervision_training_gives_one_grid():
    net = MedNeXt(1, 2, width=2, deep_supervision=False).train()
    assert net(torch.randn(1, 1, 32, 16, 16)).shape == (1, 2, 32, 16, 16)


def test_patch_of_one_step_is_refused():
    with pytest.raises(ValueError, match=r"got sides 16×16×16.*the nearest are 32×32×32"):
        MedNeXt(1, 2, width=2)(torch.zeros(1, 1, 16, 16, 16))


def test_unknown_size_and_even_kernel_are_refused():
    with pytest.raises(ValueError, match="got size 'XL', wanted one of S, B, M, L"):
        MedNeXt(1, 2, size="XL")
    with pytest.raises(ValueError, match="got kernel 4, wanted an odd side"):
        MedNeXt(1, 2, kernel=4)
