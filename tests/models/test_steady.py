import pytest
import torch
from torch import nn

from neurotarget.models.steady import SteadyConv3d, steady


def conv(kernel=3):
    torch.manual_seed(1)
    made = nn.Conv3d(8, 8, kernel, padding=kernel // 2)
    return made.to(memory_format=torch.channels_last_3d)


def image_of(sides):
    torch.manual_seed(2)
    return torch.randn(2, 8, *sides).to(memory_format=torch.channels_last_3d)


def fill_freed_memory_with_nan():
    held = [torch.full((2**power,), torch.nan) for power in range(2, 18) for _ in range(4)]
    del held


def gradient(net, image, *, autocast):
    net.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        scores = net(image)
    fill_freed_memory_with_nan()
    scores.float().square().mean().backward()
    return net.weight.grad.clone()


@pytest.mark.parametrize(
    ("kernel", "sides"), [(3, (2, 1, 1)), (3, (2, 2, 2)), (5, (3, 4, 3)), (5, (4, 4, 4))]
)
def test_the_gradient_on_a_grid_shorter_than_the_kernel_is_that_of_float32(kernel, sides):
    net, image = steady(conv(kernel)), image_of(sides)
    exact = gradient(net, image, autocast=False)
    scale = exact.abs().max().item()
    torch.testing.assert_close(
        gradient(net, image, autocast=True), exact, rtol=0, atol=0.02 * scale
    )


def test_scores_keep_the_type_of_the_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        assert steady(conv())(image_of((2, 2, 2))).dtype == torch.bfloat16
        assert steady(conv())(image_of((6, 6, 6))).dtype == torch.bfloat16


def test_a_larger_grid_and_float32_are_computed_as_ever():
    for sides, autocast in (((6, 6, 6), True), ((2, 2, 2), False)):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            scores = [net(image_of(sides)) for net in (conv(), steady(conv()))]
        assert torch.equal(*scores)


def test_weights_keep_their_names_and_other_layers_their_kind():
    net = nn.Sequential(conv(), nn.ConvTranspose3d(8, 8, 2), nn.Conv2d(1, 1, 1))
    names = list(net.state_dict())
    assert list(steady(net).state_dict()) == names
    assert [type(one) for one in net] == [SteadyConv3d, nn.ConvTranspose3d, nn.Conv2d]
