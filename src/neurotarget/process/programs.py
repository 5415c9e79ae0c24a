"""The programs of this package: where they lie, their help, and how the user types them.

Imports nothing that takes time, so that help is there at once.
"""

import os
import runpy
import sys
import textwrap
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
HELP = Path(__file__).parent / "help"
COMMAND = "NEUROTARGET_COMMAND"  # set where `neurotarget` started a script
SCRIPTS = ("train", "predict")
ASKS = ("help", "-h", "--help")
NEEDS_WORDS = ("study", "compare", "qsm", "swi")  # asked for by their name alone they show help
GROUPS = ("experiment", "target", "model", "data", "budget", "sweep")  # whose choices help lists


def home() -> Path:
    """Folder with conf, train.py and predict.py: the repository, or inside an installed package."""
    repository = PACKAGE.parents[1]
    is_source = PACKAGE.parent.name == "src" and (repository / "train.py").is_file()
    return repository if is_source else PACKAGE / "programs"


def run_script(name: str, argv: Sequence[str]) -> None:
    """Run train.py or predict.py as if it had been started by its path."""
    script = str(home() / f"{name}.py")
    os.environ[COMMAND] = "neurotarget"
    sys.argv = [script, *argv]
    runpy.run_path(script, run_name="__main__")


def command_for(name: str) -> list[str]:
    """Words that start train.py or predict.py from the folder that the user stands in."""
    started = Path(sys.argv[0])
    is_module = started.name == "__main__.py" and started.parent.name == "neurotarget"
    if is_module or COMMAND in os.environ or started.stem == "neurotarget":
        return ["neurotarget", name]
    if started.stem not in SCRIPTS or started.suffix != ".py":
        return ["python", f"{name}.py"]
    script = started.resolve().with_name(f"{name}.py")
    if script.is_relative_to(PACKAGE):
        return ["neurotarget", name]
    is_below = script.is_relative_to(Path.cwd())
    return ["python", str(script.relative_to(Path.cwd()) if is_below else script)]


def help_text(name: str) -> str:
    """Help of a command, with the choices of the groups of `conf`; of all of them for `help`.

    Raises:
        KeyError: there is no such command.
    """
    path = HELP / f"{name}.txt"
    if name in ASKS:
        path = HELP / "neurotarget.txt"
    if not path.is_file():
        raise KeyError(name)
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(map(_with_choices, lines)) + "\n"


def _with_choices(line: str) -> str:
    """A line of help with the choices of a group in place of `<group>s`, on as many lines."""
    for group in GROUPS:
        head, mark, rest = line.partition(f"<{group}s>")
        if mark:
            names = sorted(file.stem for file in (home() / "conf" / group).glob("*.yaml"))
            listed, indent = ", ".join(names) + rest, " " * len(head)
            return textwrap.fill(listed, 98, initial_indent=head, subsequent_indent=indent)
    return line


def commands() -> list[str]:
    """Every command that has a help of its own."""
    return sorted(path.stem for path in HELP.glob("*.txt") if path.stem != "neurotarget")


def asked_help(argv: Sequence[str]) -> str | None:
    """Help that a command line of `neurotarget` asks for; None where it asks for none."""
    if not argv or argv[0] in ASKS:
        name = argv[1] if len(argv) == 2 and argv[1] in commands() else "help"
        return help_text(name)
    is_bare = len(argv) == 1 and argv[0] in NEEDS_WORDS
    asks = len(argv) == 2 and argv[1] in ASKS
    return help_text(argv[0]) if argv[0] in commands() and (is_bare or asks) else None


def answer_at_once(argv: Sequence[str]) -> None:
    """Print the help or the version that is asked for and exit; does nothing for other arguments.

    `argv` are the arguments of `neurotarget`.
    """
    if "--version" in argv[:2]:
        print(f"neurotarget {version('neurotarget')}")
        sys.exit(0)
    if (text := asked_help(argv)) is not None:
        print(text, end="")
        sys.exit(0)
