"""Loading of several trained networks as one predictor."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from neurotarget.files.hashes import hash_of_text
from neurotarget.inference.averaging import joined, soup
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.problems import DataError
from neurotarget.runs.folder.finished_runs import run_folders
from neurotarget.runs.folder.jobs import read_job
from neurotarget.runs.folder.multirun import resume_command_of
from neurotarget.runs.folder.run_folder import read_config, weights_path
from neurotarget.runs.network.predictor import predictor_of
from neurotarget.runs.network.trained_network import TrainedNetwork, read_run

MODES = ("mean", "soup")


def trained_runs(place: Path, weights: str = "best") -> list[Path]:
    """The run folder itself, or every trained run of a multirun folder or a parent of runs.

    Runs of a multirun that failed, were pruned or are still training are left out, with a message.

    Raises:
        DataError: the folder contains no trained run.
    """
    if (place / "config.yaml").is_file() or not place.is_dir():
        return [place]  # its problems are reported when it is read
    there = run_folders([place])
    runs = [folder for folder in there if _is_trained(folder, weights)]
    if not runs:
        raise DataError(
            f"run={place}: found {len(there)} runs, none of them finished with "
            f"weights/{weights}.ckpt, wanted at least one; resume them with: "
            f"{resume_command_of(place)}"
        )
    if left := [folder.name for folder in there if folder not in runs]:
        print(f"not finished, and left out: {', '.join(left)}", flush=True)
    return runs


def load_ensemble(
    runs: Sequence[Path],
    *,
    mode: str = "mean",
    weights: str | Sequence[str] = "best",
    **settings: Any,  # noqa: ANN401
) -> tuple[CasePredictor, str]:
    """One predictor of several runs; `weights` are best, last, or a list with one of these per run.

    See `joined_networks` for the other arguments.
    """
    kinds = [weights] * len(runs) if isinstance(weights, str) else list(weights)
    networks = (read_run(run, weights=kind) for run, kind in zip(runs, kinds, strict=True))
    return joined_networks(networks, mode=mode, **settings)


def joined_networks(
    networks: Iterable[TrainedNetwork],
    *,
    mode: str = "mean",
    **settings: Any,  # noqa: ANN401
) -> tuple[CasePredictor, str]:
    """One predictor of several networks, and a hash of all their weights, whatever their order.

    `mean` averages the probabilities of any networks with the same preprocessing, `soup` the
    weights of one architecture. Both clean masks by the steps that more than half of the networks
    use. Probabilities of outcomes are recalibrated by each network's own steps; those of a
    soup stay as they are. A single network stays as it is. `settings` are those of `predictor_of`.

    Raises:
        DataError: a network cannot be built, or the networks differ; the message lists how.
    """
    predictors, kept = [], []
    for network in networks:
        predictors.append(predictor_of(network, **settings))
        kept.append(network._replace(weights={}))  # the predictor holds the weights
    if len(kept) == 1:
        return predictors[0], kept[0].made_by
    ensemble = joined(predictors)  # refuses different preprocessing
    made_by = hash_of([network.made_by for network in kept], mode)
    if mode == "mean":
        return ensemble, made_by
    _check_models(kept)
    first = predictors[0]
    first.net.load_state_dict(soup([predictor.net.state_dict() for predictor in predictors]))
    first.use_steps(ensemble.postprocessing)
    return first, made_by


def hash_of(made_by: Sequence[str], mode: str) -> str:
    """Hash of several weights and of how they are combined."""
    return hash_of_text("\n".join([mode, *sorted(made_by)]))


def own_weights(run: Path) -> str:
    """Weights (best or last) with which a run has predicted its held-out cases.

    Raises:
        DataError: this is not a run folder, or its weights are missing.
    """
    recorded = str(read_config(run).get("weights", "best"))
    which = recorded if (run / "weights" / f"{recorded}.ckpt").is_file() else "last"
    weights_path(run, which)
    return which


def _is_trained(folder: Path, weights: str) -> bool:
    status = read_job(folder).status
    is_single = status == "missing" and (folder / "summary.json").is_file()
    needed = (folder / "config.yaml", folder / "weights" / f"{weights}.ckpt")
    return (status == "done" or is_single) and all(path.is_file() for path in needed)


def _check_models(networks: Sequence[TrainedNetwork]) -> None:
    """Refuse to average weights of models with different settings, even if their shapes agree."""
    first, *others = [dict(network.config.get("model") or {}) for network in networks]
    for network, model in zip(networks[1:], others, strict=True):
        keys = [key for key in {**first, **model} if first.get(key) != model.get(key)]
        if keys:
            unlike = "; ".join(f"{key} {model.get(key)}, not {first.get(key)}" for key in keys)
            raise DataError(
                f"soup: {network.name} has another model than {networks[0].name} ({unlike}); "
                "average networks of one model, or set ensemble=mean"
            )
