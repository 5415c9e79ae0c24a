"""What the backbones of whole images keep."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from neurotarget.data.batches.prepare import Preparation
from neurotarget.inference.predict_outcomes import OutcomePredictor
from neurotarget.inference.windows.whole_image import WholeImage
from neurotarget.models.backbone import VectorBackbone
from neurotarget.models.memory_layout import channels_last
from neurotarget.models.nets.efficientnet_lite0 import EfficientNetLite0
from neurotarget.models.nets.mrnet import MRNet
from neurotarget.models.nets.patch_pool import PatchPool
from neurotarget.models.nets.resnet import ResNet
from neurotarget.models.nets.slice_pool import SlicePool
from neurotarget.tasks.classification import ClassificationTask
from neurotarget.types import Target


@pytest.mark.parametrize("sides", [(32, 24, 16), (17, 20, 33)])
def test_an_image_of_any_sides_has_one_row_of_outputs(sides):
    net = ResNet(2, 3, depth=10, width=4).eval()
    assert isinstance(net, VectorBackbone)
    assert "doi:10." in inspect.getdoc(ResNet)
    outputs = net(torch.randn(2, 2, *sides))
    assert outputs.shape == (2, 3)
    assert outputs.isfinite().all()


def test_a_slice_is_convolved_in_its_plane():
    net = ResNet(1, 1, depth=10, width=4, is_flat=True).eval()
    image = torch.randn(1, 1, 32, 40, 1)
    assert net(image).shape == (1, 1)
    assert net.net.conv1.weight.ndim == 4


def test_outputs_are_in_the_unit_that_training_sets():
    net = ResNet(1, 2, depth=10, width=4).eval()
    image = torch.randn(3, 1, 16, 16, 16)
    plain = net(image)
    net.rescale(torch.tensor([50.0, 0.0]), torch.tensor([12.0, 1.0]))
    torch.testing.assert_close(net(image), plain * torch.tensor([12.0, 1.0]) + net.centre)
    assert {"centre", "spread"} <= net.state_dict().keys()


def test_an_unknown_depth_is_refused():
    with pytest.raises(ValueError, match="depth: got 11, wanted one of 10, 18, 34, 50"):
        ResNet(1, 1, depth=11)


def test_a_step_in_bfloat16_has_finite_gradients():
    net = ResNet(1, 1, depth=18, width=4, stem_kernel=3, stem_stride=1, pool=False).train()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = net(torch.randn(4, 1, 16, 16, 16))
    outputs.square().mean().backward()
    assert all(weight.grad.isfinite().all() for weight in net.parameters())


def test_slices_in_any_order_and_number_have_the_same_strongest_features():
    net = SlicePool(1, 2, depth=10, width=4).eval()
    series = torch.randn(2, 1, 24, 20, 5)
    outputs = net(series)
    assert outputs.shape == (2, 2)
    torch.testing.assert_close(net(series.flip(4)), outputs)
    twice = torch.cat([series, series[..., :2]], dim=4)
    torch.testing.assert_close(net(twice), outputs)
    assert "doi:10." in inspect.getdoc(SlicePool)


def test_a_slice_with_the_sign_decides():
    torch.manual_seed(1)
    net = SlicePool(1, 1, depth=10, width=4).eval()
    series = torch.zeros(1, 1, 16, 16, 6)
    series[..., 3] = torch.randn(16, 16)
    alone = net(series[..., 3:4])
    assert not torch.allclose(net(series), net(torch.zeros_like(series)))
    assert alone.shape == (1, 1)


def test_the_highest_score_of_a_place_decides():
    torch.manual_seed(2)
    net = PatchPool(1, 1, depth=10, width=4, is_flat=True, sharpness=500.0).eval()
    image = torch.randn(2, 1, 96, 64, 1)
    outputs = net(image)
    features = net.net(image[..., 0]).unflatten(1, (32, -1)).transpose(1, 2)
    assert features.shape == (2, 6, 32)
    torch.testing.assert_close(outputs, net.head(features).amax(dim=1), atol=0.01, rtol=0)
    assert channels_last(net)(image).shape == (2, 1)
    with pytest.raises(ValueError, match="sharpness: got 0, wanted a positive number"):
        PatchPool(1, 1, sharpness=0)


def test_weights_of_planes_and_volumes_are_laid_out_with_channels_last():
    net = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.Conv3d(3, 4, 3), nn.Linear(3, 4)])
    assert channels_last(net) is net
    assert net[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert net[1].weight.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("net", [ResNet(1, 1, depth=10, width=4, is_flat=True),
                                 PatchPool(1, 1, depth=10, width=4, is_flat=True),
                                 SlicePool(1, 1, depth=10, width=4),
                                 EfficientNetLite0(1, 1)])  # fmt: skip
def test_networks_of_planes_train_and_predict(net):
    outcomes = {"ill": {"kind": "binary", "classes": ["no", "yes"]}}
    target = Target("person", ["t1"], {}, [1] * 3, [16, 16, 1], outcomes=outcomes)
    task = ClassificationTask(target, net, torch.optim.AdamW)
    task.batch_loss(task.example(2)).backward()
    whole = WholeImage(target.patch_vox)
    predictor = OutcomePredictor(net, target, Preparation("none", None), inferer=whole)
    assert predictor.views(np.zeros((1, 16, 16, 1), np.float32)).shape == (1, 1)


def mean_of_strongest(net, image):
    """Outputs of a network of slices, from the means of its maps where one slice is all."""
    maps = net.activation_maps(image)
    return maps, net(image) - net.head[1].bias


@pytest.mark.parametrize("kind", ["slice_pool", "mrnet"])
@torch.no_grad()
def test_the_mean_of_the_map_of_a_slice_is_its_output(kind):
    made = {
        "slice_pool": lambda: SlicePool(1, 2, depth=10, width=4),
        "mrnet": lambda: MRNet(1, 2),
    }
    torch.manual_seed(0)
    net = made[kind]().eval()
    image = torch.randn(2, 1, 96, 96, 1)
    maps, outputs = mean_of_strongest(net, image)
    assert maps.shape == (2, 2, 96, 96, 1)
    # enlarging a map keeps its mean but for what lies at the edges
    small = maps[..., 0].unfold(2, 32, 32).unfold(3, 32, 32).mean(dim=(4, 5)).mean(dim=(2, 3))
    torch.testing.assert_close(small, outputs, rtol=0.2, atol=0.05)


@torch.no_grad()
def test_maps_are_those_of_the_features_times_the_weights_slice_by_slice():
    torch.manual_seed(1)
    net = SlicePool(1, 1, depth=10, width=4).eval()
    image = torch.randn(1, 1, 32, 48, 5)
    maps = net.activation_maps(image)
    assert maps.shape == (1, 1, 32, 48, 5)
    for number in range(5):
        alone = net.activation_maps(image[..., number : number + 1])
        torch.testing.assert_close(maps[..., number], alone[..., 0], atol=1e-5, rtol=1e-4)
    features = net._places(image[..., 2])
    assert features.shape[1] == net.head[1].in_features
    assert not net.net.layer4._forward_hooks
