"""`make fast` runs the files of fast.txt: each room's core, without processes and training."""

import ast
from pathlib import Path

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "neurotarget"
ENTRIES = [TESTS.parent / line for line in (TESTS / "fast.txt").read_text().splitlines()]
FILES = [
    file for entry in ENTRIES for file in (entry.rglob("test_*.py") if entry.is_dir() else [entry])
]
# modules that start processes, fixtures that do, and Lightning's training
SLOW = {"subprocess", "multiprocessing", "pytorch_lightning", "fork_server", "fresh_interpreter"}
SLOW |= {"command", "trained", "resumed", "tiny", "browser", "Trainer", "toy_trainer", "toy_task"}


def slow_names(file: Path) -> set[str]:
    """Modules that a test file imports, and parameters of its functions, that are slow."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(one.name for one in node.names)}
        elif isinstance(node, ast.arg):
            names.add(node.arg)
    return names & SLOW


def test_fast_tests_start_no_process_and_train_nothing():
    assert {file: slow for file in FILES if (slow := slow_names(file))} == {}


def test_every_room_with_tests_has_a_fast_one():
    rooms = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    slow = {"api", "comparison", "process", "reconstruction"}  # whole commands, and processes
    assert rooms - slow == {file.relative_to(TESTS).parts[0] for file in FILES} & rooms


def test_a_slow_file_is_named(tmp_path):
    file = tmp_path / "test_a.py"
    file.write_text("import subprocess\n\ndef test_a(command):\n    command('train.py')\n")
    assert slow_names(file) == {"subprocess", "command"}
