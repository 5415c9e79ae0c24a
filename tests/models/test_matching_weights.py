import pytest
import torch
from torch import nn

from neurotarget.models.matching_weights import match


class Whole(nn.Module):
    def __init__(self, labels=2):
        super().__init__()
        self.net = nn.ModuleDict({"encoder": nn.Linear(3, 4), "head": nn.Linear(4, labels)})


def test_equal_names_all_match():
    net = Whole()
    found = match(Whole().state_dict(), net)
    assert set(found.fitting) == set(net.state_dict())
    assert found.share == 1.0
    assert found.lines == ["4 tensors match, 100.0 % of the parameters"]


@pytest.mark.parametrize("front", ["module.", "_orig_mod.", "model.net."])
def test_a_wrapper_before_the_names_is_seen_through(front):
    bare = Whole().net.state_dict()  # of the wrapped net alone
    found = match({front + name: value for name, value in bare.items()}, Whole())
    assert found.share == 1.0
    assert torch.equal(found.fitting["net.head.bias"], bare["head.bias"])


def test_an_encoder_alone_finds_its_place():
    encoder = nn.Linear(3, 4).state_dict()
    found = match({f"module.{name}": value for name, value in encoder.items()}, Whole())
    assert set(found.fitting) == {"net.encoder.weight", "net.encoder.bias"}
    assert found.absent == ("net.head.weight", "net.head.bias")
    assert found.share == pytest.approx(16 / 26)


def test_a_head_of_other_labels_is_reported_with_both_shapes():
    found = match(Whole(labels=5).state_dict(), Whole())
    assert set(found.fitting) == {"net.encoder.weight", "net.encoder.bias"}
    assert found.other_shape["net.head.weight"] == ((5, 4), (2, 4))
    assert "net.head.weight (found 5×4, wanted 2×4)" in found.lines[1]


def test_a_small_head_that_does_not_fit_leaves_less_than_all():
    found = match(
        nn.Sequential(nn.Linear(100, 100), nn.Linear(100, 1)).state_dict(),
        nn.Sequential(nn.Linear(100, 100), nn.Linear(1, 1)),
    )
    assert found.share > 0.9995
    assert found.lines[0] == "3 tensors match, 99.9 % of the parameters"


def test_weights_of_another_net_match_nowhere():
    found = match(nn.Conv3d(1, 2, 3).state_dict(), Whole())
    assert found.fitting == {}
    assert found.share == 0
    assert "2 tensors (weight, bias) in the file only, unused" in found.lines[-1]
