"""`python predict.py run=… input=… output=…`: segment scans with a trained run."""

import hashlib
import shutil
import tempfile
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from neurotarget.cli.build import build_foreign
from neurotarget.cli.errors import taught
from neurotarget.cli.run_folder import load_state, read_config, weights_path
from neurotarget.inference.folder import Outcome, predict_all
from neurotarget.inference.inputs import find_inputs
from neurotarget.inference.predict import Predictor
from neurotarget.inference.tiling import SlidingWindow
from neurotarget.types import DataError


@taught
def predict(cfg: DictConfig) -> None:
    """Predict every case of `cfg.input` into `cfg.output` and say what was found."""
    if missing := sorted(OmegaConf.missing_keys(cfg) & {"run", "input", "output"}):
        raise DataError(
            f"no {', '.join(missing)}; say python predict.py run=<run folder> input=<scan, folder "
            "or BIDS data set> output=<folder>"
        )
    if cfg.threads:
        torch.set_num_threads(int(cfg.threads))
    run, output = Path(cfg.run), Path(cfg.output)
    predictor, made_by = load_predictor(
        run, weights=cfg.weights, device=cfg.device, overlap=cfg.overlap
    )
    scratch = Path(tempfile.mkdtemp(prefix="neurotarget-"))
    try:
        cases = find_inputs(Path(cfg.input), predictor.target.contrasts, scratch=scratch)
        outcomes = predict_all(
            predictor,
            cases,
            output,
            made_by=made_by,
            overwrite=bool(cfg.overwrite),
            probabilities=bool(cfg.probabilities),
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _tell(outcomes, output)


def load_predictor(
    run: Path, *, weights: str = "best", device: str = "auto", overlap: float = 0.5
) -> tuple[Predictor, str]:
    """Rebuild a run's network with its weights; also returns a hash of the weights.

    Raises:
        DataError: this is no run folder, the weights are missing or broken, or they do not fit.
    """
    config = read_config(run)
    path = weights_path(run, weights)
    state = load_state(path)
    try:
        target = build_foreign(config["target"])
        preparation = build_foreign(config["data"]["preparation"])
        net = build_foreign(
            config["model"], in_channels=len(target.contrasts), num_labels=target.num_labels
        )
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
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    predictor = Predictor(
        net,
        target,
        preparation,
        inferer=SlidingWindow(target.patch_vox, overlap=overlap),
        device=device,
        bf16=device != "cpu",
    )
    return predictor, hashlib.sha256(path.read_bytes()).hexdigest()


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
