"""Arguments of the commands without Hydra: read by type, and as the help lists them."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from neurotarget.cli import gre_arguments as gre
from neurotarget.cli.arguments import FILE, Positional, Seed, read_arguments
from neurotarget.cli.commands import (
    adc,
    compare,
    dsc,
    evaluate,
    export,
    features,
    fuse,
    fuse_series,
    init_target,
    lint,
    look,
    models,
    prepare,
    radiomics,
    relabel,
    stress,
    study,
    survival,
    swi,
    weights,
)
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.physics.qsm import QSM
from neurotarget.physics.swi import SWI
from neurotarget.problems import DataError
from neurotarget.process.programs import SCRIPTS, commands, help_text

DECLARED = {
    "adc": [adc.Arguments],
    "dsc": [dsc.Arguments],
    "compare": [compare.Arguments],
    "evaluate": [evaluate.Arguments],
    "export": [export.Arguments],
    "init-target": [init_target.Arguments],
    "lint": [lint.Arguments],
    "look": [look.Arguments],
    "models": [models.Arguments],
    "prepare": [prepare.Arguments],
    "qsm": [gre.ScanArguments, QSM],
    "features": [features.Arguments, FeatureSettings],
    "fuse": [fuse.Arguments],
    "fuse-series": [fuse_series.Arguments],
    "radiomics": [radiomics.Arguments],
    "relabel": [relabel.Arguments],
    "stress": [stress.Arguments],
    "study": [study.Arguments],
    "survival": [survival.Arguments],
    "swi": [swi.Arguments, SWI],
    "weights": [weights.Arguments],
}
NOT_IN_HELP = {
    "source",
    "scan",
    "network",
    "places",
    "weighted_edges",
}  # without a name; for experiments only
SHARED = {"trust", "target"}  # which the help of all commands explains


@dataclass(frozen=True, kw_only=True)
class Arguments:
    source: Annotated[str, Positional("a data set")]
    files: Annotated[tuple[Path, ...], FILE] = ()
    names: tuple[str, ...] = ()
    times_ms: tuple[float, ...] = ()
    seed: Seed = 0
    quick: bool = False
    step: Literal["l2", "tkd", 1] = "l2"
    options: Mapping[str, Any] | None = None
    rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class Steps:
    step: str = "other"
    depth: int = 3


def read(*argv):
    return read_arguments("lint", argv, Arguments, Steps)


def test_text_becomes_a_value_of_the_declared_type(tmp_path):
    path = tmp_path / "a, b.txt"
    path.touch()
    typed = ["names=a, b", "times_ms=4,8.5", "seed=7", "quick=True", "step=1", "depth=2"]
    asked, steps = read("data", *typed, "options=a:1,b:0.5", "rate=1e-3", f"files={path}")
    assert asked == Arguments(
        source="data",
        files=(path,),
        names=("a", "b"),
        times_ms=(4, 8.5),
        seed=7,
        quick=True,
        step=1,
        options={"a": 1, "b": 0.5},
        rate=0.001,
    )
    assert steps == Steps(step="other", depth=2)


def test_a_path_with_an_equals_sign_needs_no_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub=1").mkdir()
    assert read("sub=1")[0].source == "sub=1"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "neurotarget lint: found no source, wanted a data set; `neurotarget lint help`"),
        (["a", "b"], "neurotarget lint: source is given twice; set it once"),
        (["a", "sed=1"], r"neurotarget lint: sed is not known; did you mean seed\? known are"),
        (["a", "seed="], "neurotarget lint: seed= has no value; set one or leave it out"),
        (["a", "seed=-1"], "seed: got '-1', wanted a whole number from 0 to 4294967295"),
        (["a", "depth=2.5"], "depth: got '2.5', wanted a whole number"),
        (["a", "quick=yes"], "quick: got 'yes', wanted true or false"),
        (["a", "step=tkdd"], r"step: got 'tkdd', wanted l2, tkd or 1; did you mean tkd\?"),
        (["a", "times_ms=4;8"], "times_ms: got '4;8', wanted numbers such as 4,8,12"),
        (["a", "rate=nan"], "rate: got 'nan', wanted a number"),
        (["a", "options=b"], "options: got 'b', wanted names and numbers such as a:0.1"),
        (["a", "files=nowhere.txt"], "files: no such file: nowhere.txt; check the path"),
        (["a", "files=."], r"files: \. is a folder, wanted a file; check it"),
    ],
)
def test_a_wrong_argument_is_one_sentence(argv, message):
    with pytest.raises(DataError, match=f"^{message}"):
        read(*argv)


def test_every_command_declares_its_arguments():
    assert sorted(DECLARED) == sorted(set(commands()) - set(SCRIPTS))


@pytest.mark.parametrize("command", DECLARED)
def test_the_help_lists_every_argument_and_no_other(command):
    text = help_text(command).replace("PYTHONUTF8=", "")
    declared = {one.name: one for kind in reversed(DECLARED[command]) for one in fields(kind)}
    listed = set(re.findall(r"(?<![\w.'])([a-z_]\w*)=", text)) - {"limits_percent", "dice_margin"}
    assert listed - declared.keys() - {"model", "data", "seed"} == set()
    assert declared.keys() - listed - NOT_IN_HELP - SHARED == set()


@pytest.mark.parametrize("command", DECLARED)
def test_the_help_shows_the_defaults(command):
    declared = {one.name: one for kind in reversed(DECLARED[command]) for one in fields(kind)}
    for name, text in re.findall(r"(?:^|[ \[])([a-z_]\w*)=([\w.]+)(?=[ \]]|$)", help_text(command)):
        default = declared[name].default if name in declared else None
        if default not in (None, MISSING, ()) and not isinstance(default, bool):
            assert text == (f"{default:g}" if isinstance(default, float) else str(default)), name
