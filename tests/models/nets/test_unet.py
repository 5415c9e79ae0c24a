import pytest
import torch
from monai.networks.nets import UNet as MonaiUNet

from neurotarget.models.nets.unet import UNet
from neurotarget.models.residual import ResidualUnit


def tiny(**changes):
    return UNet(2, 3, **{"widths": (4, 8, 16), **changes})


def test_logits_have_the_grid_of_the_image():
    assert tiny()(torch.randn(2, 2, 8, 12, 16)).shape == (2, 3, 8, 12, 16)


def test_stride_is_the_product_of_the_steps_per_axis():
    assert tiny().stride == (4, 4, 4)
    assert tiny(strides=[[1, 2, 2], 2]).stride == (2, 4, 4)


def test_anisotropic_strides_keep_the_grid():
    net = tiny(strides=[[2, 2, 1], 2])
    assert net(torch.randn(1, 2, 8, 8, 6)).shape == (1, 3, 8, 8, 6)


def test_side_that_is_no_multiple_of_the_stride_is_refused():
    with pytest.raises(ValueError, match=r"got sides 8×9×8, wanted multiples of 4×4×4"):
        tiny()(torch.randn(1, 2, 8, 9, 8))


def test_patch_of_one_step_is_refused():
    with pytest.raises(ValueError, match=r"got sides 4×4×4.* 4×4×4 \(more than one\)"):
        tiny()(torch.randn(1, 2, 4, 4, 4))


def test_deep_supervision_scores_coarser_levels_in_training_only():
    net = tiny(widths=(4, 8, 16, 32), deep_supervision=True)
    image = torch.randn(1, 2, 16, 16, 24)
    sides = [tuple(level.shape[1:]) for level in net.train()(image)]
    assert sides == [(3, 16, 16, 24), (3, 8, 8, 12), (3, 4, 4, 6)]
    assert net.eval()(image).shape == (1, 3, 16, 16, 24)


def test_image_skip_adds_edges_of_single_voxels():
    torch.manual_seed(1)
    net = tiny(top_width=4, image_skip=True).eval()
    image = torch.randn(1, 2, 8, 8, 8)
    skipped = net.image_skip(image)
    seen = []
    net.ups[-1][1].register_forward_pre_hook(lambda _unit, given: seen.append(given[0]))
    net.ups[-1][0].register_forward_hook(lambda _rise, _given, made: seen.append(made))
    net(image)
    torch.testing.assert_close(seen[1], seen[0] + skipped)


def test_image_skip_without_channels_at_full_resolution_is_refused():
    with pytest.raises(ValueError, match=r"got an image skip .* set model.top_width"):
        tiny(image_skip=True)


@pytest.mark.parametrize("norm", ["instance", "batch", "group"])
def test_each_norm_trains(norm):
    net = tiny(norm=norm, top_width=8, dropout=0.1)
    net(torch.randn(2, 2, 8, 8, 8)).square().mean().backward()
    assert all(weight.grad.isfinite().all() for weight in net.parameters())


def test_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="got norm 'layer', wanted instance, batch or group"):
        tiny(norm="layer")


@pytest.mark.parametrize("strides", [[0, 2], [2, -2], [[2, 2], 2], [[2, 2, 0], 2]])
def test_strides_that_are_no_steps_are_refused(strides):
    with pytest.raises(ValueError, match=r"UNet: got strides .*, wanted whole numbers"):
        tiny(strides=strides)


def test_strides_that_do_not_fit_the_widths_are_refused():
    with pytest.raises(ValueError, match="got 3 widths and 3 strides"):
        tiny(strides=[2, 2, 2])


def test_its_blocks_are_residual_and_named_as_in_weights_trained_before():
    names = [name for name, _ in tiny(top_width=4).named_children()]
    assert names == ["downs", "bottom", "ups", "top", "heads"]
    blocks = [one for one in tiny().modules() if isinstance(one, ResidualUnit)]
    assert len(blocks) == 5  # two on the way down, the bottom, two on the way up


def test_weights_load_back_from_a_plain_file(tmp_path):
    net = tiny().eval()
    torch.save(net.state_dict(), tmp_path / "net.pt")
    again = tiny().eval()
    again.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    image = torch.randn(1, 2, 8, 8, 8)
    assert torch.equal(net(image), again(image))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"norm": "group", "dropout": 0.2},
        {"norm": "batch", "strides": [[2, 2, 1], 2], "kernel": 5},
        {"strides": [1, 2], "kernel": [3, 3, 1]},
        {"widths": (4, 8, 16, 24), "top_width": 6},
    ],
)
def test_the_network_is_that_of_monai(settings):
    torch.manual_seed(1)
    ours = tiny(**settings).eval()
    widths, last = settings.get("widths", (4, 8, 16)), settings.get("top_width", 3)
    kernel, norm = settings.get("kernel", 3), settings.get("norm", "instance")
    torch.manual_seed(1)
    theirs = MonaiUNet(
        spatial_dims=3,
        in_channels=2,
        out_channels=last,
        channels=widths,
        strides=settings.get("strides", [2] * (len(widths) - 1)),
        kernel_size=kernel,
        up_kernel_size=kernel,
        num_res_units=2,
        norm=("group", {"num_groups": 1}) if norm == "group" else (norm, {"affine": True}),
        dropout=settings.get("dropout", 0.0),
    ).eval()
    ours.top = torch.nn.Identity()
    weights = [
        sorted(map(float, (one.double().sum() for one in net.state_dict().values())))
        for net in (ours, theirs)
    ]
    assert weights[0] == pytest.approx(weights[1])
    image = torch.randn(2, 2, 8, 8, 16)
    torch.testing.assert_close(ours(image), theirs(image))


def test_kernels_of_even_sides_are_refused():
    with pytest.raises(ValueError, match="got a kernel of 4, wanted odd sides"):
        tiny(kernel=4)
