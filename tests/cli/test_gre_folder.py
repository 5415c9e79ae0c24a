"""Maps are never written over files of somebody else."""

import json
import os
from pathlib import Path

import pytest

from neurotarget.cli.commands.swi import run
from neurotarget.files.record import CLAIMED
from neurotarget.problems import DataError
from oracles.command_arguments import as_arguments
from oracles.gre_scans import write_plain

THEIRS = "magnitude_1_swi.nii.gz", "magnitude_1_minIP.json", "swi.html"


@pytest.fixture
def arguments(tmp_path):
    (tmp_path / "scans").mkdir()
    output = tmp_path / "maps"
    output.mkdir()
    asked = {**write_plain(tmp_path / "scans"), "output": str(output), "handedness": "1"}
    return asked | {"device": "cpu"}


def contents(folder):
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.name[0] != "."}


def test_files_of_somebody_else_are_named_and_not_touched(arguments):
    output = Path(arguments["output"])
    for name in THEIRS:
        (output / name).write_text("theirs")
    with pytest.raises(DataError, match=r"found 3 files .*magnitude_1_minIP\.json"):
        run(as_arguments(arguments))
    assert contents(output) == dict.fromkeys(THEIRS, b"theirs")
    assert run(as_arguments({**arguments, "overwrite": "true"})) == 0
    assert b"theirs" not in contents(output).values()
    assert run(as_arguments({**arguments, "axis": "1"})) == 0  # they are ours now


def test_a_map_that_was_corrected_is_kept_until_other_ones_are_asked_for(arguments):
    output = Path(arguments["output"])
    assert run(as_arguments(arguments)) == 0
    (output / THEIRS[0]).write_text("corrected")
    assert run(as_arguments(arguments)) == 0
    before = contents(output)
    with pytest.raises(DataError, match=r"found 1 file .*\(magnitude_1_swi\.nii\.gz\)"):
        run(as_arguments({**arguments, "axis": "1"}))
    assert contents(output) == before


def test_maps_of_an_older_version_are_ours_but_for_what_was_corrected(arguments):
    output = Path(arguments["output"])
    assert run(as_arguments(arguments)) == 0
    for name in (".neurotarget.sha256", ".neurotarget.lock"):
        (output / name).unlink()
    CLAIMED.clear()
    later_s = (output / "magnitude_1_swi.json").stat().st_mtime + 10
    os.utime(output / "magnitude_1_minIP.nii.gz", (later_s, later_s))
    assert run(as_arguments(arguments)) == 0  # kept
    with pytest.raises(DataError, match=r"found 1 file .*\(magnitude_1_minIP\.nii\.gz\)"):
        run(as_arguments({**arguments, "axis": "1"}))
    assert "MadeFrom" in json.loads((output / "magnitude_1_swi.json").read_text())
