import pytest
import torch

from neurotarget.models.matching_weights import match
from neurotarget.models.nets.mrnet import MRNet, alexnet_features


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(1)
    return MRNet(1, 2).eval()


def test_the_features_have_the_published_number_of_parameters():
    assert sum(weight.numel() for weight in alexnet_features(3).parameters()) == 2_469_696


def test_a_slice_of_256_has_features_on_7_by_7_places():
    assert alexnet_features(3)(torch.zeros(1, 3, 256, 256)).shape == (1, 256, 7, 7)


def test_slices_in_any_order_and_number_have_the_same_outputs(net):
    series = torch.randn(2, 1, 64, 72, 4)
    outputs = net(series)
    assert outputs.shape == (2, 2)
    torch.testing.assert_close(net(series.flip(4)), outputs)
    torch.testing.assert_close(net(torch.cat([series, series[..., :2]], dim=4)), outputs)
    assert net(series[..., :1]).shape == (2, 2)


def test_weights_of_three_colours_fit_a_series_of_one_contrast(net):
    weights = {f"features.{key}": one for key, one in alexnet_features(3).state_dict().items()}
    found = match(weights, net)
    assert len(found.fitting) == 10
    assert not found.other_shape


def test_small_slices_are_refused(net):
    assert net(torch.zeros(1, 1, 63, 63, 2)).isfinite().all()
    with pytest.raises(ValueError, match="got slices of 62×64, wanted sides of at least 63"):
        net(torch.zeros(1, 1, 62, 64, 2))
