"""What an import loads, each seen in an interpreter of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NO_TORCH = ("stats", "report")  # nor what they import, so that a page takes no seconds to load


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


def test_the_package_loads_nothing_else():
    assert loaded_by("import neurotarget", "torch", "numpy", "pandas") == set()


def test_a_slip_is_answered_before_torch_and_what_is_built_on_it_are_loaded():
    heavy = ("torch", "pytorch_lightning", "monai", "torchio")
    assert loaded_by("import train, predict", *heavy) == set()
