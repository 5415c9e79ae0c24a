"""From a trained network to a predictor: weights, windows, localiser, post-processing."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neurotarget.data.sides.pairs import as_trained
from neurotarget.inference.averaging import differences
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.inference.segment import Localiser, Predictor
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import refuse_nonfinite
from neurotarget.runs.network.fitting import fitted_again
from neurotarget.runs.network.objects import build_foreign, read_from
from neurotarget.runs.network.precision import precision_for
from neurotarget.runs.network.task_class import task_kind
from neurotarget.runs.network.trained_network import TrainedNetwork, read_run
from neurotarget.runs.network.usual_film import read_usual
from neurotarget.runs.network.windows import build_windows
from neurotarget.types import Target


def load_predictor(
    run: Path,
    *,
    weights: str = "best",
    config: Mapping[str, Any] | None = None,
    **settings: Any,  # noqa: ANN401
) -> tuple[CasePredictor, str]:
    """Rebuild a run's network with its weights; also return a hash of the weights.

    `config` replaces the run's config.yaml; `settings` are those of `predictor_of`.

    Raises:
        DataError: as `predictor_of`, or this is not a run folder, or the weights are missing.
    """
    network = read_run(run, weights=weights, config=config)
    return predictor_of(network, **settings), network.made_by


def predictor_of(
    network: TrainedNetwork,
    *,
    device: str = "auto",
    overlap: float | None = None,
    mirror: bool | str | None = None,
    postprocess: str = "run",
    make: Callable[..., Any] = build_foreign,
) -> CasePredictor:
    """Build the predictor of a trained network.

    `make` turns the nodes of its config into objects: `build_foreign` for an untrusted one,
    `build` for one's own. `overlap` and `mirror` default to those of the config. `postprocess` is
    `run` (the steps that were chosen for these weights) or `none`.

    Raises:
        DataError: the config is broken, the weights do not fit (all differences are listed), or
            device, overlap, mirror or postprocess is invalid.
    """
    if postprocess not in ("run", "none"):
        raise DataError(f"postprocess: found {postprocess}, wanted run or none")
    device = usable_device(device)
    config = network.config
    try:
        with read_from(network.config_file):
            preparation = make(config["data"]["preparation"])
            target = make(config["target"])
        if make is build_foreign:
            _refuse_huge(network, target)
        with read_from(network.config_file):
            net, target = fitted_again(config, target, make=make)
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
            f"{network.config_file}: no network can be made of it ({type(error).__name__}: "
            f"{reason}); use it as it was written"
        ) from error
    _refuse_unlike(net, network, target)
    refuse_nonfinite(network.weights, network.weights_file)
    net.load_state_dict(network.weights)
    on_gpu = device.startswith("cuda")
    further: dict[str, object] = {}
    if postprocess == "run" and (steps := network.learned(task.predictor, target)):
        further["postprocessing"] = steps
    if network.localiser is not None:
        first = predictor_of(network.localiser.network, device=device, make=make)
        if not (isinstance(first, Predictor) and issubclass(task.predictor, Predictor)):
            raise DataError(
                f"{network.config_file}: found a localiser with a network of whole images, wanted "
                "two segmentations; use it as it was written"
            )
        further["localiser"] = Localiser(first, network.localiser.limits)
    return task.predictor(
        net,
        target,
        preparation,
        inferer=windows,
        device=device,
        bf16=on_gpu and precision_for("auto", "cuda") == "bf16-mixed",
        usual=read_usual(network.config_file) if target.is_flat else None,
        fills_missing=target.size_vox is None and _drops_contrasts(config),
        **further,
    )


def _drops_contrasts(config: Mapping[str, Any]) -> bool:
    """Return whether training dropped contrasts, so that the network can do without some."""
    settings = (config.get("augment") or {}).get("contrast_dropout")
    return isinstance(settings, Mapping) and settings.get("p", 1) != 0


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


def _refuse_huge(network: TrainedNetwork, target: Target) -> None:
    """Refuse a config whose network does not fit the weights before memory is taken for it.

    Networks that cannot be built without memory are left to the comparison of the real one.

    Raises:
        DataError: as `_refuse_unlike`.
    """
    try:
        with torch.device("meta"):
            net, fitted = fitted_again(network.config, target, make=build_foreign)
    except Exception:  # of any constructor; building it really reports what is wrong
        return
    _refuse_unlike(net, network, fitted)


def _refuse_unlike(net: nn.Module, network: TrainedNetwork, target: Target) -> None:
    """Refuse weights whose names and shapes are not those of the network.

    Raises:
        DataError: they are of another architecture or target; lists the differences.
    """
    stored, wanted = network.weights, net.state_dict()
    seen = as_trained(target)
    if unlike := [*_other_target(stored, wanted, seen), *differences(stored, wanted)]:
        raise DataError(
            f"{network.weights_file}: the weights do not fit {type(net).__name__} as "
            f"{network.config_file.name} has it ({'; '.join(unlike)}); use them as they were "
            "written"
        )


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
        if ours[1:2] == (len(target.channels),) and _without(theirs) == _without(ours)
    }
    if set(other) - classes.keys() - contrasts.keys():
        return []
    names = (["background", *target.label_names], target.channels)
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
