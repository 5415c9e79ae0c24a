import pytest
import torch
from monai.networks import nets

from neurotarget.models.nets.swin_unetr import SwinUNETR


def test_one_side_may_be_the_stride_but_not_all():
    net = SwinUNETR(1, 2, feature_size=12)
    assert net.nearest((20, 40, 32)) == (32, 64, 32)
    assert net.nearest((32, 32, 32)) == (64, 64, 64)
    with pytest.raises(ValueError, match=r"got sides 32×32×32.*the nearest are 64×64×64"):
        net(torch.zeros(1, 1, 32, 32, 32))


def test_monais_weights_fit_behind_one_prefix():
    theirs = nets.SwinUNETR(2, 3, feature_size=12).state_dict()
    net = SwinUNETR(2, 3, feature_size=12)
    net.load_state_dict({f"net.{name}": value for name, value in theirs.items()})


def test_second_version_adds_a_convolution_to_each_stage():
    first, second = (SwinUNETR(1, 2, feature_size=12, residual=on) for on in (False, True))
    more = {name.split(".")[2] for name in {*second.state_dict()} - {*first.state_dict()}}
    assert more == {"layers1c", "layers2c", "layers3c", "layers4c"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"feature_size": 20}, "got feature_size 20, whose heads cannot share 20 by 3"),
        ({"feature_size": 12, "num_heads": [5, 6, 12, 24]}, "cannot share 12 by 5, wanted"),
        ({"depths": [2, 2]}, "got 2 depths and 4 numbers of heads, wanted four of each"),
    ],
)
def test_stages_that_do_not_fit_are_refused(changes, error):
    with pytest.raises(ValueError, match=error):
        SwinUNETR(1, 2, **changes)
