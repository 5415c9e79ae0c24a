"""What a user outside of the repository has: the wheel, in an environment of its own."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from oracles.balls import SMALL, TARGET, write_cohort

ROOT = Path(__file__).parents[1]
# the command in one interpreter, which loads torch once
IN_TURN = """
import sys
from neurotarget.__main__ import main

def commands(lines):
    for sys.argv[1:] in lines:
        try:
            main()
        except SystemExit as end:
            assert not end.code

commands("""

# what a notebook would do with the run
FRONT_DOOR = """
import neurotarget as nt

run = nt.open_run("run")
assert run.summary["n_test"] == 3
assert not nt.lint("data/manifest.tsv", "ball").errors
made = nt.predict(run, "data/sub-01.nii.gz", "masks")
rows = nt.evaluate("masks", "data/manifest.tsv", "ball")
assert (rows["case_id"] == "sub-01").any()
study = nt.study(masks="masks", manifest="data/manifest.tsv", target="ball", output="study")
assert study.report.is_file()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The command `neurotarget` of a fresh environment, which borrows only the dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*build, "--wheel-dir", folder, ROOT], check=True)
    venv.create(folder / "env", with_pip=False, symlinks=True)
    (wheel,) = folder.glob("*.whl")
    python = folder / "env" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet"]
    install += ["--ignore-installed", "--no-compile"]  # a checkout may be on the path
    subprocess.run([*install, wheel], check=True)
    (site,) = (folder / "env" / "lib").glob("*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    return folder / "env" / "bin" / "neurotarget"


def run(program: Path, *arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment = kept | {"WANDB_MODE": "disabled", "NETRC": "/nonexistent"}
    command = [program, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_an_installed_wheel_trains_and_predicts_in_any_folder(installed, tmp_path):
    (tmp_path / "conf" / "target").mkdir(parents=True)
    (tmp_path / "conf" / "target" / "ball.yaml").write_text(TARGET)
    (tmp_path / "data").mkdir()
    write_cohort(tmp_path / "data")
    short = ["data.root=data/manifest.tsv", *SMALL, "trainer.max_epochs=1", "logger.pictures=1"]
    trained = run(installed, "train", *short, "hydra.run.dir=run", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr[-3000:]
    assert (tmp_path / "run" / "report.html").is_file()
    resume = next(line for line in trained.stdout.splitlines() if "stopped?" in line)
    assert "neurotarget train --config-dir=" in resume
    (site,) = installed.parents[1].glob("lib/*/site-packages")
    assert (site / "neurotarget" / "weights" / "README.md").is_file()
    ships = site / "neurotarget" / "weights" / "ball.safetensors"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    export = ["export", f"run={tmp_path / 'run'}", f"output={ships}"]
    predict = ["predict", "run=ball", "input=../data/sub-00.nii.gz", "output=masks"]
    code = f"{IN_TURN}[{export}, {predict}])"
    done = run(installed.with_name("python"), "-c", code, cwd=elsewhere)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (elsewhere / "masks" / "volumes.tsv").is_file()
    swept = ["-m", "seed=2", "held_out=false", "hydra.sweep.dir=sweep"]
    swept += ["data.patches_per_epoch=8"]
    many = run(installed, "train", *short, *swept, cwd=tmp_path)
    assert "1 done now" in many.stdout, many.stderr[-3000:]
    done = run(installed.with_name("python"), "-c", FRONT_DOOR, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_wheel_is_what_runs(installed, tmp_path):
    code = "import neurotarget; print(neurotarget.__file__)"
    done = run(installed.with_name("python"), "-c", code, cwd=tmp_path)
    assert str(installed.parents[1]) in done.stdout


@pytest.mark.parametrize("arguments", [("--version",), ("train", "--version")])
def test_the_version_is_that_of_the_wheel(installed, tmp_path, arguments):
    (wheel,) = installed.parents[2].glob("*.whl")
    version = wheel.name.split("-")[1]
    assert run(installed, *arguments, cwd=tmp_path).stdout == f"neurotarget {version}\n"


@pytest.mark.parametrize("name", ["train", "predict", "study", "qsm", "models"])
def test_help_of_a_command_names_its_choices(installed, tmp_path, name):
    done = run(installed, name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"neurotarget {name}: ")
    assert ">s" not in done.stdout
    if name == "train":
        assert "hippocampus, " in done.stdout


def test_a_target_is_found_by_its_name(installed, tmp_path):
    done = run(installed, "lint", ".", "target=nothing", cwd=tmp_path)
    names = sorted(path.stem for path in (ROOT / "conf" / "target").glob("*.yaml"))
    assert f"known are {', '.join(names)}\n" in done.stderr
