"""The programs of this package: their paths, their help, and the command that starts them.

Imports nothing slow, so that help is printed at once.
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
COMMAND = "NEUROTARGET_COMMAND"  # set if `neurotarget` started a script
SCRIPTS = ("train", "predict")
HELP_FLAGS = ("help", "-h", "--help")
NEEDS_ARGUMENTS = (
    "adc",
    "compare",
    "dsc",
    "export",
    "fuse-series",
    "init-target",
    "look",
    "qsm",
    "radiomics",
    "stress",
    "study",
    "survival",
    "swi",
)  # print help when called without arguments
GROUPS = ("experiment", "target", "model", "data", "budget", "sweep")  # help lists their options


def home() -> Path:
    """Find the folder of conf, train.py and predict.py: the repository or the installed package.

    The repository counts only if the package is imported from its `src` folder.
    """
    repository = PACKAGE.parents[1]
    is_source = PACKAGE.parent.name == "src" and (repository / "train.py").is_file()
    return repository if is_source else PACKAGE / "programs"


def run_script(name: str, argv: Sequence[str]) -> None:
    """Run train.py or predict.py in this process, as if started by its path.

    Sets `sys.argv`, and the environment variable `COMMAND`, by which child processes print
    `neurotarget train` in place of the path of the script.
    """
    script = str(home() / f"{name}.py")
    os.environ[COMMAND] = "neurotarget"
    sys.argv = [script, *argv]
    runpy.run_path(script, run_name="__main__")


def command_for(name: str) -> list[str]:
    """Return the arguments that start train.py or predict.py from the working directory.

    They start with `neurotarget` or the path of a script, as the user's own command did.
    """
    program = Path(sys.argv[0])
    is_module = program.name == "__main__.py" and program.parent.name == "neurotarget"
    if is_module or COMMAND in os.environ or program.stem == "neurotarget":
        return ["neurotarget", name]
    if program.stem not in SCRIPTS or program.suffix != ".py":
        return ["python", f"{name}.py"]
    script = program.resolve().with_name(f"{name}.py")
    if script.is_relative_to(PACKAGE):
        return ["neurotarget", name]
    is_below = script.is_relative_to(Path.cwd())
    return ["python", str(script.relative_to(Path.cwd()) if is_below else script)]


def help_text(name: str) -> str:
    """Return the help of a command, or of all for `help`, with the options of the `conf` groups.

    Raises:
        KeyError: the command does not exist.
    """
    path = HELP / f"{name}.txt"
    if name in HELP_FLAGS:
        path = HELP / "neurotarget.txt"
    if not path.is_file():
        raise KeyError(name)
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(map(_with_choices, lines)) + "\n"


def _with_choices(line: str) -> str:
    """Replace `<group>s` in a line of help by the options of the group, wrapped."""
    for group in GROUPS:
        head, mark, rest = line.partition(f"<{group}s>")
        if mark:
            names = sorted(file.stem for file in (home() / "conf" / group).glob("*.yaml"))
            listed, indent = ", ".join(names) + rest, " " * len(head)
            return textwrap.fill(listed, 98, initial_indent=head, subsequent_indent=indent)
    return line


def commands() -> list[str]:
    """List every command with a help text, in alphabetical order, with `train` and `predict`."""
    return sorted(path.stem for path in HELP.glob("*.txt") if path.stem != "neurotarget")


def requested_help(argv: Sequence[str]) -> str | None:
    """Return the help text that a `neurotarget` command line requests; None if it requests none.

    `help <command>`, `<command> help`, and a command without the arguments that it needs, all give
    the help of that command.
    """
    if not argv or argv[0] in HELP_FLAGS:
        name = argv[1] if len(argv) == 2 and argv[1] in commands() else "help"
        return help_text(name)
    is_bare = len(argv) == 1 and argv[0] in NEEDS_ARGUMENTS
    asks = len(argv) == 2 and argv[1] in HELP_FLAGS
    return help_text(argv[0]) if argv[0] in commands() and (is_bare or asks) else None


def print_help_or_version(argv: Sequence[str]) -> None:
    """Print the help or version if the arguments request it, and exit; otherwise return.

    `argv` are the arguments of `neurotarget`.
    """
    if "--version" in argv[:2]:
        print(f"neurotarget {version('neurotarget')}")
        sys.exit(0)
    if (text := requested_help(argv)) is not None:
        print(text, end="")
        sys.exit(0)
