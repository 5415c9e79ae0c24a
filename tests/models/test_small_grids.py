import copy

import pytest
import torch
from torch import nn

from neurotarget.models.small_grids import GuardedConv3d, guard_small_grids


def gradients(conv, image, *, precise):
    """Of the weights and the image, of a fixed sum of what a convolution makes of an image."""
    image = image.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
        made = conv(image)
    weights = torch.linspace(-1, 1, made.numel()).reshape(made.shape)
    return torch.autograd.grad((made.float() * weights).sum(), [conv.weight, image])


@pytest.mark.parametrize(
    ("conv", "sides"),
    [
        (nn.Conv3d(8, 8, 3, padding=1), (2, 2, 2)),
        (nn.Conv3d(8, 8, 5, padding=2, stride=2), (4, 4, 4)),
        (nn.ConvTranspose3d(8, 8, 3, stride=2, padding=1, groups=8), (2, 3, 1)),
    ],
)
def test_gradients_on_grids_smaller_than_the_kernel_are_those_of_float32(conv, sides):
    guard_small_grids(conv)
    image = torch.linspace(-1, 1, 16 * sides[0] * sides[1] * sides[2]).reshape(2, 8, *sides)
    found, wanted = (gradients(conv, image, precise=one) for one in (False, True))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.02 * float(other.abs().max()))


def test_scores_keep_the_type_of_mixed_precision():
    net = guard_small_grids(nn.Sequential(nn.Conv3d(1, 2, 3, padding=1), nn.Conv3d(2, 1, 1)))
    with torch.autocast("cpu", torch.bfloat16):
        assert net[0](torch.randn(1, 1, 2, 2, 2)).dtype == torch.bfloat16
        assert net[0](torch.randn(1, 1, 4, 4, 4)).dtype == torch.bfloat16
    assert net.to(torch.bfloat16)(torch.randn(1, 1, 2, 2, 2).bfloat16()).dtype == torch.bfloat16


def test_float32_weights_and_names_are_untouched():
    net = nn.Sequential(nn.Conv3d(1, 2, 3, padding=1), nn.ConvTranspose3d(2, 1, 2, 2))
    guarded = guard_small_grids(guard_small_grids(copy.deepcopy(net)))  # twice is once
    assert type(guarded[0]) is GuardedConv3d
    assert list(guarded.state_dict()) == list(net.state_dict())
    image = torch.randn(1, 1, 2, 2, 2)
    assert torch.equal(guarded(image), net(image))
    assert torch.equal(copy.deepcopy(guarded)(image), net(image))
