"""`python predict.py run=… input=… output=…`: segment scans with one trained run or several."""

from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from neurotarget.inference.predict_folder import Outcome
from neurotarget.problems import DataError
from neurotarget.process.programs import command_for
from neurotarget.runs.network.predict_scans import predict_scans

SETTINGS = ("weights", "device", "overlap", "mirror", "postprocess", "ensemble")


def predict(cfg: DictConfig) -> None:
    """Predict every case of `cfg.input` into `cfg.output` and print a summary.

    Raises:
        DataError: a setting, run or input is invalid, or some cases failed.
    """
    if missing := sorted(OmegaConf.missing_keys(cfg) & {"run", "input", "output"}):
        command = " ".join(command_for("predict"))
        raise DataError(
            f"no {', '.join(missing)}; run {command} run=<run folder> input=<scan, folder or BIDS "
            "data set> output=<folder>"
        )
    if cfg.threads is not None:
        torch.set_num_threads(_threads(cfg.threads))
    output = Path(str(cfg.output))
    outcomes = predict_scans(
        cfg.run,
        str(cfg.input),
        output,
        series=None if cfg.get("series") is None else str(cfg.series),
        **{name: cfg[name] for name in SETTINGS},
        **{name: _flag(cfg, name) for name in ("overwrite", "probabilities", "trust")},
    )
    _tell(outcomes, output)


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
        # most reasons already start with their case
        notes = [(item.case_id, item.note.removeprefix(f"{item.case_id}: ")) for item in failed]
        raise DataError([f"{case_id} failed: {note}" for case_id, note in notes])
