"""Where the numbers of a run come from: settings, commit, command, software of the training."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurotarget.files.reading import read_plain


def run_facts(summary: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Return the origin of a run's numbers as text by name, from its summary and run.json.

    What a run has not recorded is absent.
    """
    names = {
        "experiment": "experiment",
        "model": "model",
        "seed": "seed",
        "fold": "fold",
        "train_seconds": "training, s",
        "weights_sha256": "weights (SHA-256)",
        "data_fingerprint": "data fingerprint",
        "run": "run folder",
    }
    facts = {text: str(summary[key]) for key, text in names.items() if summary.get(key) is not None}
    record = read_plain(folder / "run.json")
    code, hardware = as_mapping(record.get("code")), as_mapping(record.get("hardware"))
    if code.get("commit"):
        facts["commit"] = commit_text(code)
    if isinstance(hardware.get("argv"), list):
        facts["trained by"] = "train.py " + shlex.join(map(str, hardware["argv"]))
    training, versions = as_mapping(summary.get("training")), as_mapping(record.get("versions"))
    if training.get("steps"):
        facts["training steps"] = str(training["steps"])
    if versions:
        facts["trained with"] = ", ".join(f"{name} {one}" for name, one in versions.items())
    return facts


def commit_text(code: Mapping[str, Any]) -> str:
    """Format the commit of a run.json's `code`; "" where it is unknown.

    It states whether files had changes that were not committed.
    """
    changed = ", with changes that are not committed" if code.get("changed") else ""
    return f"{code['commit']}{changed}" if code.get("commit") else ""


def as_mapping(value: object) -> dict[str, Any]:
    """Return a mapping as it is, and anything else as an empty one."""
    return value if isinstance(value, dict) else {}
