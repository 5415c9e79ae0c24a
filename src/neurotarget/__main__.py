"""The command `neurotarget`, as is `python -m neurotarget`."""

import sys
from importlib import import_module

from neurotarget.process.completion import COMPLETION, completion_script
from neurotarget.process.programs import SCRIPTS, print_help_or_version, run_script
from neurotarget.process.signals import quit_while_loading


def main() -> None:
    """Print help or version at once, or else load the command's modules and run it.

    Help and version load no library; `train` and `predict` run the scripts of these names, and
    `cli.main` runs every other command.
    """
    if sys.argv[1:] == [COMPLETION]:
        print(completion_script(), end="")
        return
    print_help_or_version(sys.argv[1:])
    quit_while_loading()
    if sys.argv[1] in SCRIPTS:
        run_script(sys.argv[1], sys.argv[2:])
    else:
        import_module("neurotarget.cli.main").main()


if __name__ == "__main__":
    main()
