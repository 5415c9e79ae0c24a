"""Exported networks as plain values for JSON, and back: one network, an ensemble, a cascade.

`members` are the networks of an ensemble, each with the part of its run's config that predictions
need and the steps of its post-processing. A cascade has one `localiser`, with its limits. Nothing
else of a run is kept, such as paths, names of cases or settings of the training.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from neurotarget.files.reading import BROKEN
from neurotarget.inference.case_predictor import CasePredictor, Steps
from neurotarget.inference.localiser import Limits
from neurotarget.problems import DataError, some
from neurotarget.runs.folder.moved_names import with_present_names
from neurotarget.runs.network.network_file import AGAIN, NetworkFile, read_network_file
from neurotarget.runs.network.trained_network import TrainedLocaliser, TrainedNetwork
from neurotarget.runs.network.windows import flips_sides
from neurotarget.types import Target

KEPT: Mapping[str, tuple[str, ...]] = {  # of a config; of these branches only the named keys
    "target": (),
    "model": (),
    "patch_vox": (),
    "windows": (),
    "task": ("_target_",),
    "data": ("preparation",),
    "augment": ("flip", "contrast_dropout"),
}
WHOLE = ("format", "neurotarget", "name", "members", "localiser")
MEMBER, FIRST_STAGE = ("config", "steps"), ("config", "limits")
LOCALISER = "localiser"  # prefix of its tensors; those of members have their number
MOST_MEMBERS = 1000


def kept_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a run's config that predictions need.

    A run that flips sides only by synthesis gets a flip, since predictions average over the mirror
    if the training flipped.
    """
    parts = {
        key: {name: config[key][name] for name in names if name in config[key]}
        if names and config.get(key)
        else config[key]
        for key, names in KEPT.items()
        if key in config
    }
    if flips_sides(config) and not (config.get("augment") or {}).get("flip"):
        parts["augment"] = {"flip": {"axes": [0]}}  # by the synthesis of scans, which is left out
    return {key: part for key, part in parts.items() if part not in ({}, None)}


def prefixed(prefix: object, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names that they have in a file, `<prefix>.<name>`."""
    return {f"{prefix}.{name}": tensor for name, tensor in weights.items()}


def networks_in(path: Path) -> Iterator[TrainedNetwork]:
    """The networks of an exported file, which is not trusted.

    Raises:
        DataError: this is not an exported file, it was changed, or it contains other data.
    """
    return networks_of(read_network_file(path), Path(path))


def networks_of(file: NetworkFile, path: Path) -> Iterator[TrainedNetwork]:
    """The networks of a file's content; errors name its path.

    Each of several networks has its number in its name and hash; all share the localiser.

    Raises:
        DataError: it contains unknown keys, or lacks some.
    """
    document = file.document
    _check_keys(document, WHOLE, path, "the file")
    members = document["members"]
    if not isinstance(members, list) or not 0 < len(members) <= MOST_MEMBERS:
        raise DataError(f"{path}: found no list of networks, wanted at least one; {AGAIN}")
    for member in members:
        _check_keys(member, MEMBER, path, "a network")
        _check_config(member["config"], path)
    localiser = None if document[LOCALISER] is None else _localiser(path, file)
    for number, member in enumerate(members):
        name = path.stem if len(members) == 1 else f"{path.stem} {number + 1}"
        learned = partial(_given_steps, path, member["steps"])
        made_by = file.sha256 if len(members) == 1 else f"{file.sha256} {number}"
        yield _network(path, file, str(number), member["config"], learned)._replace(
            name=name, made_by=made_by, localiser=localiser
        )


def _localiser(path: Path, file: NetworkFile) -> TrainedLocaliser:
    stage = file.document[LOCALISER]
    _check_keys(stage, FIRST_STAGE, path, "the localiser")
    _check_config(stage["config"], path)
    try:
        limits = Limits.from_dict(stage["limits"])
    except BROKEN as error:
        raise DataError(f"{path}: found no limits of a localiser ({error}); {AGAIN}") from error
    return TrainedLocaliser(_network(path, file, LOCALISER, stage["config"], _no_steps), limits)


def _network(
    path: Path,
    file: NetworkFile,
    prefix: str,
    config: dict[str, Any],
    learned: Any,  # noqa: ANN401
) -> TrainedNetwork:
    start = f"{prefix}."
    weights = {
        name.removeprefix(start): tensor
        for name, tensor in file.tensors.items()
        if name.startswith(start)
    }
    present = with_present_names(config)
    return TrainedNetwork(path.stem, present, path, weights, path, file.sha256, learned)


def _given_steps(
    path: Path, values: Mapping[str, Any] | None, kind: type[CasePredictor], target: Target
) -> Steps | None:
    """Post-processing from the plain values in a file.

    Raises:
        DataError: they are not as they were written.
    """
    try:
        return None if values is None else kind.read_steps(values, target)
    except BROKEN as error:
        raise DataError(
            f"{path}: found no steps of post-processing ({' '.join(str(error).split())[:200]}); "
            f"{AGAIN}, or use postprocess=none"
        ) from error


def _no_steps(_kind: type[CasePredictor], _target: Target) -> None:
    """A localiser has no post-processing."""


def _check_config(config: object, path: Path) -> None:
    """Refuse a config with other keys than those that are kept.

    Raises:
        DataError: it has unknown keys, or is no config.
    """
    _check_keys(config, tuple(KEPT), path, "a network's config", may_lack=True)
    for key, names in KEPT.items():
        if names and key in config:
            _check_keys(config[key], names, path, key, may_lack=True)


def _check_keys(
    values: object, known: Sequence[str], path: Path, what: str, *, may_lack: bool = False
) -> None:
    """Refuse values that are no mapping of these keys.

    Raises:
        DataError: keys are unknown or missing.
    """
    if not isinstance(values, dict):
        raise DataError(f"{path}: found no keys with values for {what}; {AGAIN}")
    if unknown := [key for key in values if key not in known]:
        raise DataError(
            f"{path}: found {some(unknown)} in {what}, which this version does not know; update "
            f"with pip install --upgrade neurotarget, or {AGAIN}"
        )
    if lacking := [key for key in known if key not in values and not may_lack]:
        raise DataError(f"{path}: found no {some(lacking)} of {what}; {AGAIN}")
