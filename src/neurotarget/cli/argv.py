"""The command line before Hydra reads it: checked, and for `resume=` made whole again."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from neurotarget.cli.errors import print_anything, taught
from neurotarget.cli.jobs import quoted
from neurotarget.cli.multirun import MULTIRUN, read_multirun
from neurotarget.cli.overrides import MULTIRUN as FLAGS
from neurotarget.cli.overrides import check_overrides
from neurotarget.cli.run_folder import read_words
from neurotarget.types import DataError

QUOTES = ("'", '"')
GRAMMAR = frozenset(",=()[]{}: ")  # signs that mean something in a value for Hydra
# what is to be installed where a launcher is chosen that Hydra does not bring
PLUGINS = {
    "joblib": "hydra-joblib-launcher",
    "submitit_local": "hydra-submitit-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
    "slurm": "hydra-submitit-launcher",
    "ray": "hydra-ray-launcher",
}


@taught
def check_argv(config_path: Path, config_name: str) -> None:
    """Refuse what Hydra would answer with a stack; lets a resumed run say again what it was."""
    print_anything()
    argv = [literal(word) for word in sys.argv[1:]]
    argv = resumed_argv(argv) if config_name == "train" else argv
    check_launcher(argv)
    check_overrides(argv, config_path, config_name)
    sys.argv[1:] = argv


def resumed_argv(argv: Sequence[str]) -> list[str]:
    """Command line of what goes on: what it was started with, then what is said now.

    A run goes on in its folder. A multirun is said again with its own folder, so that its sweeper
    does what is missing there.

    Raises:
        DataError: `resume` names neither, or a run where `-m` asks for several.
    """
    said = [word for word in argv if word.startswith("resume=")]
    if not said or said[-1] in ("resume=null", "resume="):
        return list(argv)
    folder = Path(_unquoted(said[-1].removeprefix("resume="))).resolve()
    now = [word for word in argv if not word.startswith("resume=")]
    if (folder / MULTIRUN).is_file():
        now = [word for word in now if word not in FLAGS]
        kept = _kept(read_multirun(folder), {_key(word) for word in now} | {"hydra.sweep.dir"})
        return ["-m", *kept, *now, f"hydra.sweep.dir={quoted(folder)}"]
    before = read_words(folder)
    if any(word in FLAGS for word in argv):
        raise DataError(
            f"resume={folder}: found the folder of one run, wanted that of a multirun beside -m; "
            "leave -m out"
        )
    kept = _kept(before, {_key(word) for word in now} | {"resume"})
    return [*kept, *now, f"resume={quoted(folder)}", f"hydra.run.dir={quoted(folder)}"]


def check_launcher(argv: Sequence[str]) -> None:
    """Say what to install where a launcher is chosen that is not here.

    Raises:
        DataError: its plugin for Hydra is not installed.
    """
    for word in argv:
        key, _, name = word.partition("=")
        package = PLUGINS.get(name) if _key(key) == "hydra/launcher" else None
        if package and not _is_there(package):
            raise DataError(
                f"{word}: found no {package}, wanted the package that brings this launcher; "
                f"pip install {package}, or leave {key} out: jobs then run one after another"
            )


def literal(word: str) -> str:
    """Let Hydra take a path as it is, though it has signs of Hydra's grammar, as a job's has."""
    key, sign, value = word.partition("=")
    is_plain = not GRAMMAR.intersection(value) or value[0] in QUOTES
    if not sign or is_plain or key == "resume":  # which is quoted where it is made whole
        return word
    try:
        return f"{key}={quoted(value)}" if Path(value).exists() else word
    except OSError:  # longer than any path
        return word


def _is_there(package: str) -> bool:
    try:
        return find_spec(f"hydra_plugins.{package.replace('-', '_')}") is not None
    except ModuleNotFoundError:  # not one plugin is installed
        return False


def _kept(before: Sequence[str], anew: set[str]) -> list[str]:
    return [word for word in before if _key(word) not in anew]


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _unquoted(word: str) -> str:
    paired = len(word) > 1 and word[0] == word[-1] and word[0] in QUOTES
    return word[1:-1] if paired else word
