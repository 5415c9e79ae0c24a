"""Check a resumed run: print changed settings, and protect masks that a person has corrected."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.cases.splits import HELD_OUT
from neurotarget.files.ownership import claim, refuse_foreign
from neurotarget.inference.prediction_folder import older_predictions
from neurotarget.runs.folder.jobs import INVOCATION_KEYS
from neurotarget.runs.folder.run_folder import read_config

Config = Mapping[str, Any]


def print_resumed(config: Config, state: Config | None, folder: Path) -> None:
    """Print the step at which a resumed run continues, and its changed settings.

    Args:
        config: configuration of this command; without `resume` nothing is printed.
        state: content of the checkpoint; None if none was written.
        folder: folder of the run, whose config.yaml has the earlier settings.
    """
    if not config["resume"]:
        return
    if state is None:
        print("this run stopped before its first checkpoint: training begins again", flush=True)
    else:
        print(f"resuming after epoch {state['epoch']}, step {state['global_step']}", flush=True)
    if (folder / "config.yaml").is_file():
        before = dict(flat(read_config(folder)))
        now = dict(flat(config))
        for key in sorted((before.keys() | now.keys()) - set(INVOCATION_KEYS)):
            if before.get(key) != now.get(key):
                print(f"resumed with {key}: {now.get(key)} (it was {before.get(key)})", flush=True)


def refuse_corrected(folder: Path, data: TargetData) -> None:
    """Refuse to continue if this would discard predicted masks that a person has corrected.

    Raises:
        DataError: there are corrected masks; the message names them.
    """
    predictions = folder / "predictions"
    if predictions.is_dir():
        claim(predictions, older=older_predictions, key="hydra.run.dir")
        cases = [case for case, split in data.splits.items() if split in HELD_OUT]
        refuse_foreign([predictions / f"{case}.nii.gz" for case in cases], key="hydra.run.dir")


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Flatten nested mappings to pairs of a name joined with slashes and a value.

    Pairs keep the order of the mappings; an empty mapping gives no pair.
    """
    pairs = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        pairs += flat(value, f"{name}/") if isinstance(value, Mapping) else [(name, value)]
    return pairs
