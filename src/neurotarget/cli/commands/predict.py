"""`python predict.py run=… input=… output=…`: predict scans with one trained run or several."""

import sys
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from neurotarget.cli.configs.check_config import check_predict
from neurotarget.cli.configs.plain import plain
from neurotarget.problems import DataError
from neurotarget.process.allocator import keep_freed_memory
from neurotarget.process.exit_codes import exits_with_sentence
from neurotarget.process.programs import command_for
from neurotarget.process.signals import resumable_with, same_command
from neurotarget.runs.layouts.viewing import viewing_commands
from neurotarget.runs.network.predict_scans import Predicted, predict_scans

SETTINGS = (
    *("weights", "device", "overlap", "mirror", "postprocess", "ensemble"),
    *("overwrite", "probabilities", "layout", "dicom_seg", "qc", "trust"),
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
    keep_freed_memory()
    output, series = Path(settings["output"]), settings.get("series")
    with resumable_with(same_command(sys.argv[1:])):
        predicted = predict_scans(
            settings["run"],
            settings["input"],
            output,
            series=None if series is None else str(series),
            **{name: settings[name] for name in SETTINGS},
        )
        _print_summary(predicted)


def _print_summary(predicted: Predicted) -> None:
    results, table = predicted.results, predicted.table
    failed = [one for one in results if one.status == "failed"]
    flagged = [one for one in results if one.status == "done" and one.note]
    for one in flagged:
        print(f"look at {one.case_id}: {one.note}")
    done, what = "predicted", f"the results are in {table}"
    if predicted.has_masks:
        done, what = "segmented", f"label maps and {table.name} are in {table.parent}"
    print(
        f"{len(results) - len(failed)} of {len(results)} cases {done}, {len(flagged)} to look "
        f"at; {what}"
    )
    if predicted.page:
        print(f"check {predicted.page}")
    if predicted.first:
        for command in viewing_commands(*predicted.first, table.parent).values():
            print(f"open  {command}")
    if failed:
        # most reasons already start with their case
        notes = [(one.case_id, one.note.removeprefix(f"{one.case_id}: ")) for one in failed]
        raise DataError([f"{case_id} failed: {note}" for case_id, note in notes])
