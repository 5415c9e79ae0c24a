import threading

import pytest
import torch
from torch import nn

from neurotarget.models.nets.unet import UNet
from neurotarget.models.threads import number_of_parts
from neurotarget.tasks.batch_parts import in_parts, is_divisible


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def net_of(**settings):
    torch.manual_seed(1)
    return UNet(1, 2, widths=(4, 8), **settings).train()


def image_of(samples=6):
    torch.manual_seed(2)
    return torch.randn(samples, 1, 8, 8, 8)


def stepped(net, image, parts):
    """Levels and gradients of one step; without parts as the network itself computes it."""
    net.zero_grad()
    made = in_parts(net, image, parts) if parts else net(image)
    levels = made if isinstance(made, list) else [made]
    sum(level.sigmoid().mean() for level in levels).backward()
    return [level.detach() for level in levels], [one.grad for one in net.parameters()]


@pytest.mark.parametrize("deep_supervision", [False, True])
@pytest.mark.parametrize("parts", [2, 3, 4])  # of six samples: equal ones, and others
def test_parts_give_the_scores_and_gradients_of_the_whole(parts, deep_supervision):
    net = net_of(deep_supervision=deep_supervision)
    whole = stepped(net, image_of(), 0)
    found = stepped(net, image_of(), parts)
    for ours, others in zip(found, whole, strict=True):
        torch.testing.assert_close(ours, others, rtol=1e-4, atol=1e-6)


def test_a_step_in_parts_repeats_exactly(four_threads):
    net = net_of()
    first, second = (stepped(net, image_of(), 3) for _ in range(2))
    for ours, others in zip(first, second, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(ours, others, strict=True))


def test_each_part_has_a_thread_and_its_share_of_the_cores(four_threads):
    seen = set()

    def note(module, arguments):
        seen.add((threading.get_ident(), torch.get_num_threads(), len(arguments[0])))

    net = net_of()
    net.register_forward_pre_hook(note)
    in_parts(net, image_of(4), 2)
    assert {(threads, samples) for _, threads, samples in seen} == {(2, 2)}
    assert threading.get_ident() not in {thread for thread, *_ in seen}
    assert torch.get_num_threads() == 4


def test_threads_compute_in_the_precision_of_the_step():
    net = nn.Conv3d(1, 2, 1)
    with torch.autocast("cpu", torch.bfloat16):
        assert in_parts(net, image_of(4), 2).dtype == torch.bfloat16
    assert in_parts(net, image_of(4), 2).dtype == torch.float32


def test_frozen_and_unused_weights_have_no_gradient():
    net = net_of()
    net.spare = nn.Parameter(torch.zeros(3))
    frozen = next(net.parameters()).requires_grad_(False)
    in_parts(net, image_of(4), 2).mean().backward()
    assert net.spare.grad is None
    assert frozen.grad is None
    assert net.ups[0][0].conv.weight.grad.any()


def test_an_error_in_a_part_is_raised_and_the_threads_are_restored(four_threads):
    with pytest.raises(ValueError, match="got sides 8×8×7"):
        in_parts(net_of(), torch.zeros(4, 1, 8, 8, 7), 2)
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize(
    ("samples", "threads", "parts"), [(8, 4, 4), (8, 2, 2), (8, 1, 1), (4, 4, 2), (3, 4, 1)]
)
def test_parts_have_at_least_two_samples(samples, threads, parts):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert number_of_parts(samples) == parts
    finally:
        torch.set_num_threads(before)


class SumOfBatch(nn.Module):
    def forward(self, image):
        return image + image.mean()


@pytest.mark.parametrize(
    ("net", "wanted"),
    [
        (net_of(), True),
        (net_of(deep_supervision=True), True),
        (net_of(norm="batch"), False),
        (net_of(dropout=0.2), False),
        (SumOfBatch(), False),
    ],
    ids=["instance norm", "levels", "batch norm", "dropout", "mean of the batch"],
)
def test_batches_are_divided_where_each_sample_counts_by_itself(net, wanted):
    image, before = image_of(2), [one.clone() for one in net.buffers()]
    generator = torch.get_rng_state()
    assert is_divisible(net, image) is wanted
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(a, b) for a, b in zip(before, net.buffers(), strict=True))
