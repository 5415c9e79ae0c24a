"""Recipes of containers: their parts, their commands with a pip that only notes them, a linter."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
DOCKERFILE, DEFINITION = ROOT / "containers" / "Dockerfile", ROOT / "containers" / "neurotarget.def"
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CPU, CUDA = "https://download.pytorch.org/whl/cpu", "https://pypi.org/simple"


def instructions(word: str) -> list[str]:
    """What follows a word of the Dockerfile, with lines that go on joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.M).replace("\\\n", "")
    return re.findall(rf"^{word} +(.*)$", text, re.M)


def section(name: str) -> str:
    """Text of a section of the definition of Apptainer."""
    (text,) = re.findall(rf"^%{name}\n(.*?)(?=^%|\Z)", DEFINITION.read_text(), re.M | re.S)
    return text


def arguments() -> dict[str, str]:
    """Values of the definition's arguments."""
    return dict(line.split("=") for line in section("arguments").split())


def copied() -> dict[str, set[str]]:
    """Files and folders of the repository that each recipe copies."""
    docker = [one.split()[:-1] for one in instructions("COPY") if "--from" not in one]
    apptainer = [line.split()[0] for line in section("files").splitlines() if line.strip()]
    return {"docker": {name for names in docker for name in names}, "apptainer": set(apptainer)}


def test_both_recipes_have_one_python_that_the_project_supports():
    (docker,) = [one for one in instructions("ARG") if one.startswith("PYTHON=")]
    assert docker.partition("=")[2] == arguments()["PYTHON"]
    assert arguments()["PYTHON"] in SpecifierSet(PROJECT["requires-python"])
    versions = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if "Python :: 3." in one]
    assert arguments()["PYTHON"] in versions
    assert all("${PYTHON}" in one for one in instructions("FROM"))
    assert "From: python:{{ PYTHON }}-" in DEFINITION.read_text()


def test_the_pinned_torch_is_one_that_the_project_takes():
    (torch,) = [one for one in PROJECT["dependencies"] if re.match("torch>=", one)]
    assert PINS["torch"] in SpecifierSet(torch.removeprefix("torch"))


def test_both_recipes_install_the_same_extras_and_run_the_same_command():
    extras = [re.findall(r"\[([\w,]+)\]", one.read_text()) for one in (DOCKERFILE, DEFINITION)]
    assert extras[0] == extras[1]
    assert set(extras[0][0].split(",")) <= set(PROJECT["optional-dependencies"])
    assert instructions("ENTRYPOINT") == ['["neurotarget"]']
    assert 'exec neurotarget "$@"' in section("runscript")


def test_the_image_runs_as_an_ordinary_user():
    assert [user for user in instructions("USER") if user in ("0", "root")] == []
    assert instructions("USER")


@pytest.mark.parametrize("recipe", ["docker", "apptainer"])
def test_a_wheel_can_be_built_of_what_is_copied(recipe, tmp_path):
    names = copied()[recipe]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in names} <= set(ignored)  # or a build would not find them
    for name in names:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    stated = {"SETUPTOOLS_SCM_PRETEND_VERSION": "7.8.9"}
    wheels = tmp_path / "wheels"
    subprocess.run([*build, "--wheel-dir", wheels, tmp_path], check=True, env=os.environ | stated)
    assert [one.name for one in wheels.iterdir()] == ["neurotarget-7.8.9-py3-none-any.whl"]


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """`noted(script, …)`: the commands of a script that would change the image, instead of them."""
    place, programs = tmp_path / "image", tmp_path / "bin"
    (place / "wheels").mkdir(parents=True)
    (place / "wheels" / "neurotarget-7.8.9-py3-none-any.whl").touch()
    shutil.copy(ROOT / "constraints.txt", place)
    programs.mkdir()
    for name in ("pip", "useradd", "rm"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/noted"\n')
        (programs / name).chmod(0o755)

    def run(script: str, **values: str) -> tuple[int, list[str]]:
        for folder in ("/opt/neurotarget", "/source"):
            script = script.replace(folder, str(place))
        environment = os.environ | values | {"PATH": f"{programs}:{os.environ['PATH']}"}
        done = subprocess.run(["sh", "-c", script], env=environment, cwd=place, check=False)
        lines = tmp_path / "noted"
        return done.returncode, lines.read_text().splitlines() if lines.is_file() else []

    return run


def script_of(recipe: str, device: str) -> str:
    """The commands that install into an image."""
    if recipe == "docker":
        return instructions("RUN")[-1]
    values = arguments() | {"DEVICE": device}
    return re.sub(r"\{\{ (\w+) \}\}", lambda name: values[name[1]], section("post"))


@pytest.mark.parametrize("recipe", ["docker", "apptainer"])
@pytest.mark.parametrize(("device", "index"), [("cpu", CPU), ("cuda", CUDA)])
def test_torch_is_the_pinned_one_for_the_device(noted, recipe, device, index):
    status, lines = noted(script_of(recipe, device), DEVICE=device)
    assert status == 0
    torch = f"pip install --no-cache-dir --no-deps --index-url {index} torch=={PINS['torch']}"
    assert lines[0] == torch
    others = [line for line in lines[1:] if line.startswith("pip install")]
    assert others
    assert all("--constraint" in line for line in others)


@pytest.mark.parametrize("recipe", ["docker", "apptainer"])
def test_another_device_is_refused(noted, recipe, capfd):
    status, lines = noted(script_of(recipe, "tpu"), DEVICE="tpu")
    assert (status, lines) == (2, [])
    assert "DEVICE: found tpu, wanted cpu or cuda" in capfd.readouterr().err


def test_the_linter_finds_nothing():
    installed = Path(sys.executable).with_name("hadolint")
    program = str(installed) if installed.is_file() else shutil.which("hadolint")
    if program is None:
        pytest.skip("no hadolint: it is there for Linux on x86-64")
    done = subprocess.run([program, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
