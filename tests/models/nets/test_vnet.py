import pytest
import torch
from monai.networks.nets import VNet as MonaiVNet

from neurotarget.models.nets.vnet import VNet


def test_weights_of_monais_net_fit_under_net_and_score_alike():
    theirs, ours = MonaiVNet(in_channels=2, out_channels=3).eval(), VNet(2, 3).eval()
    ours.load_state_dict({f"net.{key}": one for key, one in theirs.state_dict().items()})
    image = torch.randn(1, 2, 32, 16, 16)
    with torch.no_grad():
        assert torch.equal(ours(image), theirs(image))


@pytest.mark.parametrize(
    ("contrasts", "mixed_into"), [(1, None), (2, None), (3, 4), (4, None), (5, 8)]
)
def test_contrasts_that_do_not_divide_the_width_are_mixed_into_the_next_number_that_does(
    contrasts, mixed_into
):
    net = VNet(contrasts, 2, base_width=8).eval()
    assert getattr(net.stem, "out_channels", None) == mixed_into
    with torch.no_grad():
        assert net(torch.randn(1, contrasts, 32, 16, 16)).shape == (1, 2, 32, 16, 16)


def test_fewer_channels_than_contrasts_are_refused():
    with pytest.raises(ValueError, match="got base_width 2 for 3 contrasts, wanted at least as"):
        VNet(3, 2, base_width=2)


def test_without_dropout_two_steps_on_one_batch_score_alike():
    net, image = VNet(1, 2, base_width=2, dropout=0.0).train(), torch.randn(2, 1, 32, 16, 16)
    assert torch.equal(net(image), net(image))
