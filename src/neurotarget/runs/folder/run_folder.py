"""The run folder: all files of a run, readable as plain values.

config.yaml overrides.yaml run.json splits.tsv weights/{best,last}.ckpt logs/metrics.csv
predictions/ volumes.tsv {postprocessing,recalibration}.json rows.csv cases.tsv people.tsv
summary.json pictures/ study/ report.html
"""

import csv
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import yaml

from neurotarget.data.layouts.case_table import RATER
from neurotarget.files.drafts import sweep
from neurotarget.files.reading import check_regular, load_yaml, read_plain, real_path
from neurotarget.files.writing import write_text, written
from neurotarget.printable import cell, cells
from neurotarget.problems import DataError
from neurotarget.process.programs import command_for
from neurotarget.runs.folder.moved_names import with_present_names
from neurotarget.runs.folder.multirun import MULTIRUN, link
from neurotarget.runs.folder.recorded_overrides import OVERRIDES
from neurotarget.types import Case

PLACES = ("weights", "logs", "predictions", "localiser", "localiser/weights", "study", "pictures")
NEEDED = {  # keys that Lightning restores from a checkpoint
    "epoch": int,
    "global_step": int,
    "pytorch-lightning_version": str,
    "state_dict": dict,
    "loops": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "callbacks": dict,
}
PEOPLE = "people.tsv"  # covariates and split of every case, training cases included
SHOWN = 3  # tensors in a message
PACKAGES = (
    "neurotarget",
    "torch",
    "pytorch-lightning",
    "torchio",
    "monai",
    "nibabel",
    "numpy",
    "scipy",
)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write plain values as JSON, atomically; NaN must have been replaced by None.

    Raises:
        ValueError: a number is NaN or infinite.
        DataError: the file cannot be written.
    """
    write_text(path, json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def write_people(folder: Path, cases: Sequence[Case], splits: Mapping[str, str]) -> None:
    """Write split and covariates of all cases, without their files, as people.tsv."""
    bare = [replace(case, images={}, label=None, raters={}) for case in cases]
    write_cases(folder, bare, splits, name=PEOPLE)


def write_cases(
    folder: Path, cases: Sequence[Case], splits: Mapping[str, str], *, name: str = "cases.tsv"
) -> None:
    """Write cases as the manifest cases.tsv, with absolute paths, for a study of this run.

    Args:
        folder: of the run.
        cases: rows of the table, in this order.
        splits: split of each case, by case_id.
        name: of the file.
    """
    contrasts, raters, covariates = (
        list(dict.fromkeys(name for case in cases for name in getattr(case, field)))
        for field in ("images", "raters", "covariates")
    )
    rater_columns = [f"{RATER}{name}" for name in raters]
    columns = ["case_id", "subject_id", *contrasts, "label", *rater_columns, "split", *covariates]
    with (
        written(folder / name) as draft,
        draft.open("w", newline="", encoding="utf-8") as stream,
    ):
        table = csv.DictWriter(stream, columns, "n/a", delimiter="\t", lineterminator="\n")
        table.writerow({name: cell(name) for name in columns})
        for case in cases:
            line = {name: str(real_path(path)) for name, path in case.images.items()}
            line |= {"case_id": case.case_id, "subject_id": case.subject_id}
            line["split"] = splits[case.case_id]
            if case.label is not None:
                line["label"] = str(real_path(case.label))
            line |= {f"{RATER}{name}": str(real_path(path)) for name, path in case.raters.items()}
            line |= {key: value for key, value in case.covariates.items() if value is not None}
            table.writerow(cells(line))


def begin_run(folder: Path, overrides: list[str], *, is_resumed: bool = False) -> None:
    """Record the command line before any work, so that a run that is killed can be resumed.

    Drafts of earlier processes are removed, as this process holds the run's lock; the link `latest`
    leads to this run afterwards.

    Args:
        folder: of the run.
        overrides: of the command line.
        is_resumed: keep the record until the new command has been accepted.
    """
    for place in (folder, *(folder / name for name in PLACES)):
        sweep(place, now_s=math.inf)
    if not is_resumed:
        _write_overrides(folder, overrides)
    _link_latest(folder)


def run_record(folder: Path) -> dict[str, Any]:
    """Content of run.json: versions, hardware, and each start.

    `id` identifies the run for the tracker and stays the same when the run is resumed.
    """
    record_path = folder / "run.json"
    record = read_plain(record_path)
    if not record and record_path.is_file():
        print(f"{record_path}: is broken and is replaced, with another id", flush=True)
    before = record.get("started")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if not isinstance(record.get("id"), str):
        record["id"] = os.urandom(4).hex()
    record["started"] = [*(before if isinstance(before, list) else []), now]
    record |= {"versions": _versions(), "code": code(), "hardware": _hardware()}
    return record


def open_run(
    folder: Path, config: Mapping[str, Any], record: Mapping[str, Any], overrides: list[str]
) -> None:
    """Write run.json, config.yaml and overrides.yaml.

    Args:
        folder: of the run.
        config: resolved configuration as plain values.
        record: of `run_record`.
        overrides: of the command line.
    """
    write_json(folder / "run.json", record)
    write_text(folder / "config.yaml", yaml.safe_dump(dict(config), sort_keys=False))
    _write_overrides(folder, overrides)


def _write_overrides(folder: Path, overrides: list[str]) -> None:
    write_text(folder / OVERRIDES, yaml.safe_dump(overrides))


def read_config(folder: Path) -> dict[str, Any]:
    """Resolved config of a run.

    Raises:
        DataError: this is not a run folder.
    """
    path = Path(folder) / "config.yaml"
    try:
        config = load_yaml(path)
    except OSError as error:
        raise DataError(
            f"run={folder}: found no config.yaml there, wanted a run folder; "
            "set run=runs/<experiment>/<date_time> or run=runs/<experiment>/latest"
        ) from error
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: found broken YAML ({reason}); restore the file") from error
    if not isinstance(config, dict):
        raise DataError(f"{path}: found no settings, wanted the config of a run; restore the file")
    return with_present_names(config)


def own_cases(folder: Path, name: str = "cases.tsv") -> Path:
    """The manifest of a run, cases.tsv; the run is untrusted, and the file may be a link.

    Returns the path whether or not the file exists.

    Raises:
        DataError: it links to a file elsewhere, whose content would be read and shown.
    """
    path = Path(folder) / name
    if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        raise DataError(
            f"{path}: found a link to {path.resolve()}, wanted a file of the run's own; set "
            "manifest=<manifest or data set>, or put the file there"
        )
    return path


def weights_path(folder: Path, which: str) -> Path:
    """File of the `best` or the `last` weights.

    Raises:
        DataError: there is none.
    """
    path = Path(folder) / "weights" / f"{which}.ckpt"
    if not path.is_file():
        there = sorted(item.stem for item in (Path(folder) / "weights").glob("*.ckpt"))
        command = " ".join(command_for("train"))
        raise DataError(
            f"{path}: no such weights (there: {', '.join(there) or 'none'}); set weights=best or "
            f"last, or continue the training: {command} resume=<run folder>"
        )
    return path


def load_state(path: Path) -> dict[str, Any]:
    """Read a checkpoint of plain tensors and values; one that would run code is refused.

    Tensors are on the CPU, whatever device they were saved from.

    Raises:
        DataError: the file is broken or contains more than plain values.
    """
    try:
        check_regular(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch's own message advises to run the code in the file
        what = "the file is broken or cut short"
        if isinstance(error, UnpicklingError):
            what = "it is no checkpoint, or holds more than tensors and plain values"
        raise DataError(
            f"{path}: found no plain checkpoint ({what}), wanted tensors and plain values; "
            "use weights that neurotarget has written"
        ) from error


def refuse_nonfinite(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Refuse weights with NaN or infinite values, which predict nothing.

    Raises:
        DataError: names these tensors.
    """
    wrong = [
        name
        for name, value in weights.items()
        if value.is_floating_point() and not bool(torch.isfinite(value).all())
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise DataError(
            f"{path}: found NaN or infinite numbers in {', '.join(wrong[:SHOWN])}{more}, wanted "
            "finite weights; use other weights, such as weights=best, or train again"
        )


def resumable_state(path: Path) -> dict[str, Any]:
    """Read a checkpoint from which a training can be resumed.

    Raises:
        DataError: the file is broken, or lacks what training needs besides weights.
    """
    state = load_state(path)
    content = state if isinstance(state, dict) else {}
    lacking = [
        key
        for key, kind in NEEDED.items()
        if not isinstance(content.get(key), kind) or not (content[key] or kind is int)
    ]
    if lacking:
        raise DataError(
            f"{path}: found a checkpoint without a usable {', '.join(lacking)}, wanted one from "
            "which training can continue; restore the file, or start a new run with "
            "pretrained=<this file>"
        )
    return state


def code() -> dict[str, Any]:
    """Commit of the running code, if it is a git checkout.

    Returns:
        `commit`, None without a checkout or git; and `changed`, whether files differ from it.
    """
    here = Path(__file__).resolve().parent

    def git(*args: str) -> str:
        """Output of a git command in the folder of the package; "" if it fails."""
        done = subprocess.run(["git", "-C", str(here), *args], capture_output=True, check=False)
        return done.stdout.decode("utf-8", "replace").strip()

    try:
        return {"commit": git("rev-parse", "HEAD") or None, "changed": bool(git("status", "-s"))}
    except OSError:
        return {"commit": None, "changed": None}


def _link_latest(folder: Path) -> None:
    inside = (folder.parent / MULTIRUN).is_file()
    link((folder.parent.parent if inside else folder.parent) / "latest", folder)


def _versions() -> dict[str, str]:
    versions = {name: metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **versions}


def _hardware() -> dict[str, Any]:
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": gpus,
        "argv": sys.argv[1:],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()
