"""`python predict.py run=… input=… output=…`: segment scans with one trained run or several."""

import sys
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from neurotarget.cli.plain import plain
from neurotarget.cli.setting_table import check_predict
from neurotarget.inference.ledger import CaseResult
from neurotarget.problems import DataError
from neurotarget.process.exit_codes import exits_with_sentence
from neurotarget.process.programs import command_for
from neurotarget.process.signals import resumable_with, same_command
from neurotarget.runs.network.predict_scans import predict_scans

SETTINGS = (
    *("weights", "device", "overlap", "mirror", "postprocess", "ensemble"),
    *("overwrite", "probabilities", "trust"),
)


@exits_with_sentence
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
    settings = plain(cfg)
    check_predict(settings)
    if settings["threads"] is not None:
        torch.set_num_threads(settings["threads"])
    output, series = Path(settings["output"]), settings.get("series")
    with resumable_with(same_command(sys.argv[1:])):
        outcomes = predict_scans(
            settings["run"],
            settings["input"],
            output,
            series=None if series is None else str(series),
            **{name: settings[name] for name in SETTINGS},
        )
        _print_summary(outcomes, output)


def _print_summary(outcomes: list[CaseResult], output: Path) -> None:
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
