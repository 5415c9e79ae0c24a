import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml
from monai.networks.nets import DynUNet

from neurotarget.models.nets.nnunet import NNUNet, ResEncUNet

CONF = Path(__file__).parents[3] / "conf" / "model"
PACKAGE = "dynamic_network_architectures"
PATCH = (32, 32, 16)


def tiny(kind=NNUNet, **changes):
    return kind(2, 3, **{"patch_vox": PATCH, "base_width": 4, "max_width": 8, **changes})


def resenc(**changes):
    pytest.importorskip(f"{PACKAGE}.architectures.unet", reason=f"{PACKAGE} is not installed")
    return tiny(ResEncUNet, blocks=[1, 2], **changes)


def test_levels_and_widths_are_capped():
    net = tiny(patch_vox=(64, 64, 64), max_levels=3)
    assert net.stride == (4, 4, 4)
    assert list(net.net.filters) == [4, 8, 8]


def test_weights_of_monais_net_fit_under_net_and_score_alike_at_every_level():
    strides = [1, 2, 2, (2, 2, 1)]
    theirs = DynUNet(
        3, 2, 3, [3] * 4, strides, strides[1:], filters=[4, 8, 8, 8], deep_supervision=True
    )
    ours = tiny()
    state = {key: one for key, one in theirs.state_dict().items() if "skip_layers" not in key}
    ours.load_state_dict({f"net.{key}": one for key, one in state.items()})
    image = torch.randn(1, 2, 32, 32, 16)
    levels, stack = ours.train()(image), theirs.train()(image)
    blown_up = [F.interpolate(level, image.shape[2:]) for level in levels]
    assert torch.equal(torch.stack(blown_up, dim=1), stack)
    assert torch.equal(ours.eval()(image), theirs.eval()(image))


def test_deep_supervision_leaves_the_coarsest_decoder_level_out():
    net = tiny(patch_vox=(64, 64, 32))
    assert net.stride == (16, 16, 8)
    sides = [tuple(level.shape[1:]) for level in net.train()(torch.randn(1, 2, 64, 64, 32))]
    assert sides == [(3, 64, 64, 32), (3, 32, 32, 16), (3, 16, 16, 8)]


@pytest.mark.parametrize("changes", [{"deep_supervision": False}, {"max_levels": 3}])
def test_without_levels_to_supervise_one_tensor_comes_back_in_training_too(changes):
    net = tiny(**changes)
    assert not net.deep_supervision
    assert net.train()(torch.randn(1, 2, *PATCH)).shape == (1, 3, *PATCH)


@pytest.mark.parametrize("changes", [{"patch_vox": (8, 8, 12)}, {"max_levels": 2}])
def test_fewer_than_three_levels_are_refused(changes):
    with pytest.raises(ValueError, match="leave 2 of the 3 levels that it needs; set a patch"):
        tiny(**changes)


def test_without_the_package_the_sentence_says_what_to_install(monkeypatch):
    for name in (PACKAGE, f"{PACKAGE}.architectures", f"{PACKAGE}.architectures.unet"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    with pytest.raises(ValueError, match=r"pip install dynamic-network-.*torchvision"):
        tiny(ResEncUNet)


def test_residual_encoder_on_one_level_is_refused():
    with pytest.raises(ValueError, match="patch 8×7×7 and max_levels None, which leave 1 of the 2"):
        tiny(ResEncUNet, patch_vox=(8, 7, 7))


def test_residual_encoder_scores_as_the_packages_net_does():
    net = resenc(patch_vox=(64, 64, 32)).train()
    image = torch.randn(1, 2, 64, 64, 32)
    levels = net(image)
    sides = [tuple(level.shape[1:]) for level in levels]
    assert sides == [(3, 64, 64, 32), (3, 32, 32, 16), (3, 16, 16, 8)]
    theirs = net.net(image)  # the coarsest decoder level is not scored, its features come back
    assert all(torch.equal(one, other) for one, other in zip(levels, theirs[:3], strict=True))
    assert torch.equal(net.eval()(image), theirs[0])


def test_residual_encoder_has_as_many_blocks_as_its_preset_says():
    from_preset = yaml.safe_load((CONF / "nnunet_resenc_m.yaml").read_text("utf-8"))["model"]
    pytest.importorskip(f"{PACKAGE}.architectures.unet", reason=f"{PACKAGE} is not installed")
    net = tiny(ResEncUNet, patch_vox=(32, 32, 32), blocks=from_preset["blocks"])
    assert [len(stage.blocks) for stage in net.net.encoder.stages] == [1, 3, 4, 6]
    assert [len(stage.convs) for stage in net.net.decoder.stages] == [1, 1, 1]


def test_the_presets_differ_in_the_memory_they_are_planned_for_alone():
    medium, large = (
        yaml.safe_load((CONF / f"nnunet_resenc_{size}.yaml").read_text("utf-8")) for size in "ml"
    )
    assert (medium.pop("plan"), large.pop("plan")) == ({"memory_gb": 8}, {"memory_gb": 24})
    assert medium == large
