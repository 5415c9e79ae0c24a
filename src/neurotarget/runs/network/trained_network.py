"""Trained networks as they are stored: plain values and weights, before any object is built.

A run folder holds one, with the localiser of a cascade in a folder of its own.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from neurotarget.files.hashes import digest, hash_of_text
from neurotarget.files.reading import BROKEN, load_json, read_text
from neurotarget.inference.case_predictor import CasePredictor, Steps
from neurotarget.inference.localiser import Limits
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import load_state, read_config, weights_path
from neurotarget.types import Target

LOCALISER = "localiser"  # folder of a cascade's first stage in the run folder
log = logging.getLogger(__name__)


class TrainedNetwork(NamedTuple):
    """A network with its configuration and its steps of post-processing; errors name the files.

    Attributes:
        name: of its run or file.
        config: plain values of the training's configuration.
        config_file: its path, for messages; of an exported file the file itself.
        weights: tensors by name, on the CPU.
        weights_file: path of the weights, for messages.
        made_by: hash of the weights, and of those of the localiser; of an exported file its own.
        learned: gives the steps of post-processing for a kind of predictor; None without any.
        localiser: first stage of a cascade; None without one.
    """

    name: str
    config: Mapping[str, Any]
    config_file: Path
    weights: Mapping[str, Tensor]
    weights_file: Path
    made_by: str
    learned: Callable[[type[CasePredictor], Target], Steps | None]
    localiser: "TrainedLocaliser | None" = None


class TrainedLocaliser(NamedTuple):
    """The first stage of a cascade."""

    network: TrainedNetwork
    limits: Limits


def read_run(
    run: Path, *, weights: str = "best", config: Mapping[str, Any] | None = None
) -> TrainedNetwork:
    """Read the network of a run folder.

    Args:
        run: folder of the run.
        weights: `best` or `last`.
        config: in place of its config.yaml; None reads it.

    Returns:
        Plain values and tensors on the CPU; a cascade has its localiser with it.

    Raises:
        DataError: this is not a run folder, or its weights or localiser are missing or broken.
    """
    run = Path(run)
    config = read_config(run) if config is None else config
    path = weights_path(run, weights)
    stored = _net_weights(load_state(path), path)
    sha256 = made_by = digest(path)
    localiser = None
    if (config.get("cascade") or {}).get("localise"):
        localiser, of_limits = _read_localiser(run / LOCALISER)
        made_by = hash_of_text(f"{sha256}\n{of_limits}")
    return TrainedNetwork(
        run.name,
        config,
        run / "config.yaml",
        stored,
        path,
        made_by,
        partial(_learned_steps, run, sha256),
        localiser,
    )


def _read_localiser(folder: Path) -> tuple[TrainedLocaliser, str]:
    """First stage of a cascade, and a hash of its weights and limits.

    Raises:
        DataError: the folder is not as it was written.
    """
    network = read_run(folder, weights="last")
    path = folder / "localiser.json"
    try:
        text = read_text(path)
        limits = Limits.from_dict(load_json(path))
    except BROKEN as error:
        raise DataError(
            f"{path}: found no limits of a localiser ({' '.join(str(error).split())[:200]}), "
            "wanted the file as training wrote it; copy the whole run folder again"
        ) from error
    return TrainedLocaliser(network, limits), hash_of_text(f"{network.made_by}{text}")


def _learned_steps(
    run: Path, weights_sha256: str, kind: type[CasePredictor], target: Target
) -> Steps | None:
    """Post-processing that a run has chosen for these weights; None if there is none.

    Raises:
        DataError: the file is not as it was written.
    """
    path = run / kind.steps_file
    if not path.is_file():
        return None
    try:
        record = load_json(path)
        steps = kind.read_steps(record["steps"], target)
        is_of_these = record["weights_sha256"] == weights_sha256
    except BROKEN as error:
        raise DataError(
            f"{path}: found no steps of post-processing ({' '.join(str(error).split())[:200]}), "
            "wanted the file as training wrote it; copy the run folder again, or use "
            "postprocess=none"
        ) from error
    if steps and not is_of_these:
        log.warning("%s was learned with other weights and is not applied", path)
        return None
    return steps


def _net_weights(state: object, path: Path) -> dict[str, Tensor]:
    """Tensors of the network in a training checkpoint."""
    parts = state.get("state_dict") if isinstance(state, Mapping) else None
    if not isinstance(parts, Mapping):
        raise DataError(
            f"{path}: found no state_dict, wanted a checkpoint of training; use weights that "
            "neurotarget has written"
        )
    return {
        str(key).removeprefix("net."): value
        for key, value in parts.items()
        if str(key).startswith("net.") and isinstance(value, Tensor)
    }
