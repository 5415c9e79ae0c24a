"""The command line before Hydra reads it: checked, and for `resume=` made whole again."""

import sys
from collections.abc import Sequence
from pathlib import Path

from neurotarget.cli.errors import taught
from neurotarget.cli.overrides import check_overrides
from neurotarget.cli.run_folder import read_words


@taught
def check_argv(config_path: Path, config_name: str) -> None:
    """Refuse what Hydra would answer with a stack; lets a resumed run say again what it was."""
    argv = resumed_argv(sys.argv[1:]) if config_name == "train" else sys.argv[1:]
    check_overrides(argv, config_path, config_name)
    sys.argv[1:] = argv


def resumed_argv(argv: Sequence[str]) -> list[str]:
    """Command line of a run that goes on: what it was started with, then what is said now.

    Raises:
        DataError: `resume` names no run folder.
    """
    said = [word for word in argv if word.startswith("resume=")]
    if not said or said[-1] in ("resume=null", "resume="):
        return list(argv)
    folder = Path(_unquoted(said[-1].removeprefix("resume="))).resolve()
    before = read_words(folder)
    now = [word for word in argv if not word.startswith("resume=")]
    anew = {_key(word) for word in now} | {"resume"}
    kept = [word for word in before if _key(word) not in anew]
    quoted = str(folder).replace('"', '\\"')
    return [*kept, *now, f'resume="{quoted}"', f'hydra.run.dir="{quoted}"']


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _unquoted(word: str) -> str:
    paired = len(word) > 1 and word[0] == word[-1] and word[0] in "'\""
    return word[1:-1] if paired else word
