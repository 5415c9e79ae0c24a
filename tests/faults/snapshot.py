"""Snapshot of the files that a command leaves; equal for two runs of the same command."""

import hashlib
import io
import json
from pathlib import Path

import nibabel as nib
import pandas as pd
import torch
import yaml

TIMES = ("train_seconds", "weights_sha256", "weights", "measured", "made_from", "run", "seconds")
TIMES += ("waiting", "patches_per_s", "waiting_note", "train/waiting", "train/patches_per_s")
MEASURED = ("_s", "_s_per_case", "_wh", "_mib")  # columns of what a run has cost
VARYING = frozenset(  # hold times, process numbers or hashes of files that hold such
    (
        "claim.tsv",
        "compare.md",
        "cost.json",
        "costs.png",
        "costs.svg",
        "ensemble.json",
        "job.log",
        "methods.md",
        "multirun.yaml",
        "prediction.json",
        "result.json",
        "run.json",
        "scans.tsv",
        "study.db",
    )
)
DRAFT = ".draft-"


def snapshot(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder, but for hidden ones and what holds times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if path.is_symlink() or not path.is_file() or hidden or path.suffix == ".log":
            continue
        found[name] = "there" if path.name in VARYING else _digest(path)
    return found


def leftovers(folder: Path) -> list[str]:
    """Drafts that nobody will rename any more."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob(f"*{DRAFT}*"))


def difference(before: dict[str, str], after: dict[str, str]) -> str:
    """The first files that differ, in words; nothing where none does."""
    names = sorted(before.keys() | after.keys())
    lines = []
    for name in names:
        if name not in after:
            lines.append(f"{name} is missing")
        elif name not in before:
            lines.append(f"{name} is new")
        elif before[name] != after[name]:
            lines.append(f"{name} differs")
    return "; ".join(lines[:5]) + (f"; and {len(lines) - 5} more" if len(lines) > 5 else "")


def _digest(path: Path) -> str:
    kinds = {
        ".ckpt": _weights,
        ".csv": _table,
        ".gz": _voxels,
        ".html": _page,
        ".json": _values,
        ".tsv": _table,
        ".yaml": _settings,
    }
    return hashlib.sha256(kinds.get(path.suffix, Path.read_bytes)(path)).hexdigest()[:16]


def _weights(path: Path) -> bytes:
    state = torch.load(path, map_location="cpu", weights_only=True)
    parts = io.BytesIO()
    parts.write(f"{state['global_step']} {state['epoch']}".encode())
    for name, tensor in sorted(state["state_dict"].items()):
        parts.write(name.encode() + tensor.numpy().tobytes())
    return parts.getvalue()


def _table(path: Path) -> bytes:
    table = pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",", dtype=str)
    varying = [name for name in table if name in TIMES or name.endswith(MEASURED)]
    if "metric" in table:  # of rows, one of which may say how long a method took
        table = table[~table["metric"].str.startswith("seconds")].reset_index(drop=True)
    return table.drop(columns=varying).to_csv().encode()


def _voxels(path: Path) -> bytes:
    image = nib.load(path)
    return image.header.binaryblock + image.dataobj.get_unscaled().tobytes()


def _page(path: Path) -> bytes:
    text = path.read_text(encoding="utf-8")
    return b"whole" if text.rstrip().endswith("</html>") else text.encode()


def _values(path: Path) -> bytes:
    return json.dumps(_without_times(json.loads(path.read_text("utf-8"))), sort_keys=True).encode()


def _settings(path: Path) -> bytes:
    """Settings but for those that say where a run goes on."""
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if isinstance(values, list):
        values = [one for one in values if not str(one).startswith(("resume=", "hydra."))]
    elif isinstance(values, dict):
        values.pop("resume", None)
    return json.dumps(values, sort_keys=True, default=str).encode()


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in TIMES}
    if isinstance(value, list):
        return [_without_times(one) for one in value if not _is_time(one)]
    return value


def _is_time(value: object) -> bool:
    """Whether a line of a list says how long a method took."""
    return isinstance(value, dict) and value.get("metric") == "seconds"
