from dataclasses import replace

import pytest
import torch
from torch import nn

from neurotarget.models.backbone import Backbone
from neurotarget.problems import DataError
from neurotarget.runs.network.fitting import build_net, fit_patch, fitted_again, try_patch
from neurotarget.runs.network.objects import build_foreign
from neurotarget.types import Target

UNET = {"_target_": "neurotarget.models.nets.unet.UNet", "widths": [4, 8, 8]}  # multiples of 4
PATCHED = {"_target_": f"{__name__}.Patched"}


class Patched(Backbone):
    """Weights for each voxel of its patch, as a vision transformer has."""

    stride = (4, 4, 4)

    def __init__(self, in_channels, num_labels, *, patch_vox):  # noqa: ARG002
        super().__init__()
        self.places = nn.Parameter(torch.zeros(num_labels, *self.nearest(patch_vox)))

    def forward(self, image):
        self.check(image)
        return image[:, :1] * self.places


class Own(nn.Module):
    """A user's network, which declares nothing."""

    def __init__(self, in_channels, num_labels):
        super().__init__()
        self.only = nn.Conv3d(in_channels, num_labels, 1)

    def forward(self, image):
        return self.only(image)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Make this file importable under the name that configs say."""
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules[Patched.__module__])


@pytest.fixture
def target():
    return Target("a", ["t1", "t2"], {"a": 1}, [1, 1, 1], [8, 12, 10])


def test_a_patch_that_fits_is_the_targets(target):
    target = fit_patch([8, 12, 12], UNET, target).target
    assert target.patch_vox == (8, 12, 12)
    assert fit_patch("auto", UNET, target).note == ""


def test_the_targets_patch_is_made_as_large_as_the_model_needs_and_reported(target):
    net, fitted, note = fit_patch("auto", UNET, target)
    assert fitted.patch_vox == (8, 12, 12)
    assert note == (
        "patch 8×12×10 made 8×12×12, since UNet takes multiples of 4×4×4 (more than one)"
    )
    assert net(torch.zeros(1, 2, 8, 12, 12)).shape == (1, 2, 8, 12, 12)


def test_sides_that_were_asked_for_are_refused_with_the_nearest(target):
    error = (
        r"found \[8, 12, 10\], and UNet wants .*; set patch_vox=\[8,12,12\] or patch_vox=\[8,12,8\]"
    )
    with pytest.raises(DataError, match=error):
        fit_patch([8, 12, 10], UNET, target)


@pytest.mark.parametrize("patch_vox", ["big", [8, 8], [8, 8, 0], [8, 8, 8.5], 8, [True, 8, 8]])
def test_what_are_no_sides_is_refused(target, patch_vox):
    with pytest.raises(DataError, match=r"patch_vox: found .*, wanted auto or three sides"):
        fit_patch(patch_vox, UNET, target)


def test_a_net_with_weights_for_its_patch_is_built_for_it(target):
    net, fitted, _ = fit_patch("auto", PATCHED, target)
    assert net.places.shape == (2, *fitted.patch_vox) == (2, 8, 12, 12)


def test_a_network_of_ones_own_takes_any_patch(target):
    fitted = fit_patch("auto", {"_target_": f"{__name__}.Own"}, target)
    assert fitted.target.patch_vox == (8, 12, 10)
    try_patch(fitted.net, fitted.target)


def test_trying_a_patch_leaves_the_network_as_it_is(target):
    net = nn.Sequential(nn.Conv3d(2, 2, 1), nn.BatchNorm3d(2))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    try_patch(net, target)
    after = net.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_run_is_built_again_with_the_patch_it_had(target):
    _, fitted = fitted_again({"model": UNET, "patch_vox": [16, 16, 16]}, target)
    assert fitted.patch_vox == (16, 16, 16)
    before = replace(target, patch_vox=(8, 12, 12))
    _, older = fitted_again({"model": UNET}, before)
    assert older.patch_vox == (8, 12, 12)


def test_a_run_whose_patch_was_changed_to_one_that_does_not_fit_is_refused(target):
    with pytest.raises(
        DataError, match=r"found patch_vox \[18, 16, 16\], and UNet wants multiples"
    ):
        fitted_again({"model": UNET, "patch_vox": [18, 16, 16]}, target)


def test_a_strangers_class_is_not_even_looked_at(target):
    with pytest.raises(DataError, match="wanted a class of"):
        build_net(PATCHED, target, (8, 8, 8), make=build_foreign)


def test_a_network_of_pictures_acts_in_their_plane():
    film = Target("a", ["t1"], {"a": 1}, spacing_px=[1, 1], patch_vox=[8, 12])
    net, fitted, note = fit_patch("auto", UNET, film)
    assert (fitted.patch_vox, note, net.stride) == ((8, 12, 1), "", (4, 4, 1))
    assert {conv.kernel_size for conv in net.modules() if isinstance(conv, nn.Conv3d)} <= {
        (3, 3, 1),
        (1, 1, 1),
    }
    assert net.eval()(torch.zeros(1, 1, 8, 12, 1)).shape == (1, 2, 8, 12, 1)
    own = {**UNET, "strides": [[2, 1, 1], 2], "kernel": [5, 3, 1]}
    assert build_net(own, film, film.patch_vox).stride == (4, 2, 1)
    assert fit_patch([16, 16], UNET, film).target.patch_vox == (16, 16, 1)


@pytest.mark.parametrize("more", [{"strides": None, "kernel": 3}, {"strides": [2, [2, 2, 1]]}])
def test_a_strangers_network_of_pictures_is_built_as_it_was_trained(more):
    """Its settings have strides of volumes, which pictures replace."""
    film = Target("a", ["t1"], {"a": 1}, spacing_px=[1, 1], patch_vox=[8, 12])
    own = build_net({**UNET, **more}, film, film.patch_vox)
    other = build_net({**UNET, **more}, film, film.patch_vox, make=build_foreign)
    shapes = [{name: one.shape for name, one in net.state_dict().items()} for net in (own, other)]
    assert shapes[0] == shapes[1]
    assert other.stride == (4, 4, 1)


def test_a_network_of_volumes_is_refused_for_pictures():
    film = Target("a", ["t1"], {"a": 1}, spacing_px=[1, 1], patch_vox=[8, 8])
    with pytest.raises(DataError, match=r"found Patched, which wants .*, wanted one for pictures"):
        fit_patch("auto", PATCHED, film)
