"""`plan=auto`: choose patch, batch and depth for data and memory; explicit settings are kept."""

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from neurotarget.data.batches.cache import Entry, open_entry
from neurotarget.data.batches.datamodule import TargetData
from neurotarget.losses import DeepSupervision
from neurotarget.models.planning import MOST_LEVELS, Plan, plan_stages, propose, widths
from neurotarget.models.profile import profile
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import read_config
from neurotarget.runs.network.fitting import build_net, optimizer_states, sides_of
from neurotarget.runs.network.objects import build
from neurotarget.runs.network.task_class import task_class
from neurotarget.shapes import times
from neurotarget.tasks.kinds import TaskKind
from neurotarget.types import Target, TripleVox

GPU_SHARE = 0.8  # of its memory; the rest is for kernel workspace and fragmentation
PROCESSOR_GB = 2.0  # more would make a step on a CPU take minutes
MIB_PER_GB = 1e9 / 2**20
PASSES = 3  # rounds of patch → depth → patch
SHALLOW = ("strides", "widths")  # settings of a model's depth


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Sizes on the working grid, in voxels along each axis.

    Source: the data fingerprint of nnU-Net, Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
    """

    cases: int
    median_vox: TripleVox  # of the scans, or of their region of interest if the target has one
    target_vox: TripleVox  # box around all labels that is large enough for 95 of 100 cases
    voxels: int  # of all scans together


class Planned(NamedTuple):
    """The configuration with the chosen settings, and sentences about them."""

    config: dict[str, Any]
    lines: list[str]


def with_plan(
    config: Mapping[str, Any], set_keys: Collection[str], *, data: TargetData, target: Target
) -> Planned:
    """Choose the settings that the command line leaves open: patch, batch and depth.

    All training cases are prepared first, since the plan depends on their sizes. On a GPU a plan
    may use `GPU_SHARE` of its memory, elsewhere `PROCESSOR_GB`, unless `plan.memory_gb` is set.

    Args:
        config: resolved configuration of plain values.
        set_keys: keys that the command line sets, which are kept.
        data: the cases.
        target: target with working grid and labels.

    Raises:
        DataError: the task learns from whole images, the memory is not a number of GB, or even the
            smallest patch needs more.
    """
    kind = task_class(config)
    if kind.learns_from != "labels":
        raise DataError(
            "plan: found auto for a network of whole images, wanted none: it plans patches of "
            "label maps; set plan=none"
        )
    budget_mib, whose = _budget(config["plan"]["memory_gb"])
    data.prepare_data()
    known = fingerprint([open_entry(data.folders[case.case_id]) for case in data.cases("train")])
    given = None
    if config["patch_vox"] != "auto":
        given = sides_of("patch_vox", config["patch_vox"], is_flat=target.is_flat)
    batch = config["data"]["batch_size"] if "data.batch_size" in set_keys else None
    model = dict(config["model"])
    deepens = all(key in model for key in SHALLOW) and not _sets(set_keys, "model", SHALLOW)
    averaged = config["task"].get("ema_decay") is not None
    states = optimizer_states(config["optimizer"]) + averaged
    loss = DeepSupervision(build(config["loss"]))
    for _ in range(PASSES):
        first = build_net(model, target, given or known.median_vox, task=kind)
        plan = propose(
            known.median_vox,
            known.voxels,
            budget_mib=budget_mib,
            sides=first,
            memory=functools.cache(_memory(model, target, states, loss, kind)),
            patch_vox=given,
            batch_size=batch,
        )
        stages = plan_stages(plan.patch_vox, target.spacing_mm, max_levels=MOST_LEVELS)
        steps = stages.strides[1:]
        if not deepens or [list(step) for step in steps] == model["strides"]:
            break
        model["strides"] = [list(step) for step in steps]
        model["widths"] = list(widths(model["widths"][0], len(steps) + 1))
    if not plan.fits:
        raise DataError(
            f"plan.memory_gb: a batch of {plan.batch_size} patches of {times(plan.patch_vox)} "
            f"needs {_gb(plan.memory_mib)} GB, and there are "
            f"{_gb(budget_mib)} GB; choose a smaller model, or set patch_vox=[…], "
            "data.batch_size=1 or plan.memory_gb=<more>"
        )
    changed = {
        **config,
        "model": model,
        "patch_vox": list(plan.patch_vox),
        "data": {**config["data"], "batch_size": plan.batch_size},
    }
    return Planned(changed, _lines(known, plan, model, budget_mib, whose))


def as_planned(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the configuration of a resumed run, with the settings chosen at its start.

    Raises:
        DataError: the folder is not a run folder.
    """
    before = read_config(folder)
    return {
        **config,
        "model": {
            **config["model"],
            **{key: before["model"][key] for key in SHALLOW if key in before["model"]},
        },
        "patch_vox": before["patch_vox"],
        "data": {**config["data"], "batch_size": before["data"]["batch_size"]},
    }


def _memory(
    model: Mapping[str, Any],
    target: Target,
    states: int,
    loss: DeepSupervision,
    kind: type[TaskKind],
) -> Callable[[TripleVox, int], float]:
    """Return a function that gives the MiB of a training step for a patch and a batch size."""

    def memory(patch_vox: TripleVox, batch: int) -> float:
        """Compute the memory of a training step with this patch and batch size, MiB."""
        net = build_net(model, target, patch_vox, task=kind)
        shape = (batch, len(target.channels), *patch_vox)
        cost = profile(net, shape, training=True, optimizer_states=states, loss=loss)
        return cost.peak_memory_mib

    return memory


def _budget(memory_gb: object) -> tuple[float, str]:
    if memory_gb is None:
        if torch.cuda.is_available():
            whole = torch.cuda.get_device_properties(0).total_memory
            return GPU_SHARE * whole / 2**20, "80 % of the GPU's"
        return PROCESSOR_GB * MIB_PER_GB, "for a processor"
    is_number = isinstance(memory_gb, int | float) and not isinstance(memory_gb, bool)
    if not is_number or memory_gb <= 0:
        raise DataError(f"plan.memory_gb: found {memory_gb!r}, wanted a positive number of GB")
    return memory_gb * MIB_PER_GB, "as set"


def _gb(mib: float) -> str:
    return f"{mib / MIB_PER_GB:.2g}"


def _sets(set_keys: Collection[str], group: str, keys: Collection[str]) -> bool:
    return any(f"{group}.{key}" in set_keys for key in keys)


def _lines(
    known: Fingerprint, plan: Plan, model: Mapping[str, Any], budget_mib: float, whose: str
) -> list[str]:
    lines = [
        f"{known.cases} training cases, median {times(known.median_vox)} voxels, the target within "
        f"{times(known.target_vox)}",
        f"memory {_gb(budget_mib)} GB ({whose}); this plan takes "
        f"{_gb(plan.memory_mib)} GB in 32 bits",
        f"patch_vox=[{','.join(map(str, plan.patch_vox))}] data.batch_size={plan.batch_size}",
    ]
    if all(model.get(key) for key in SHALLOW):
        strides, depths = (str(model[key]).replace(" ", "") for key in SHALLOW)
        lines.append(f"model.widths={depths} model.strides={strides}")
    return lines


def fingerprint(entries: Sequence[Entry]) -> Fingerprint:
    """Measure prepared cases; those without a labelled voxel do not count for the target's size.

    Args:
        entries: at least one. A target's box is that of the stored sample of its voxels
            (`sample_foreground`), which may be a little smaller than the target. If no case has a
            labelled voxel, the target is as large as the median scan.
    """
    shapes = np.array([entry.shape[1:] for entry in entries])
    marked = (entry.foreground for entry in entries)
    boxes = [np.ptp(voxels[:, 1:].astype(int), axis=0) + 1 for voxels in marked if len(voxels)]
    target = np.percentile(boxes, 95, axis=0) if boxes else np.median(shapes, axis=0)
    return Fingerprint(
        cases=len(entries),
        median_vox=_whole(np.median(shapes, axis=0)),
        target_vox=_whole(np.ceil(target)),
        voxels=int(shapes.prod(axis=1).sum()),
    )


def _whole(sides: np.ndarray) -> TripleVox:
    return tuple(round(side) for side in sides)
