"""What an import loads, seen in interpreters of their own."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NO_TORCH = ("stats", "report")  # nor what they import, so that a page takes no seconds to load
# what takes longest to load of what only some commands, networks or data need
AT_THE_END = ("jinja2", "nilearn", "statsmodels", "neurotarget.report", "neurotarget.stats")
SELDOM = ("bids", "monai", "submitit", "wandb", "neurotarget.phantom")
USUAL = "neurotarget.models.nets.unet"  # of model=resunet
STEPS = {  # each imports what the next one does as well
    "package": ["neurotarget"],
    "prediction": ["neurotarget.cli.commands.predict", USUAL],
    "training": ["neurotarget.cli.commands.train"],
}
TRAINING = ("pytorch_lightning", "torch._dynamo", "torchmetrics", "torchio")


def loaded_by(code: str, *modules: str) -> set[str]:
    """Which of the modules are loaded after the code has run."""
    code = f"import sys\n{code}\nprint(*({{*{modules!r}}} & {{*sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_statistics_and_report_load_no_torch():
    code = f"""
import importlib, pkgutil
import neurotarget
for room in {NO_TORCH!r}:
    package = importlib.import_module(f"neurotarget.{{room}}")
    for module in pkgutil.walk_packages(package.__path__, f"neurotarget.{{room}}."):
        importlib.import_module(module.name)
"""
    assert loaded_by(code, "torch") == set()


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """All modules after each of the `STEPS`, which one interpreter imports in turn."""
    code = f"""
import importlib, json, sys
for name, modules in {STEPS!r}.items():
    for module in modules:
        importlib.import_module(module)
    print(json.dumps([name, sorted(sys.modules)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    steps = (json.loads(line) for line in done.stdout.splitlines())
    return {name: set(modules) for name, modules in steps}


def test_the_package_loads_nothing_else(loaded):
    assert not loaded["package"] & {"torch", "numpy", "pandas"}


def test_a_slip_is_answered_before_torch_and_what_is_built_on_it_are_loaded():
    heavy = ("torch", "pytorch_lightning", "monai", "torchio")
    assert loaded_by("import train, predict", *heavy) == set()


def test_a_prediction_loads_nothing_that_trains(loaded):
    unwanted = {*AT_THE_END, *SELDOM, *TRAINING, "neurotarget.training"}
    assert not loaded["prediction"] & unwanted


def test_a_training_loads_no_statistics_before_its_first_step(loaded):
    assert not loaded["training"] & {*AT_THE_END, *SELDOM}


def test_a_loader_worker_loads_only_what_makes_patches():
    """A worker imports these modules, and runs the program's file under another name."""
    code = """
import runpy
import neurotarget.data.batches.batch_cuts, neurotarget.data.batches.patches
runpy.run_path("train.py", run_name="__mp_main__")
"""
    unwanted = ("hydra", "pandas", "pytorch_lightning", "torch._dynamo")
    assert loaded_by(code, *AT_THE_END, *SELDOM, *unwanted) == set()


NAMES = {  # packages whose modules have other names
    "hydra-core": "hydra",
    "pillow": "PIL",
    "pytorch-lightning": "pytorch_lightning",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "simpleitk": "SimpleITK",
}


def test_each_core_dependency_is_imported_by_the_package():
    root = Path(__file__).parents[1]
    listed = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[\[<>=]", one)[0].strip().lower() for one in listed["dependencies"]]
    used = set()
    for file in (root / "src").rglob("*.py"):
        code = file.read_text(encoding="utf-8")
        used |= set(re.findall(r"^ *(?:from|import) (\w+)", code, flags=re.MULTILINE))
    assert [name for name in names if NAMES.get(name, name) not in used] == []
