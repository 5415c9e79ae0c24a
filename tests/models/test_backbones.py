"""What every backbone of voxels keeps, whichever it is; each has a configuration in conf/model."""

import importlib
import inspect
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from neurotarget.models.backbone import Backbone
from neurotarget.models.memory_layout import channels_last

CONF = Path(__file__).parents[2] / "conf" / "model"
# of whole images: test_vector_backbones.py
WHOLE = {"efficientnet_lite0", "mrnet", "patch_pool", "resnet", "slice_pool"}
NAMES = sorted({path.stem for path in CONF.glob("*.yaml")} - WHOLE)
PACKAGES = {
    "nnunet_resenc_m": "dynamic_network_architectures.architectures.unet",
    "nnunet_resenc_l": "dynamic_network_architectures.architectures.unet",
}

TINY_RESENC = {"base_width": 4, "max_width": 8, "blocks": [1, 2]}
# what makes each small, without dropout: it hides parameters from a step
TINY = {
    "attention_unet": {"widths": [4, 4, 8]},
    "deepparcellation": {"widths": [4, 4, 8]},
    "deeppgsegnet": {"widths": [8, 8, 16]},
    "mednext": {"width": 4},
    "nnunet": {"base_width": 4, "max_width": 8},
    "nnunet_resenc_l": TINY_RESENC,
    "nnunet_resenc_m": TINY_RESENC,
    "resunet": {"widths": [4, 8, 8]},
    "segresnet": {"base_width": 4, "blocks_down": [1, 1, 2], "dropout": 0.0},
    "swin_unetr": {"feature_size": 12, "window_vox": 2},
    "unet": {"widths": [4, 4, 8]},
    "unetplusplus": {"widths": [4, 4, 4, 4, 8, 4]},
    "unetr": {"feature_size": 4, "hidden_size": 24, "mlp_dim": 16, "num_heads": 2},
    "vnet": {"base_width": 4, "dropout": 0.0},
    "weninger_locator": {"width": 4},
    "weninger_segmenter": {"width": 2},
}


LEAST = (32, 16, 16)
LEAST_OF = {"swin_unetr": (64, 16, 16)}
CONVOLUTIONS = (torch.nn.Conv3d, torch.nn.ConvTranspose3d)


def wanted(name, least):
    """Anisotropic sides that a net takes, at least these."""
    return build(name, patch_vox=least).nearest(least)


def build(name, *, contrasts=1, labels=2, patch_vox=LEAST):
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason=f"{name} needs {PACKAGES[name]}")
    model = yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8"))["model"]
    module, _, kind = model.pop("_target_").rpartition(".")
    made = getattr(importlib.import_module(module), kind)
    if "patch_vox" in inspect.signature(made).parameters:
        model["patch_vox"] = patch_vox
    torch.manual_seed(1)
    return made(contrasts, labels, **{**model, **TINY[name]})


@cache
def prepared(name):
    """A net of 4 contrasts and 5 labels in training and sides for it, shared by all tests."""
    sides = wanted(name, LEAST_OF.get(name, LEAST))
    net = build(name, contrasts=4, labels=5, patch_vox=sides).train()
    with torch.no_grad():  # a branch that begins at zero would hide what is behind it
        for weight in net.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.05)
    return net, sides


@cache
def stepped(name):
    """Levels and gradients of one step in training, of images laid out channels last."""
    net, sides = prepared(name)
    net.zero_grad()
    channels_last(net.train())
    levels = levels_of(net(image_of(sides).contiguous(memory_format=torch.channels_last_3d)))
    sum(level.square().mean() for level in levels).backward()
    gradients = {key: one.grad for key, one in net.named_parameters()}
    net.zero_grad(set_to_none=True)
    return [level.detach() for level in levels], gradients


def evaluated(net, image):
    with torch.no_grad():
        return net.eval()(image)


def image_of(sides, *, batch=2, contrasts=4):
    torch.manual_seed(2)
    return torch.randn(batch, contrasts, *sides)


def levels_of(output):
    return output if isinstance(output, list) else [output]


def scored(net, sides):
    return tuple(side - 2 * net.margin_vox for side in sides)


@pytest.mark.parametrize("name", NAMES)
def test_each_has_its_row_here(name):
    assert name in TINY, f"add a row for conf/model/{name}.yaml to TINY"


@pytest.mark.parametrize("name", NAMES)
def test_one_contrast_and_two_labels_are_scored_on_the_grid_of_the_image(name):
    net = build(name).eval()
    sides = net.nearest(LEAST_OF.get(name, LEAST))
    with torch.no_grad():
        logits = net(image_of(sides, batch=1, contrasts=1))
    assert logits.shape == (1, 2, *scored(net, sides))
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_in_training_the_first_level_has_the_grid_and_the_others_grow_no_finer(name):
    net, sides = prepared(name)
    levels, _ = stepped(name)
    assert levels[0].shape == (2, 5, *scored(net, sides))
    assert (len(levels) > 1) == net.deep_supervision
    voxels = [np.prod(level.shape[2:]) for level in levels]
    assert voxels == sorted(voxels, reverse=True)
    assert all(level.shape[:2] == (2, 5) for level in levels)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_takes_part_in_a_step_of_channels_last_images(name):
    modules = prepared(name)[0].named_modules()
    # a norm takes a convolution's bias away again, so its gradient may be zero
    inert = {f"{path}.bias" for path, one in modules if isinstance(one, CONVOLUTIONS)}
    _, gradients = stepped(name)
    assert not [key for key, one in gradients.items() if one is None]
    assert not [key for key, one in gradients.items() if key not in inert and not one.any()]
    assert all(one.isfinite().all() for one in gradients.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_layout_of_memory_changes_no_score(name):
    net, sides = prepared(name)
    image = image_of(sides, batch=1)
    plain = evaluated(net.to(memory_format=torch.contiguous_format), image)
    channels_last(net)
    last = evaluated(net, image.contiguous(memory_format=torch.channels_last_3d))
    torch.testing.assert_close(last, plain, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_in_bfloat16_has_finite_gradients(name):
    net, sides = prepared(name)
    net.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        levels = levels_of(net.train()(image_of(sides, batch=1)))
    sum(level.float().square().mean() for level in levels).backward()
    assert all(weight.grad.isfinite().all() for weight in net.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_a_side_that_does_not_fit_is_refused_with_the_nearest_that_does(name):
    net, sides = prepared(name)
    odd = (sides[0] + 1, *sides[1:])
    with pytest.raises(
        ValueError, match=rf"{type(net).__name__}: got sides .*the nearest"
    ) as caught:
        net(image_of(odd))
    taken = getattr(net, "patch_vox", net.nearest(odd))  # UNETR as it is built takes no others
    assert "×".join(map(str, taken)) in str(caught.value)
    assert net.nearest(net.nearest(odd)) == net.nearest(odd)


@pytest.mark.parametrize("name", NAMES)
def test_a_net_built_for_the_sides_it_asks_for_keeps_them(name):
    sides = wanted(name, (33, 20, 24))
    assert build(name, patch_vox=sides).nearest(sides) == sides


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_stored_once_and_load_back(name, tmp_path):
    net, sides = prepared(name)
    state = net.state_dict()
    places = [one.data_ptr() for one in state.values() if one.numel()]
    assert len(places) == len(set(places))
    torch.save(state, tmp_path / "net.pt")
    again = build(name, contrasts=4, labels=5, patch_vox=sides)
    again.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    image = image_of(sides, batch=1)
    torch.testing.assert_close(evaluated(again, image), evaluated(net, image), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_backbone_that_says_where_it_is_from(name):
    net, _ = prepared(name)
    assert isinstance(net, Backbone)
    assert "doi:10." in inspect.getdoc(type(net))
    head = (CONF / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[:3]
    assert head[0] == "# @package _global_"
    assert "doi:10." in head[1]
    assert head[2] == "defaults:"
