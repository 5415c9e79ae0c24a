"""How commands are named for the user, and the help that is there at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from neurotarget.process import programs
from neurotarget.process.programs import (
    command_for,
    commands,
    help_text,
    print_help_or_version,
    requested_help,
)

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("started", "here", "shown"),
    [
        ("train.py", ROOT, ["python", "train.py"]),
        (str(ROOT / "train.py"), ROOT, ["python", "train.py"]),
        (str(ROOT / "predict.py"), ROOT.parent, ["python", f"{ROOT.name}/train.py"]),
        (str(ROOT / "train.py"), ROOT / "tests", ["python", str(ROOT / "train.py")]),
        ("/usr/bin/neurotarget", ROOT, ["neurotarget", "train"]),
        ("/src/neurotarget/__main__.py", ROOT, ["neurotarget", "train"]),
        ("/lib/pytest/__main__.py", ROOT, ["python", "train.py"]),
    ],
)
def test_a_command_is_named_as_it_works_where_the_user_stands(monkeypatch, started, here, shown):
    monkeypatch.delenv(programs.COMMAND, raising=False)
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "argv", [started])
    assert command_for("train") == shown


def test_a_script_that_the_command_has_started_is_named_as_the_command(monkeypatch):
    monkeypatch.setenv(programs.COMMAND, "neurotarget")
    monkeypatch.setattr(sys, "argv", [str(ROOT / "train.py")])
    assert command_for("predict") == ["neurotarget", "predict"]


@pytest.mark.parametrize(
    ("argv", "first"),
    [
        ([], "neurotarget: segment brain"),
        (["--help"], "neurotarget: segment brain"),
        (["help", "qsm"], "neurotarget qsm: "),
        (["study"], "neurotarget study: "),
        (["train", "-h"], "neurotarget train: "),
    ],
)
def test_help_is_found_by_what_is_typed(argv, first):
    assert requested_help(argv).startswith(first)


@pytest.mark.parametrize("argv", [["models"], ["train"], ["lint", "a.tsv"], ["trian", "--help"]])
def test_arguments_that_request_no_help_print_none(argv):
    assert requested_help(argv) is None
    print_help_or_version(argv)


def test_help_lists_every_choice_within_the_line():
    text = help_text("train")
    for group in programs.GROUPS:
        assert f"<{group}s>" not in text
        assert all(path.stem in text for path in (ROOT / "conf" / group).glob("*.yaml"))
    assert max(map(len, text.splitlines())) <= 100


def test_every_command_has_a_help_that_names_it():
    for name in commands():
        assert help_text(name).startswith(f"neurotarget {name}: ")
    with pytest.raises(KeyError):
        help_text("trian")


def test_help_loads_nothing_that_takes_time():
    code = (
        "import sys; sys.argv = ['neurotarget', 'train', '--help']\n"
        "from neurotarget.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit(len({'torch', 'numpy', 'hydra', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0
