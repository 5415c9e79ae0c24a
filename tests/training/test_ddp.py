"""One training on two processes, started as a user does: each with half of the patches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

TWO = ["trainer.devices=2", "trainer.strategy=ddp", "trainer.max_epochs=2", "logger.pictures=0"]
# Python imports it in each process before anything else
RECORD_WRITES = """
import os, sys

def hook(event, args):
    rank = os.environ.get("LOCAL_RANK", "0")
    if event == "open" and isinstance(args[0], str) and "RUN" in os.path.abspath(args[0]):
        is_written = set(args[1] or "") & set("wax+") or args[2] & (os.O_WRONLY | os.O_RDWR)
    else:
        is_written = event in ("os.rename", "os.remove", "os.mkdir") and "RUN" in str(args[0])
        is_written = is_written and not os.path.isdir(args[0])  # which Hydra tries to make again
    if is_written:
        with open(f"{os.environ['WRITES']}.{rank}", "a") as file:
            file.write(f"{event} {args[0]}\\n")

sys.addaudithook(hook)
"""


@pytest.fixture(scope="module")
def two(tiny, train_arguments) -> tuple[Path, Path]:
    """A run on two processes, and the stem of the files with what each rank wrote into it."""
    folder, hooks = tiny / "two_processes", tiny / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(RECORD_WRITES.replace("RUN", folder.name))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    paths = os.pathsep.join([str(hooks), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "WRITES": str(hooks / "writes")}
    done = subprocess.run(
        [
            sys.executable,
            *train_arguments,
            *TWO,
            "logger.wandb=disabled",
            f"hydra.run.dir={folder}",
        ],
        cwd=tiny,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return folder, hooks / "writes"


def test_the_summary_and_the_rows_are_whole_and_no_case_is_there_twice(two):
    folder, _ = two
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["n_test"] == 3
    assert summary["training"]["steps"] == summary["training"]["expected_steps"] == 2 * 24 // 2 // 4
    rows = pd.read_csv(folder / "rows.csv")
    splits = pd.read_csv(folder / "splits.tsv", sep="\t")
    assert set(rows["case_id"]) == set(splits.loc[splits["split"] == "test", "case_id"])
    assert not rows.duplicated(["case_id", "label", "metric"]).any()
    assert not splits.duplicated("case_id").any()
    volumes = pd.read_csv(folder / "predictions" / "volumes.tsv", sep="\t")
    assert volumes["case_id"].is_unique
    assert (folder / "report.html").is_file()


def test_validation_is_logged_once_an_epoch(two):
    log = pd.read_csv(two[0] / "logs" / "metrics.csv")
    assert log["val/dice_mean"].dropna().size == 2


def test_only_rank_zero_writes(two):
    _, writes = two
    assert Path(f"{writes}.0").is_file()
    assert not Path(f"{writes}.1").is_file()


def test_weights_are_those_of_a_network_on_one_process(two):
    state = torch.load(two[0] / "weights" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 6
    assert not [key for key in state["state_dict"] if "module." in key]
