"""Tables of models and of the trained networks that come with neurotarget, from Python."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from neurotarget.api.data import TargetLike, read_target
from neurotarget.cli.configs import model_costs
from neurotarget.cli.configs.model_costs import ANY_TARGET, Line
from neurotarget.runs.network.network_file import read_card
from neurotarget.runs.network.requested_networks import file_of
from neurotarget.runs.network.shipped import ShippedNetwork, shipped_networks


def list_models(
    target: TargetLike | None = None,
    names: Sequence[str] = (),
    *,
    batch: int = 2,
    patch_vox: Sequence[int] | None = None,
) -> pd.DataFrame:
    """List the models in `conf/model`, with their cost for a target.

    Args:
        target: name, file or target; without it one contrast, one label, and patches of 64³.
        names: models to list, such as `unet`; by default all.
        batch: number of patches in a batch.
        patch_vox: sides of a patch, voxels; by default the target's, enlarged for each model.

    Returns:
        One row per model: parameters, stride, patch_vox, optimizer, learning rate, GFLOPs and MiB
        of a batch in prediction and in training; `reason` if a model cannot be built.

    Raises:
        DataError: the target or a model does not exist.
    """
    known = ANY_TARGET if target is None else read_target(target)
    sides = None if patch_vox is None else tuple(patch_vox)
    lines = model_costs.list_models(known, batch=batch, patch_vox=sides, names=names)
    return pd.DataFrame(lines, columns=Line._fields)


def list_weights() -> pd.DataFrame:
    """List the trained networks of this package: name, size in MB, and purpose."""
    return pd.DataFrame(shipped_networks(), columns=ShippedNetwork._fields)


def model_card(network: str) -> str:
    """Return the model card of a network of this package, or of a file of `nt.export`, as Markdown.

    Raises:
        DataError: the network or file does not exist.
    """
    return read_card(file_of(network))
