"""`neurotarget <command> …`: run one command with its arguments."""

import gc
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module

from neurotarget.cli.arguments import exists, expanded, nearest_of
from neurotarget.problems import DataError
from neurotarget.process.exit_codes import escape_output, exits_with_sentence
from neurotarget.process.programs import SCRIPTS, commands, requested_help
from neurotarget.process.signals import listen, resumable_with, same_command

RESUMABLE = ("prepare", "qsm", "swi")  # continue where they stopped if they are run again


def main() -> None:
    """Run the command in `sys.argv` and exit with its status.

    From here on signals end the command with one sentence, and control characters in printed names
    become escapes.
    """
    listen()
    escape_output()
    sys.exit(run(sys.argv[1:]))


@exits_with_sentence
def run(argv: Sequence[str]) -> int:
    """Run the command in `argv`; returns 0 on success, 2 on errors.

    A command `some-name` is the function `run` of `neurotarget.cli.commands.some_name`, which is
    imported only when it is called. `train` and `predict` are refused here, as their scripts start
    Hydra.
    """
    argv = [argument if exists(argument) else _expanded(argument) for argument in argv]
    if (text := requested_help(argv)) is not None:
        print(text, end="")
        return 0
    command, *arguments = argv
    if command not in commands() or command in SCRIPTS:
        raise DataError(f"neurotarget {command}: no such command;{nearest_of(command, commands())}")
    with resumable_with(same_command(argv)) if command in RESUMABLE else nullcontext():
        module = import_module(f"neurotarget.cli.commands.{command.replace('-', '_')}")
        gc.freeze()  # imported objects stay: garbage collections need not visit them
        return module.run(arguments)


def _expanded(argument: str) -> str:
    """Expand `~` in an argument to the home folder, also after `key=`."""
    key, sign, value = argument.partition("=")
    return f"{key}={expanded(value)}" if sign else expanded(argument)
