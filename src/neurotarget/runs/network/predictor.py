"""From a run folder to a predictor: network, weights, windows, localiser, post-processing."""

import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurotarget.data.sides.pairs import as_trained
from neurotarget.files.hashes import digest, hash_of_text
from neurotarget.files.reading import load_json, read_text
from neurotarget.inference.averaging import differences
from neurotarget.inference.case_predictor import CasePredictor, Steps
from neurotarget.inference.localiser import Limits
from neurotarget.inference.segment import Localiser
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import (
    load_state,
    read_config,
    refuse_nonfinite,
    weights_path,
)
from neurotarget.runs.network.fitting import fitted_again
from neurotarget.runs.network.objects import build_foreign, read_from
from neurotarget.runs.network.precision import precision_for
from neurotarget.runs.network.task_class import task_kind
from neurotarget.runs.network.windows import build_windows
from neurotarget.types import Target

LOCALISER = "localiser"  # folder of a cascade's first stage in the run folder
log = logging.getLogger(__name__)


def load_predictor(
    run: Path,
    *,
    weights: str = "best",
    device: str = "auto",
    overlap: float | None = None,
    mirror: bool | str | None = None,
    postprocess: str = "run",
    make: Callable[..., Any] = build_foreign,
    config: Mapping[str, Any] | None = None,
) -> tuple[CasePredictor, str]:
    """Rebuild a run's network with its weights; also return a hash of the weights.

    `make` turns the nodes of the run's config into objects: `build_foreign` for an untrusted run,
    `build` for one's own. `overlap` and `mirror` default to those of the run. `config` replaces the
    run's config.yaml. `postprocess` is `run` (the steps that the run has chosen for these weights)
    or `none`.

    Raises:
        DataError: this is not a run folder, the weights are missing, broken or do not fit (all
            differences are listed), or device, overlap, mirror or postprocess is invalid.
    """
    if postprocess not in ("run", "none"):
        raise DataError(f"postprocess: found {postprocess}, wanted run or none")
    device = usable_device(device)
    config = read_config(run) if config is None else config
    path = weights_path(run, weights)
    stored = _net_weights(load_state(path), path)
    try:
        with read_from(Path(run) / "config.yaml"):
            preparation = make(config["data"]["preparation"])
            net, target = fitted_again(config, make(config["target"]), make=make)
        margin = getattr(net, "margin_vox", 0)
        task = task_kind(config, make=make)
        windows = build_windows(
            config, target, overlap=overlap, mirror=mirror, margin_vox=margin, task=task
        )
    except (AttributeError, KeyError, TypeError, RuntimeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{run}/config.yaml: no network can be made of it ({type(error).__name__}: {reason}); "
            "use the run folder as it was written"
        ) from error
    _fill(net, stored, as_trained(target), path)
    on_gpu = device.startswith("cuda")
    made_by = digest(path)
    further: dict[str, object] = {}
    kind = task.predictor
    if postprocess == "run" and (steps := _learned_steps(Path(run), made_by, target, kind)):
        further["postprocessing"] = steps
    if (config.get("cascade") or {}).get("localise"):
        further["localiser"], first = _load_localiser(run / LOCALISER, device=device, make=make)
        made_by = hash_of_text(f"{made_by}\n{first}")
    predictor = task.predictor(
        net,
        target,
        preparation,
        inferer=windows,
        device=device,
        bf16=on_gpu and precision_for("auto", "cuda") == "bf16-mixed",
        **further,
    )
    return predictor, made_by


def _learned_steps(
    run: Path, weights_sha256: str, target: Target, kind: type[CasePredictor]
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
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{path}: found no steps of post-processing ({' '.join(str(error).split())[:200]}), "
            "wanted the file as training wrote it; copy the run folder again, or use "
            "postprocess=none"
        ) from error
    if steps and not is_of_these:
        log.warning("%s was learned with other weights and is not applied", path)
        return None
    return steps


def _load_localiser(
    folder: Path, *, device: str, make: Callable[..., Any]
) -> tuple[Localiser, str]:
    """First stage of a cascade, and a hash of its weights and limits.

    Raises:
        DataError: the folder is not as it was written.
    """
    predictor, made_by = load_predictor(folder, weights="last", device=device, make=make)
    path = folder / "localiser.json"
    try:
        text = read_text(path)
        limits = Limits.from_dict(load_json(path))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{path}: found no limits of a localiser ({' '.join(str(error).split())[:200]}), "
            "wanted the file as training wrote it; copy the whole run folder again"
        ) from error
    return Localiser(predictor, limits), hash_of_text(f"{made_by}{text}")


def usable_device(requested: object) -> str:
    """Name of an available device; `auto` is the first GPU, else the CPU.

    Raises:
        DataError: the name is not one of torch's, or there is no such device.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if requested == "auto":
        return "cuda" if gpus else "cpu"
    there = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{number}" for number in range(gpus))]
    there += ["mps"] if torch.backends.mps.is_available() else []
    if requested not in there:
        raise DataError(f"device: found {requested}, wanted auto or one of {', '.join(there)}")
    return str(requested)


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


def _fill(net: nn.Module, stored: Mapping[str, Tensor], target: Target, path: Path) -> None:
    """Load weights if their names and shapes are those of the network.

    Raises:
        DataError: they are of another architecture or target; lists the differences.
    """
    wanted = net.state_dict()
    if unlike := [*_other_target(stored, wanted, target), *differences(stored, wanted)]:
        raise DataError(
            f"{path}: the weights do not fit {type(net).__name__} as config.yaml in their run has "
            f"it ({'; '.join(unlike)}); use the run folder as it was written"
        )
    refuse_nonfinite(stored, path)
    net.load_state_dict(stored)


def _other_target(
    stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor], target: Target
) -> list[str]:
    """Differing numbers of classes or contrasts, if they explain all differences of shapes."""
    if stored.keys() != wanted.keys():
        return []
    pairs = [(tuple(stored[name].shape), tuple(wanted[name].shape)) for name in wanted]
    other = [(theirs, ours) for theirs, ours in pairs if theirs != ours]
    classes = {
        (theirs, ours): theirs[0]
        for theirs, ours in other
        if ours[:1] == (target.num_labels,) and theirs[1:] == ours[1:]
    }
    contrasts = {
        (theirs, ours): theirs[1]
        for theirs, ours in other
        if ours[1:2] == (len(target.contrasts),) and _without(theirs) == _without(ours)
    }
    if set(other) - classes.keys() - contrasts.keys():
        return []
    names = (["background", *target.label_names], target.contrasts)
    return [
        f"they are of {_either(counts.values())} {what}, and the target {target.name} has "
        f"{len(own)}: {', '.join(own)}"
        for what, counts, own in zip(
            ("classes", "contrasts"), (classes, contrasts), names, strict=True
        )
        if counts
    ]


def _without(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of a kernel without its input channels."""
    return (*shape[:1], *shape[2:])


def _either(counts: Collection[int]) -> str:
    return " or ".join(str(count) for count in sorted(set(counts)))
