"""Rooms import one way, and some packages stay in their room."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import neurotarget

SOURCE = Path(neurotarget.__file__).parent

# rooms that all others see; what a room sees beside itself and these
SEEN_BY_ALL = {
    "printable",
    "hypothesis",
    "levels",
    "fields",
    "types",
    "reading",
    "record",
    "drafts",
    "files",
    "ownership",
}
MAY_IMPORT = {
    "__init__": set(),
    "__main__": {"cli"},
    "hypothesis": set(),
    "levels": set(),
    "fields": set(),
    "printable": set(),
    "types": set(),
    "reading": set(),
    "record": set(),
    "drafts": set(),
    "files": set(),
    "ownership": set(),
    "data": {"physics"},
    "models": set(),
    "losses": set(),
    "metrics": set(),
    "stats": set(),
    "physics": set(),
    "features": set(),
    "tasks": {"losses", "metrics"},
    "inference": {"data", "metrics"},
    "evaluate": {"data", "metrics"},
    "report": {"stats"},
}
MAY_IMPORT["cli"] = {*MAY_IMPORT} - {"__init__", "__main__"}

# the only rooms that see a package
KEPT_IN = {
    "torchio": {"data", "inference"},
    "hydra": {"cli"},
    "omegaconf": {"cli"},
    "argparse": {"cli"},
}

# extras that only some users install; these alone may be imported inside a function
OPTIONAL = frozenset({"optuna", "submitit", "dynamic_network_architectures", "skimage"})


class Import(NamedTuple):
    file: Path
    line: int
    room: str
    name: str  # dotted; "." in front where it is relative
    is_late: bool  # inside a function


def imports_of(source: Path) -> Iterator[Import]:
    for file in sorted(source.rglob("*.py")):
        room = file.relative_to(source).parts[0].removesuffix(".py")
        tree = ast.parse(file.read_text(encoding="utf-8"))
        functions = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        ]
        late = {id(inner) for node in functions for inner in ast.walk(node)}
        for node in ast.walk(tree):
            for name in names_of(node):
                yield Import(file.relative_to(source), node.lineno, room, name, id(node) in late)


def names_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        # `from neurotarget import data` names the room only after the import
        return [f"{module}.{alias.name}" for alias in node.names]
    return []


def complaints(source: Path) -> list[str]:
    found = []
    for file, line, room, name, is_late in imports_of(source):
        where = f"{file}:{line}"
        package, *rest = name.split(".")
        if name.startswith("."):
            found.append(f"{where}: relative import {name}")
        elif package == "neurotarget" and rest and rest[0] not in sees(room):
            found.append(f"{where}: {room} may not import {name}")
        elif room not in KEPT_IN.get(package, {room}):
            found.append(f"{where}: {room} may not import {package}")
        if is_late and package not in OPTIONAL:
            found.append(f"{where}: {name} is imported inside a function")
    return found


def sees(room: str) -> set[str]:
    return MAY_IMPORT[room] | SEEN_BY_ALL | {room, "__version__"}


def test_every_room_is_known():
    rooms = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - {"__pycache__"} <= set(MAY_IMPORT)


def test_rooms_import_one_way():
    assert complaints(SOURCE) == []


@pytest.mark.parametrize(
    ("file", "code", "told"),
    [
        ("data/a.py", "from neurotarget.tasks.x import y", "data may not import neurotarget.tasks"),
        ("data/a.py", "import neurotarget.cli.train", "data may not import neurotarget.cli.train"),
        ("stats/a.py", "from neurotarget import report", "stats may not import neurotarget.report"),
        ("losses.py", "from neurotarget.metrics.x import y", "losses may not import"),
        ("models/a.py", "import torchio as tio", "models may not import torchio"),
        ("data/a.py", "from omegaconf import DictConfig", "data may not import omegaconf"),
        ("data/a.py", "from .volume import read", "relative import .volume.read"),
        ("data/a.py", "def f():\n    import numpy", "numpy is imported inside a function"),
    ],
)
def test_a_planted_fault_is_caught(tmp_path, file, code, told):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(code)
    (complaint,) = complaints(tmp_path)
    assert told in complaint


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("cli/a.py", "from neurotarget.tasks.x import y\nimport hydra"),
        ("tasks/a.py", "from neurotarget.losses import dice\nfrom neurotarget.types import Batch"),
        ("data/a.py", "import torchio\nfrom neurotarget.data.scans.volume import read_volume"),
        ("cli/a.py", "def f():\n    import submitit"),
    ],
)
def test_what_the_design_allows_passes(tmp_path, file, code):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(code)
    assert complaints(tmp_path) == []
