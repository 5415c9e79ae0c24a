"""Sweep files against W&B's own schema, and the commands that its own agent makes of them."""

import json
import sys
import time
from pathlib import Path

import pytest
from jsonschema import Draft7Validator, FormatChecker
from wandb.sdk.launch.sweeps.utils import load_sweep_config
from wandb.wandb_agent import Agent

from neurotarget.cli.configs.overrides import check_overrides

ROOT = Path(__file__).resolve().parents[2]
SWEEPS = sorted((ROOT / "experiments" / "sweeps").glob("*.yaml"))
SCHEMA = ROOT / "tests" / "golden" / "wandb_sweep" / "schema.json"
PROBE = """
import json, os, pathlib, sys
told = {key: os.environ.get(key) for key in ("WANDB_SWEEP_ID", "WANDB_RUN_ID")}
draft = pathlib.Path("told.draft")
draft.write_text(json.dumps([sys.argv[1:], told]))
draft.rename("told.json")
"""
AGENTS_OWN = "WANDB_DIR", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"


def complaints(sweep: dict) -> list[str]:
    """What W&B's server refuses: its schema, and limits that a schema cannot compare."""
    formats = FormatChecker(formats=())
    formats.checks("float")(lambda value: isinstance(value, float))
    formats.checks("integer")(lambda value: isinstance(value, int))
    schema = json.loads(SCHEMA.read_text())
    found = [
        error.message
        for error in Draft7Validator(schema, format_checker=formats).iter_errors(sweep)
    ]
    for name, one in sweep["parameters"].items():
        if "min" in one and not one["min"] < one["max"]:
            found.append(f"{name}: min {one['min']} is not less than max {one['max']}")
    return found


def extremes(parameter: dict) -> list[object]:
    return parameter.get("values") or [parameter["min"], parameter["max"]]


@pytest.fixture
def agent(tmp_path, monkeypatch):
    """W&B's agent, which starts a given command as it would one from a server's queue."""
    for key in AGENTS_OWN:
        monkeypatch.setenv(key, "")  # so that what the agent sets is undone
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "probe.py").write_text(PROBE)

    def run(sweep: dict, settings: dict) -> list:
        made = Agent(api=None, queue=None)
        made._sweep_command = list(sweep["command"])
        args = {key: {"value": value} for key, value in settings.items()}
        output = made._process_command(
            {"type": "run", "run_id": "run1", "program": "probe.py", "args": args}
        )
        assert "exception" not in output, output
        deadline = time.monotonic() + 60
        while not (tmp_path / "told.json").is_file():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return json.loads((tmp_path / "told.json").read_text())

    return run


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_wandb_takes_the_sweep_file(path):
    assert complaints(load_sweep_config(str(path))) == []


def test_what_wandb_refuses_is_caught():
    sweep = load_sweep_config(str(SWEEPS[0]))
    bad = sweep | {"method": "tpe", "parameters": {"optimizer/lr": {"min": 1.0, "max": 0.5}}}
    text = "\n".join(complaints(bad))
    assert "'tpe' is not one of ['bayes', 'random', 'grid', 'custom']" in text
    assert "'optimizer/lr' does not match" in text
    assert "min 1.0 is not less than max 0.5" in text


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_agents_command_starts_a_training(path, agent):
    sweep = load_sweep_config(str(path))
    settings = {key: extremes(one)[0] for key, one in sweep["parameters"].items()}
    argv, environment = agent(sweep, settings)
    assert argv == [
        f"experiment={path.stem}",
        "held_out=false",
        *(f"{key}={value}" for key, value in settings.items()),
    ]
    assert environment == {"WANDB_SWEEP_ID": "sweep1", "WANDB_RUN_ID": "run1"}


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_setting_of_a_sweep_is_one_of_ours(path):
    sweep = load_sweep_config(str(path))
    fixed = [word for word in sweep["command"] if not word.startswith("$")]
    parameters = {key: extremes(one) for key, one in sweep["parameters"].items()}
    longest = max(map(len, parameters.values()))
    for turn in range(longest):
        arguments = [f"{key}={values[turn % len(values)]}" for key, values in parameters.items()]
        check_overrides([*fixed, *arguments], ROOT / "conf", "train")


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_sweep_is_judged_by_what_validation_logs(path):
    sweep = load_sweep_config(str(path))
    names = (ROOT / "conf" / "target" / f"{path.stem}.yaml").read_text()
    metric = sweep["metric"]["name"]
    assert sweep["metric"]["goal"] == "maximize"
    if metric != "val/dice_mean":
        head, _, label = metric.rpartition("/")
        assert head in ("val/volume_icc", "val/volume_r")
        assert f"{label}: 1" in names
