"""From a model's config to a network that fits the patches of its target."""

import copy
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import nn

from neurotarget.data.sides.pairs import as_trained
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.problems import DataError
from neurotarget.runs.folder.foreign import is_shareable
from neurotarget.runs.network.objects import build, build_foreign
from neurotarget.shapes import times
from neurotarget.types import Target, TripleVox

Make = Callable[..., Any]


class Fitted(NamedTuple):
    """A network, its target with the training patch, and a note on changes of the patch."""

    net: nn.Module
    target: Target
    note: str  # "" if the patch is the requested one


def build_net(
    cfg: Mapping[str, Any], target: Target, patch_vox: Sequence[int], *, make: Make = build
) -> nn.Module:
    """Build a model for a target; pass the patch to a model whose weights depend on it.

    Raises:
        DataError: a setting is unknown or refused, or an optional package is absent.
    """
    given: dict[str, object] = {
        "in_channels": len(target.contrasts),
        "num_labels": as_trained(target).num_labels,
    }
    if "patch_vox" in _parameters(str(cfg.get("_target_", "")), trusted=make is not build_foreign):
        given["patch_vox"] = tuple(patch_vox)
    net = make(cfg, **given)
    return guard_small_grids(net) if isinstance(net, nn.Module) else net


def fit_patch(asked: object, model: Mapping[str, Any], target: Target) -> Fitted:
    """Build a model for the requested patch; `auto` enlarges the target's patch as needed.

    Raises:
        DataError: the sides are invalid, or the model refuses them; the message lists valid ones.
    """
    sides = target.patch_vox if asked == "auto" else sides_of("patch_vox", asked)
    net = build_net(model, target, sides)
    nearest = getattr(net, "nearest", tuple)  # a network of the user's own takes any
    if (valid := nearest(sides)) == sides:
        return Fitted(net, replace(target, patch_vox=sides), "")
    name = type(net).__name__
    if asked != "auto":
        lower = net.below(sides)
        others = "" if lower == valid else f" or patch_vox=[{_listed(lower)}]"
        raise DataError(
            f"patch_vox: found {list(sides)}, and {name} wants {net.rule()}; set "
            f"patch_vox=[{_listed(valid)}]{others}, or patch_vox=auto"
        )
    net = build_net(model, target, valid)
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
        target = replace(target, patch_vox=sides_of("patch_vox", written))
    net = build_net(config["model"], target, target.patch_vox, make=make)
    if getattr(net, "nearest", tuple)(target.patch_vox) != target.patch_vox:
        raise DataError(
            f"found patch_vox {list(target.patch_vox)}, and "
            f"{type(net).__name__} wants {net.rule()}; use the run folder as it was written"
        )
    return net, target


def try_patch(net: nn.Module, target: Target) -> None:
    """Run patches of zeros through a copy of the network, to check early that the sides fit.

    Raises:
        DataError: they do not.
    """
    try:
        with torch.no_grad():
            # a copy, as batch norms would update their statistics
            copy.deepcopy(net).train()(torch.zeros(2, len(target.contrasts), *target.patch_vox))
    except (RuntimeError, ValueError) as error:
        raise DataError(
            f"patch_vox: {list(target.patch_vox)} does not go through {type(net).__name__} "
            f"({' '.join(str(error).split())}); change patch_vox or the model's levels"
        ) from error


def optimizer_states(config: Mapping[str, Any]) -> int:
    """Values per weight in the optimizer's state, counted after one step."""
    weight = nn.Parameter(torch.zeros(3))
    optimizer = build(config, params=[weight])
    weight.grad = torch.zeros(3)
    optimizer.step()
    kept = optimizer.state[weight].values()
    return sum(torch.is_tensor(value) and value.shape == weight.shape for value in kept)


def sides_of(name: str, asked: object) -> TripleVox:
    """Parse three sides in voxels.

    Raises:
        DataError: it is not such a list.
    """
    is_list = isinstance(asked, Sequence) and not isinstance(asked, str)
    whole = is_list and all(isinstance(one, int) and not isinstance(one, bool) for one in asked)
    if not whole or len(asked) != 3 or min(asked) < 1:
        found = list(asked) if is_list else asked
        raise DataError(f"{name}: found {found}, wanted auto or three sides such as [48,64,48]")
    return tuple(asked)


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
