"""Scenarios of the kills: commands, each with the state of the disk before it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faults.fork_server import ROOT, Command, Server
from oracles.balls import TARGET, write_cohort
from oracles.gre_scans import write_bids

CASES = 8
TRAINING = [
    "target=ball",
    "data.root=data/manifest.tsv",
    "model.widths=[4,8]",
    "data.patches_per_epoch=24",
    "data.batch_size=4",
    "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
    "optimizer.lr=0.01",
    "logger.wandb=disabled",
    "logger.pictures=1",
]
CASCADE = [
    "cascade=localise",
    "cascade.spacing_mm=[2,2,2]",
    "cascade.patch_vox=[16,16,16]",
    "cascade.model.widths=[4,8]",
    "cascade.batch_size=4",
    "cascade.steps=4",
    "cascade.folds=2",
    "cascade.margin_mm=2",
    "cascade.region_mm=8",
]


@dataclass(frozen=True)
class Scenario:
    """A command, what must be there before it, and how much of the campaign it gets."""

    name: str
    argv: list[str]
    before: tuple[list[str], ...]  # commands that make the state it starts from
    every: int  # a kill at every so many file operations
    scans: Callable[[Path], object] | None = None  # writes further inputs
    again: list[str] | None = None  # what goes on; otherwise what was printed, or the same
    goes_on: bool = False  # prints the command that does when it is stopped
    reads: bool = False  # it writes little or nothing, and is stopped as it reads


def write_balls(folder: Path) -> None:
    """A manifest of balls and their target, which the folder's own conf names."""
    (folder / "data").mkdir(parents=True)
    write_cohort(folder / "data", CASES)
    (folder / "conf" / "target").mkdir(parents=True)
    (folder / "conf" / "target" / "ball.yaml").write_text(TARGET)


def train(*more: str, run: str = "run") -> list[str]:
    """Arguments of a training of seconds, from the folder of the balls."""
    return ["train.py", "--config-dir=conf", *TRAINING, *more, f"hydra.run.dir={run}"]


TRAINED = train()
SECOND = train("seed=2", run="run2")
SCENARIOS = (
    Scenario(
        "lint", ["neurotarget", "lint", "data/manifest.tsv", "target=ball"], (), 24, reads=True
    ),
    Scenario(
        "models",
        ["neurotarget", "models", "target=ball", "model=small/unet", "tsv=models.tsv"],
        (),
        every=4,
        reads=True,
    ),
    Scenario(
        "prepare",
        ["neurotarget", "prepare", "data/manifest.tsv", "target=ball", "cache=cache", "workers=1"],
        (),
        every=4,
        goes_on=True,
    ),
    Scenario("train", TRAINED, (), every=12),
    Scenario("train, two stages", train(*CASCADE), (), every=32),
    Scenario(
        "train, planned", train("plan=auto", "plan.memory_gb=1", "trainer.max_epochs=1"), (), 48
    ),
    Scenario(
        "train, region found",
        train("localise=auto", "trainer.max_epochs=1"),
        (),
        every=48,
        scans=lambda folder: write_cohort(folder / "data", 14, side=32, radius_mm=3.0),
    ),
    Scenario(
        "train, cascade found",
        train("localise=auto", "trainer.max_epochs=1", *CASCADE[1:]),
        (),
        every=96,
        scans=lambda folder: write_cohort(folder / "data", CASES, side=32, radius_mm=3.0),
    ),
    Scenario(
        "multirun",
        [
            "train.py",
            "-m",
            "--config-dir=conf",
            *TRAINING,
            "seed=1,2",
            "hydra.sweep.dir=sweep",
        ],
        (),
        every=48,
        again=["train.py", "--config-dir=conf", "resume=sweep"],
    ),
    Scenario(
        "search",
        [
            "train.py",
            "-m",
            "--config-dir=conf",
            *TRAINING,
            "sweep=optuna",
            "sweep.trials=2",
            "optimizer.lr=interval(0.001,0.01)",
            "hydra.sweep.dir=sweep",
        ],
        (),
        every=96,
        again=["train.py", "--config-dir=conf", "resume=sweep"],
    ),
    Scenario(
        "predict",
        ["predict.py", "run=run", "input=data/manifest.tsv", "output=out", "probabilities=true"],
        (TRAINED,),
        every=4,
        goes_on=True,
    ),
    Scenario(
        "export",
        ["neurotarget", "export", "run=run", "output=net.safetensors", "half=true"],
        (TRAINED,),
        every=2,
    ),
    Scenario("study", ["neurotarget", "study", "rows=run"], (TRAINED,), every=6),
    Scenario(
        "evaluate",
        [
            "neurotarget",
            "evaluate",
            "data/manifest.tsv",
            "target=ball",
            "predictions=run/predictions",
            "rows=rows.csv",
        ],
        (TRAINED,),
        every=1,
    ),
    Scenario(
        "compare",
        ["neurotarget", "compare", "run", "run2", "output=compared", "wandb=disabled"],
        (TRAINED, SECOND),
        every=8,
    ),
    Scenario(
        "qsm",
        ["neurotarget", "qsm", "bids", "output=maps", "device=cpu"],
        (),
        every=3,
        goes_on=True,
        scans=lambda folder: write_bids(folder / "bids", ["01", "02"]),
    ),
    Scenario(
        "swi",
        ["neurotarget", "swi", "bids", "output=maps"],
        (),
        every=4,
        goes_on=True,
        scans=lambda folder: write_bids(folder / "bids", ["01", "02"]),
    ),
    Scenario(
        "reconstruction",
        [
            "train.py",
            "experiment=swi",
            "data.root=bids",
            "reconstruction.high_pass=[homodyne]",
            "reconstruction.device=cpu",
            "logger.wandb=disabled",
            "hydra.run.dir=run",
        ],
        (),
        every=12,
        scans=lambda folder: write_bids(folder / "bids", ["01"]),
    ),
)


def make_state(
    server: Server, scenario: Scenario, folder: Path, trained: Path | None = None
) -> None:
    """Write the state that a scenario starts from into a new folder.

    `trained` is a folder where the balls are and `TRAINED` has run.

    Raises:
        RuntimeError: a command before it does not end well.
    """
    before = scenario.before
    if trained is not None and before[:1] == (TRAINED,):
        shutil.copytree(trained, folder, symlinks=True)
        before = before[1:]
    else:
        write_balls(folder)
    if scenario.scans is not None:
        scenario.scans(folder)
    for argv in before:
        log = folder.parent / "before.log"
        outcome = server.run(Command(argv, str(folder), str(log), str(folder)))
        if outcome.status != 0:
            raise RuntimeError(
                f"{ROOT}: {' '.join(argv)} ended with {outcome.status}: {outcome.text}"
            )
