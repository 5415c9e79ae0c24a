import pytest

from neurotarget.problems import DataError
from neurotarget.training.frozen_layers import settle_frozen


def config(*, frozen, pretrained="imagenet", augment=None):
    model = {"_target_": "net"} | ({} if frozen is None else {"frozen": frozen})
    augment = {"flip": {"p": 0.5}} if augment is None else augment
    return {"model": model, "pretrained": pretrained, "augment": augment}


@pytest.mark.parametrize("frozen", [None, False])
def test_other_networks_keep_their_augmentation(frozen):
    given = config(frozen=frozen, pretrained=None)
    assert settle_frozen(given) == []
    assert given["augment"]


def test_frozen_layers_are_trained_without_augmentation_and_say_so():
    given = config(frozen=True)
    assert settle_frozen(given)[0].endswith("trained; without augmentation")
    assert given["augment"] == {}
    assert settle_frozen(config(frozen=True, augment={"flip": None}))[0].endswith("trained")


def test_frozen_layers_of_random_weights_are_refused():
    with pytest.raises(DataError, match="found true without pretrained weights"):
        settle_frozen(config(frozen=True, pretrained=None))
