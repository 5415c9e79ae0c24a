"""`python predict.py run=… input=… output=…`: segment scans with a trained run."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from neurotarget.cli.build import build, build_foreign
from neurotarget.cli.errors import taught
from neurotarget.cli.precision import precision_for
from neurotarget.cli.run_folder import load_state, read_config, weights_path
from neurotarget.cli.windows import build_windows
from neurotarget.inference.folder import Outcome, predict_all
from neurotarget.inference.inputs import find_inputs
from neurotarget.inference.predict import Predictor
from neurotarget.types import DataError


@taught
def predict(cfg: DictConfig) -> None:
    """Predict every case of `cfg.input` into `cfg.output` and say what was found."""
    if missing := sorted(OmegaConf.missing_keys(cfg) & {"run", "input", "output"}):
        raise DataError(
            f"no {', '.join(missing)}; say python predict.py run=<run folder> input=<scan, folder "
            "or BIDS data set> output=<folder>"
        )
    overwrite, probabilities = (_flag(cfg, name) for name in ("overwrite", "probabilities"))
    if cfg.threads is not None:
        torch.set_num_threads(_threads(cfg.threads))
    run, output = Path(str(cfg.run)), Path(str(cfg.output))
    predictor, made_by = load_predictor(
        run,
        weights=cfg.weights,
        device=cfg.device,
        overlap=cfg.overlap,
        mirror=cfg.mirror,
        make=build if _flag(cfg, "trust") else build_foreign,
    )
    scratch = Path(tempfile.mkdtemp(prefix="neurotarget-"))
    try:
        cases = find_inputs(Path(str(cfg.input)), predictor.target.contrasts, scratch=scratch)
        outcomes = predict_all(
            predictor,
            cases,
            output,
            made_by=made_by,
            overwrite=overwrite,
            probabilities=probabilities,
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _tell(outcomes, output)


def load_predictor(
    run: Path,
    *,
    weights: str = "best",
    device: str = "auto",
    overlap: float | None = None,
    mirror: bool | str | None = None,
    make: Callable[..., Any] = build_foreign,
) -> tuple[Predictor, str]:
    """Rebuild a run's network with its weights; also returns a hash of the weights.

    `make` turns the nodes of the run's config into objects: `build_foreign` for a run that may be
    a stranger's, `build` for one's own. `overlap` and `mirror` are the run's own by default.

    Raises:
        DataError: this is no run folder, the weights are missing or broken, they do not fit, or
            device, overlap or mirror cannot be.
    """
    device = usable_device(device)
    config = read_config(run)
    path = weights_path(run, weights)
    state = load_state(path)
    try:
        target = make(config["target"])
        preparation = make(config["data"]["preparation"])
        net = make(config["model"], in_channels=len(target.contrasts), num_labels=target.num_labels)
        windows = build_windows(config, target, overlap=overlap, mirror=mirror)
        parts = state["state_dict"].items()
        net.load_state_dict({k.removeprefix("net."): v for k, v in parts if k.startswith("net.")})
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path}: the weights do not fit config.yaml beside them ({reason}); "
            "use the run folder as it was written"
        ) from error
    on_gpu = device.startswith("cuda")
    predictor = Predictor(
        net,
        target,
        preparation,
        inferer=windows,
        device=device,
        bf16=on_gpu and precision_for("auto", "cuda") == "bf16-mixed",
    )
    return predictor, hashlib.sha256(path.read_bytes()).hexdigest()


def usable_device(asked: object) -> str:
    """Name of a device that is there; `auto` is the first GPU, else the processor.

    Raises:
        DataError: the name is none of torch's, or there is no such device.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "auto":
        return "cuda" if gpus else "cpu"
    there = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{number}" for number in range(gpus))]
    there += ["mps"] if torch.backends.mps.is_available() else []
    if asked not in there:
        raise DataError(f"device: found {asked}, wanted auto or one of {', '.join(there)}")
    return str(asked)


def _flag(cfg: DictConfig, name: str) -> bool:
    if not isinstance(cfg[name], bool):
        raise DataError(f"{name}: found {cfg[name]}, wanted true or false")
    return cfg[name]


def _threads(asked: object) -> int:
    if not isinstance(asked, int) or isinstance(asked, bool) or asked < 1:
        raise DataError(f"threads: found {asked}, wanted null or a whole number from 1")
    return asked


def _tell(outcomes: list[Outcome], output: Path) -> None:
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    flagged = [outcome for outcome in outcomes if outcome.status == "done" and outcome.note]
    for outcome in flagged:
        print(f"look at {outcome.case_id}: {outcome.note}")
    print(
        f"{len(outcomes) - len(failed)} of {len(outcomes)} cases segmented, {len(flagged)} to look "
        f"at; label maps and volumes.tsv are in {output}"
    )
    if failed:
        raise DataError("\n".join(f"{item.case_id} failed: {item.note}" for item in failed))
