"""From a model's config to a network that fits the patches of its target."""

import copy
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import nn

from neurotarget.models.plane_convolutions import compute_in_plane
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.problems import DataError
from neurotarget.runs.folder.foreign import is_shareable
from neurotarget.runs.network.objects import build, build_foreign
from neurotarget.runs.network.task_class import task_kind
from neurotarget.shapes import times
from neurotarget.tasks.kinds import Segmentation, TaskKind
from neurotarget.types import Target, TripleVox

Make = Callable[..., Any]
FLAT = ("model=unet", "resunet", "attention_unet", "nnunet")  # networks that can act in a plane


class Fitted(NamedTuple):
    """A network, its target with the training patch, and a note on changes of the patch."""

    net: nn.Module
    target: Target
    note: str  # "" if the patch is the requested one


def build_net(
    cfg: Mapping[str, Any],
    target: Target,
    patch_vox: Sequence[int],
    *,
    task: type[TaskKind] = Segmentation,
    make: Make = build,
) -> nn.Module:
    """Build a model for a target and task; pass the patch if the model's weights depend on it.

    For pictures, kernels and strides that are one number, or left to the model, act in the plane.

    Args:
        cfg: settings of the model, with `_target_`.
        target: contrasts and labels or outcomes.
        patch_vox: sides of the training patch.
        task: kind of the task, which decides the arguments of the network.
        make: `build`, or `build_foreign` for a config that is not trusted.

    Raises:
        DataError: the task has nothing to predict, or wants another kind of model; a setting is
            unknown or refused, or an optional package is absent.
    """
    task.check_target(target)
    given: dict[str, object] = task.net_arguments(target)
    path = str(cfg.get("_target_", ""))
    takes = _parameters(path, trusted=make is not build_foreign)
    outputs = {"num_labels", "num_outputs"}
    if (has := outputs & {*takes}) and not has & {*given}:
        wanted, model = ("whole images", "resnet") if has == {"num_labels"} else ("voxels", "unet")
        raise DataError(
            f"model: found {path.rpartition('.')[2]} for {task.__name__}, wanted a network that "
            f"scores {wanted}, such as model={model}"
        )
    if "patch_vox" in takes:
        given["patch_vox"] = tuple(patch_vox)
    if target.is_flat and {"strides", "kernel"} <= {*takes} and "widths" in cfg:
        strides = cfg.get("strides") or [2] * (len(cfg["widths"]) - 1)
        given["strides"] = [_in_plane(step) for step in strides]
        given["kernel"] = _in_plane(cfg.get("kernel", 3))
    net = task.make_net(lambda: make(cfg, **given), target)
    if not isinstance(net, nn.Module):
        return net
    guarded = guard_small_grids(net)
    return compute_in_plane(guarded) if target.is_flat else guarded


def _in_plane(side: object) -> object:
    """Expand one number to three, of which the third is 1; three numbers stay as they are."""
    return [side, side, 1] if isinstance(side, int) else side


def fit_patch(
    requested: object,
    model: Mapping[str, Any],
    target: Target,
    *,
    task: type[TaskKind] = Segmentation,
) -> Fitted:
    """Build a model for the requested patch; `auto` enlarges the target's patch as needed.

    Args:
        requested: three sides (two of pictures), or `auto`.
        model: settings of the model, with `_target_`.
        target: its own patch is the one that `auto` starts from.
        task: kind of the task.

    Raises:
        DataError: the sides are invalid, or the model refuses them; the message lists valid ones.
    """
    sides = target.patch_vox
    if requested != "auto":
        sides = sides_of("patch_vox", requested, is_flat=target.is_flat)
    net = build_net(model, target, sides, task=task)
    nearest = getattr(net, "nearest", tuple)  # a network of the user's own takes any
    if (valid := nearest(sides)) == sides:
        return Fitted(net, replace(target, patch_vox=sides), "")
    name = type(net).__name__
    if target.is_flat and valid[2] > 1:
        raise DataError(
            f"model: found {name}, which wants {net.rule()}, wanted one for pictures, whose third "
            f"side is 1; choose {', '.join(FLAT[:-1])} or {FLAT[-1]}"
        )
    if requested != "auto":
        lower = net.below(sides)
        others = "" if lower == valid else f" or patch_vox=[{_listed(lower)}]"
        raise DataError(
            f"patch_vox: found {list(sides)}, and {name} wants {net.rule()}; set "
            f"patch_vox=[{_listed(valid)}]{others}, or patch_vox=auto"
        )
    net = build_net(model, target, valid, task=task)
    note = f"patch {times(sides)} made {times(valid)}, since {name} takes {net.rule()}"
    return Fitted(net, replace(target, patch_vox=valid), note)


def fitted_again(
    config: Mapping[str, Any], target: Target, *, make: Make = build
) -> tuple[nn.Module, Target]:
    """Rebuild network and target of a run from its config.yaml.

    Runs of versions before the setting `patch_vox` have the target's own patch.

    Raises:
        DataError: the config is not one that a run writes; for instance the network refuses the
            patch.
    """
    written = config.get("patch_vox", "auto")
    if written != "auto":
        target = replace(target, patch_vox=sides_of("patch_vox", written, is_flat=target.is_flat))
    task = task_kind(config, make=make)
    net = build_net(config["model"], target, target.patch_vox, task=task, make=make)
    if getattr(net, "nearest", tuple)(target.patch_vox) != target.patch_vox:
        raise DataError(
            f"found patch_vox {list(target.patch_vox)}, and "
            f"{type(net).__name__} wants {net.rule()}; use it as it was written"
        )
    return net, target


def try_patch(net: nn.Module, target: Target) -> None:
    """Run patches of zeros through a copy of the network, to check early that the sides fit.

    Two patches, as batch norms need more than one value.

    Raises:
        DataError: the sides do not fit.
    """
    try:
        with torch.no_grad():
            # a copy, as batch norms would update their statistics
            copy.deepcopy(net).train()(torch.zeros(2, len(target.channels), *target.patch_vox))
    except (RuntimeError, ValueError) as error:
        raise DataError(
            f"patch_vox: {list(target.patch_vox)} does not go through {type(net).__name__} "
            f"({' '.join(str(error).split())}); change patch_vox or the model's levels"
        ) from error


def optimizer_states(config: Mapping[str, Any]) -> int:
    """Values per weight in the optimizer's state, counted after one step.

    Adam has 2 and SGD without momentum none; `config` is that of the optimizer, with `_target_`.
    """
    weight = nn.Parameter(torch.zeros(3))
    optimizer = build(config, params=[weight])
    weight.grad = torch.zeros(3)
    optimizer.step()
    kept = optimizer.state[weight].values()
    return sum(torch.is_tensor(value) and value.shape == weight.shape for value in kept)


def sides_of(name: str, value: object, *, is_flat: bool = False) -> TripleVox:
    """Parse three sides in voxels; for pictures also two, with a third side of 1.

    Args:
        name: of the setting, for the message.
        value: list of whole numbers from 1.
        is_flat: whether the target is of pictures.

    Raises:
        DataError: it is not such a list.
    """
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    whole = is_list and all(isinstance(one, int) and not isinstance(one, bool) for one in value)
    if not whole or len(value) not in ((2, 3) if is_flat else (3,)) or min(value) < 1:
        found = list(value) if is_list else value
        raise DataError(f"{name}: found {found}, wanted auto or three sides such as [48,64,48]")
    return (*value, 1) if len(value) == 2 else tuple(value)


def _listed(sides: Sequence[int]) -> str:
    return ",".join(str(side) for side in sides)


def _parameters(path: str, *, trusted: bool) -> Sequence[str]:
    """Parameters of a constructor; for an untrusted path only of models that are ours."""
    module, _, name = path.rpartition(".")
    if not module or not (trusted or is_shareable(path)):
        return ()
    try:
        return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    except (ImportError, AttributeError, TypeError, ValueError):
        return ()  # building it reports what is wrong
