import copy
import resource
from itertools import accumulate, pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from neurotarget.models.nets.unet import UNet
from neurotarget.models.profile import cross_entropy, profile
from neurotarget.problems import DataError

FLOAT = 4  # bytes
LONG = 8
MIB = 2**20


def flops(net, shape, *, training=False):
    return profile(net, shape, training=training).flops


def peak_bytes(net, shape, **how):
    return profile(net, shape, **{"training": False, **how}).peak_memory_mib * MIB


def points(*widths):
    """Convolutions of single voxels, without bias, one after another."""
    return nn.Sequential(*(nn.Conv3d(a, b, 1, bias=False) for a, b in pairwise(widths)))


def mean_score(levels, labels):
    return levels.mean()


class Attention(nn.Module):
    """Each voxel looks at all others, in one head of 8 channels."""

    def __init__(self, *, fused):
        super().__init__()
        self.embed, self.fused = nn.Conv3d(1, 8, 1, bias=False), fused

    def forward(self, image):
        tokens = self.embed(image).flatten(2).transpose(1, 2).contiguous()[:, None]
        if self.fused:
            return F.scaled_dot_product_attention(tokens, tokens, tokens)
        return (tokens @ tokens.mT).softmax(-1) @ tokens


class Picky(nn.Module):
    def forward(self, image):
        return image * 2 if image.sum() > 0 else image


class Chosen(nn.Module):
    def forward(self, image):
        return image[image > 0]


def test_a_convolution_counts_two_per_weight_and_voxel():
    net = nn.Conv3d(2, 3, 3, padding=1)
    assert flops(net, (5, 2, 4, 6, 8)) == 2 * (2 * 3 * 27) * 5 * (4 * 6 * 8)


def test_a_strided_convolution_counts_the_voxels_that_come_out():
    net = nn.Conv3d(2, 3, 3, padding=1, stride=2)
    assert flops(net, (1, 2, 4, 6, 8)) == 2 * (2 * 3 * 27) * (2 * 3 * 4)


def test_a_transposed_convolution_counts_the_voxels_that_go_in():
    net = nn.ConvTranspose3d(2, 3, 2, stride=2)
    assert flops(net, (1, 2, 4, 6, 8)) == 2 * (2 * 3 * 8) * (4 * 6 * 8)


@pytest.mark.parametrize("kind", [nn.Conv3d, nn.ConvTranspose3d])
@pytest.mark.parametrize("groups", [1, 4])
def test_each_gradient_of_a_convolution_costs_one_forward(kind, groups):
    net = nn.Sequential(nn.Conv3d(1, 4, 1), kind(4, 4, 2, stride=2, groups=groups))
    before = 2 * 4 * 64
    forward = flops(net, (1, 1, 4, 4, 4)) - before
    assert forward == 2 * (4 * 4 // groups * 8) * (8 if kind is nn.Conv3d else 64)
    # nobody asks for the gradient of the image, so the first layer has one backward
    assert flops(net, (1, 1, 4, 4, 4), training=True) == 3 * forward + 2 * before


@pytest.mark.parametrize("fused", [True, False])
def test_attention_counts_both_matrix_products(fused):
    embed, product = 2 * 8 * 64, 2 * 64 * 64 * 8
    shape = (3, 1, 4, 4, 4)
    assert flops(Attention(fused=fused), shape) == 3 * (embed + 2 * product)
    backward = 5 if fused else 4  # a fused one computes its weights twice
    trained = flops(Attention(fused=fused), shape, training=True)
    assert trained == 3 * (2 * embed + (2 + backward) * product)


def test_parameters_are_counted_once_also_where_they_are_shared():
    layer = nn.Conv3d(2, 2, 3)  # 2 × 2 × 27 and 2 biases
    assert profile(nn.Sequential(layer, layer), (1, 2, 8, 8, 8), training=False).parameters == 110


def test_a_prediction_holds_two_neighbouring_layers_and_the_image():
    voxels = 2 * 8 * 8 * 8
    weights = 1 * 8 + 8 * 4 + 4 * 2
    assert peak_bytes(points(1, 8, 4, 2), (2, 1, 8, 8, 8)) == FLOAT * (
        weights + voxels * (1 + 8 + 4)
    )


def test_a_view_and_a_change_in_place_cost_nothing():
    net = nn.Sequential(*points(1, 8), nn.ReLU(inplace=True), nn.Flatten(2))
    assert peak_bytes(net, (1, 1, 8, 8, 8)) == FLOAT * (8 + 512 * (1 + 8))


def test_training_holds_what_the_backward_pass_needs():
    # log-probabilities, their gradient and that of the scores beside image and labels; 2 labels
    voxels = 16**3
    expected = voxels * (FLOAT + LONG + FLOAT * (2 + 2 + 2))
    found = peak_bytes(points(1, 2), (1, 1, 16, 16, 16), training=True)
    assert found == pytest.approx(expected, rel=1e-3)  # and a loss, a weight sum, the weights


def test_training_holds_the_results_of_every_layer():
    shape, voxels = (1, 1, 16, 16, 16), 16**3
    shallow = peak_bytes(points(1, 8, 2), shape, training=True)
    deep = peak_bytes(points(1, 8, 8, 8, 2), shape, training=True)
    assert deep - shallow == pytest.approx(2 * 8 * voxels * FLOAT, rel=1e-2)


def test_weights_gradients_and_the_optimizers_copies_count_in_training():
    net, shape = points(1, 1000, 1000, 2), (1, 1, 1, 1, 1)
    weights = FLOAT * (1000 + 1000 * 1000 + 2000)
    assert peak_bytes(net, shape, optimizer_states=2) == pytest.approx(weights, rel=0.01)
    assert peak_bytes(net, shape, training=True) == pytest.approx(2 * weights, rel=0.02)
    adam = peak_bytes(net, shape, training=True, optimizer_states=2)
    assert adam == pytest.approx(4 * weights, rel=0.01)


def test_weights_that_are_frozen_have_no_gradients():
    net, shape = points(1, 1000, 1000, 2), (1, 1, 1, 1, 1)
    weights = FLOAT * (1000 + 1000 * 1000 + 2000)
    net[1].requires_grad_(False)
    assert peak_bytes(net, shape, training=True, optimizer_states=2) < 1.1 * weights


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)  # on one, a convolution takes a tenth more
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_peak_memory_is_what_torch_allocates():
    net = UNet(1, 3, widths=(8, 16, 32), top_width=8).to(memory_format=torch.channels_last_3d)
    shape, labels = (2, 1, 32, 32, 32), torch.zeros(2, 32, 32, 32, dtype=torch.long)
    held = 2 * FLOAT * sum(weight.numel() for weight in net.parameters()) + LONG * labels.numel()

    def step():
        cross_entropy(net(torch.randn(shape)), labels).backward()

    step()  # gradients are there from now on
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as seen:
        step()
    events = [one for one in seen.profiler.kineto_results.events() if one.name() == "[memory]"]
    events.sort(key=lambda one: one.start_ns())
    allocated = held + max(accumulate(one.nbytes() for one in events))
    assert peak_bytes(net, shape, training=True) == pytest.approx(allocated, rel=0.25)


def test_a_loss_of_ones_own_is_what_memory_is_counted_with():
    net, shape = points(1, 2), (1, 1, 16, 16, 16)
    light = peak_bytes(net, shape, training=True, loss=mean_score)
    assert light < peak_bytes(net, shape, training=True)


def test_levels_of_deep_supervision_all_count():
    widths = {"widths": (4, 8, 16, 32), "top_width": 4}
    plain, deep = UNet(1, 3, **widths), UNet(1, 3, deep_supervision=True, **widths)
    shape = (1, 1, 16, 16, 16)
    assert flops(deep, shape) == flops(plain, shape)
    heads = 2 * 3 * (4 * 8**3 + 8 * 4**3)
    assert flops(deep, shape, training=True) == flops(plain, shape, training=True) + 3 * heads


def test_an_unpadded_net_meets_labels_of_its_own_grid():
    assert flops(nn.Conv3d(1, 2, 3), (1, 1, 5, 5, 5), training=True) == 2 * 2 * (2 * 27 * 27)


def test_net_and_random_numbers_stay_as_they_were():
    net = nn.Sequential(nn.Conv3d(1, 4, 3), nn.BatchNorm3d(4), nn.Dropout(0.5)).eval()
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    profile(net, (2, 1, 8, 8, 8), training=True)
    assert torch.equal(torch.get_rng_state(), state)
    assert not net.training
    assert all(weight.grad is None for weight in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_patch_larger_than_the_machine_is_judged_without_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB
    found = profile(UNet(1, 3, top_width=8), (16, 1, 256, 256, 256), training=True)
    assert found.peak_memory_mib > 50_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


@pytest.mark.parametrize("net", [Picky(), Chosen()])
def test_a_net_whose_course_depends_on_values_is_told_apart(net):
    with pytest.raises(DataError, match=r"its control flow depends on values of tensors \(aten"):
        profile(net, (1, 1, 4, 4, 4), training=False)


def test_sides_that_do_not_fit_are_refused_with_the_nets_own_words(capfd):
    with pytest.raises(DataError, match=r"UNet: 1×1×9×8×8 does not go through it .*nearest are"):
        profile(UNet(1, 2), (1, 1, 9, 8, 8), training=False)
    with pytest.raises(DataError, match=r"Conv3d: 1×1×4×4×4 does not go through it .*2 channels"):
        profile(nn.Conv3d(2, 2, 3), (1, 1, 4, 4, 4), training=False)
    assert capfd.readouterr().err == ""
