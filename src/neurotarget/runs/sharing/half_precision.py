"""Weights stored with 16 bits, and how much that changes the prediction of a held-out case."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurotarget.data.cases.manifest import read_manifest
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.number_text import number
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import own_cases
from neurotarget.runs.network.exported_networks import networks_of
from neurotarget.runs.network.network_file import NetworkFile
from neurotarget.runs.network.run_ensemble import joined_networks
from neurotarget.types import Case, Target


def halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Kernels in float16; numbers that it cannot hold, and tensors of one axis, stay as they are.

    Those of one axis (biases, norms, statistics) take hardly any room.
    """
    return {name: _half(tensor) for name, tensor in tensors.items()}


def measured_change(
    predictor: CasePredictor,
    document: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    folders: Sequence[Path],
    *,
    make: Callable[..., Any],
) -> str:
    """Return a sentence that compares a held-out case's predictions by stored and own weights.

    Args:
        predictor: with the weights of the runs.
        document: plain values of the file.
        tensors: its weights, of 16 bits.
        folders: of the runs, whose cases.tsv names held-out cases.
        make: `build`, or `build_foreign` for configs that are not trusted.

    Raises:
        DataError: the stored networks cannot be built.
    """
    case = held_out_case(folders, predictor.target)
    if case is None:
        return "The change is not known: no scan of a held-out case was found."
    # the networks as read from the file
    file = NetworkFile(json.loads(json.dumps({"format": 1, **document})), "", dict(tensors), "")
    stored, _ = joined_networks(networks_of(file, folders[0]), device="cpu", make=make)
    before, after = (one.predict(case, probabilities=True) for one in (predictor, stored))
    return f"On one held-out case, {_difference(before, after)}."


def _half(tensor: Tensor) -> Tensor:
    if tensor.dtype != torch.float32 or tensor.dim() < 2:
        return tensor
    half = tensor.half()
    return half if bool(torch.isfinite(half).all()) else tensor


def held_out_case(folders: Sequence[Path], target: Target) -> Case | None:
    """The first case of a run's own table whose scans can be read; None if no run has one."""
    for folder in folders:
        try:
            return read_manifest(own_cases(folder), target).cases[0]
        except (DataError, OSError):
            continue
    return None


def _difference(before: Any, after: Any) -> str:  # noqa: ANN401
    """Differences between two predictions of a case, as text."""
    if not hasattr(before, "classes"):
        largest = max(abs(after.values[name] - value) for name, value in before.values.items())
        return f"no value changes by more than {number(largest)}"
    either = np.count_nonzero((before.classes > 0) | (after.classes > 0))
    other = np.count_nonzero(before.classes != after.classes)
    largest = float(np.abs(before.probabilities - after.probabilities).max())
    return (
        f"{other:,} of {either:,} labelled voxels change, and no probability by more than "
        f"{number(largest)}"
    )
