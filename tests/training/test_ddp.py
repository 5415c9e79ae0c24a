"""One training on two processes, started as a user does: each with half of the patches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from faults.fork_server import Command, quiet

TWO = ["trainer.devices=2", "trainer.strategy=ddp", "trainer.max_epochs=2", "logger.pictures=0"]
# Python imports it in each process that it starts, before anything else
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

open(f"{os.environ['WRITES']}.began.{os.environ.get('LOCAL_RANK', '0')}", "w").close()
sys.addaudithook(hook)
"""


@pytest.fixture(scope="module")
def hooks(tiny, fork_server) -> dict[str, str]:
    """Environment in which processes record what they write into the run of two processes."""
    folder = tiny / "hooks"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(RECORD_WRITES.replace("RUN", "two_processes"))
    paths = os.pathsep.join([str(folder), fork_server.environment["PYTHONPATH"]])
    return {"PYTHONPATH": paths, "WRITES": str(folder / "writes")}


@pytest.fixture(scope="module")
def two(tiny, train_arguments, hooks, fork_server) -> Path:
    """A run on two processes: a fork, as rank 0, and one that Lightning starts."""
    folder = tiny / "two_processes"
    words = [*train_arguments[1:], *TWO, "logger.wandb=disabled", f"hydra.run.dir={folder}"]
    environment = dict.fromkeys(fork_server.environment) | quiet() | hooks
    log = str(tiny / "two_processes.log")
    done = fork_server.run(Command(["train.py", *words], str(tiny), log, environment=environment))
    assert done.status == 0, done.text[-6000:]
    return folder


def test_the_summary_and_the_rows_are_whole_and_no_case_is_there_twice(two):
    folder = two
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
    log = pd.read_csv(two / "logs" / "metrics.csv")
    assert log["val/dice_mean"].dropna().size == 2


def test_only_rank_zero_writes(two, hooks):
    assert Path(f"{hooks['WRITES']}.began.1").is_file()
    assert not Path(f"{hooks['WRITES']}.1").is_file()
    assert (two / "summary.json").is_file()
    code = f"open({str(two / 'more')!r}, 'w')"
    subprocess.run([sys.executable, "-c", code], env=os.environ | hooks, check=True)
    assert "more" in Path(f"{hooks['WRITES']}.0").read_text()


def test_weights_are_those_of_a_network_on_one_process(two):
    state = torch.load(two / "weights" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 6
    assert not [key for key in state["state_dict"] if "module." in key]
