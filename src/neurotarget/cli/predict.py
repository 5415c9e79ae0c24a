"""`python predict.py run=… input=… output=…`: segment scans with a trained run, or several."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig, OmegaConf

from neurotarget.cli.build import build, build_foreign
from neurotarget.data.scans.scratch import scratch_folder
from neurotarget.inference.inputs import find_inputs
from neurotarget.inference.predict_folder import Outcome, predict_all
from neurotarget.inference.segment import Predictor
from neurotarget.problems import DataError
from neurotarget.runs.network.predictor import load_predictor
from neurotarget.runs.network.run_ensemble import MODES, load_ensemble, trained_runs

SHOWN = 5  # names in a sentence


def predict(cfg: DictConfig) -> None:
    """Predict every case of `cfg.input` into `cfg.output` and say what was found.

    Raises:
        DataError: a setting, run or input is unfit, or some cases failed.
    """
    if missing := sorted(OmegaConf.missing_keys(cfg) & {"run", "input", "output"}):
        raise DataError(
            f"no {', '.join(missing)}; say python predict.py run=<run folder> input=<scan, folder "
            "or BIDS data set> output=<folder>"
        )
    overwrite, probabilities = (_flag(cfg, name) for name in ("overwrite", "probabilities"))
    if cfg.threads is not None:
        torch.set_num_threads(_threads(cfg.threads))
    output, runs = Path(str(cfg.output)), asked_runs(cfg.run, cfg.weights)
    names = ("weights", "device", "overlap", "mirror", "postprocess")
    settings = {name: cfg[name] for name in names}
    settings["make"] = build if _flag(cfg, "trust") else build_foreign
    predictor, made_by = _load(runs, cfg.ensemble, settings)
    with scratch_folder() as scratch:
        series = None if cfg.get("series") is None else str(cfg.series)
        contrasts = predictor.target.contrasts
        cases = find_inputs(Path(str(cfg.input)), contrasts, scratch=scratch, series=series)
        outcomes = predict_all(
            predictor,
            cases,
            output,
            made_by=made_by,
            overwrite=overwrite,
            probabilities=probabilities,
            ready=scratch.ready,
        )
    _tell(outcomes, output)


def _load(runs: Sequence[Path], mode: object, settings: dict[str, Any]) -> tuple[Predictor, str]:
    if mode not in MODES:
        raise DataError(f"ensemble: found {mode}, wanted {' or '.join(MODES)}")
    if len(runs) == 1:
        return load_predictor(runs[0], **settings)
    names = ", ".join(run.name for run in runs[:SHOWN]) + (", …" if len(runs) > SHOWN else "")
    what = "the mean of the probabilities" if mode == "mean" else "the mean of the weights"
    print(f"{what} of {len(runs)} runs ({names})", flush=True)
    return load_ensemble(runs, mode=str(mode), **settings)


def asked_runs(asked: object, weights: str) -> list[Path]:
    """Runs that `run=` names: a run folder, a multirun folder, or a list of such.

    Raises:
        DataError: a place is not there or holds no trained run.
    """
    several = list(asked) if isinstance(asked, ListConfig | list | tuple) else [asked]
    if not several:
        raise DataError("run: found an empty list, wanted run folders; say run='[a,b]'")
    return [run for place in several for run in trained_runs(Path(str(place)), weights)]


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
        # most reasons name their case already
        notes = [(item.case_id, item.note.removeprefix(f"{item.case_id}: ")) for item in failed]
        raise DataError([f"{case_id} failed: {note}" for case_id, note in notes])
