"""Prepare arguments for Hydra: check them, quote paths, and restore the overrides of `resume=`."""

import os
import re
import shlex
import sys
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from neurotarget.cli.arguments import exists, expanded, read_value
from neurotarget.cli.configs.overrides import MULTIRUN as FLAGS
from neurotarget.cli.configs.overrides import check_overrides, joined_options
from neurotarget.cli.configs.run_output import claim_output
from neurotarget.cli.whole_commands import is_dry, with_whole_commands
from neurotarget.files.reading import load_yaml, real_path
from neurotarget.problems import DataError
from neurotarget.process.exit_codes import escape_output, exits_with_sentence
from neurotarget.process.signals import listen
from neurotarget.runs.folder.foreign import is_elsewhere, refuse_replayed, sends
from neurotarget.runs.folder.jobs import INVOCATION_KEYS, key_of, quoted
from neurotarget.runs.folder.known_caches import CACHES, note_runs
from neurotarget.runs.folder.multirun import MULTIRUN, read_multirun
from neurotarget.runs.folder.recorded_overrides import read_overrides, recorded
from neurotarget.training.resources.devices import JOB

CONFIG_DIR = ("--config-dir", "-cd")
QUOTES = ("'", '"')
GRAMMAR = frozenset(",=()[]{}: ")  # characters with a meaning in Hydra's grammar
PATHS = frozenset(  # keys whose values are always paths
    (
        "data.cache",
        "data.root",
        "data.source.folder",
        "data.source.table",
        "hydra.run.dir",
        "hydra.sweep.dir",
        "input",
        "output",
        "paths.cache",
        "paths.datasets",
        "paths.runs",
        "pretrained",
        "run",
    )
)
BETWEEN = re.compile(r"[^\[\]{},:]+")  # text between the characters of lists, keys and sweeps
FUNCTIONS = re.compile(r"(choice|glob|range|shuffle|sort|str|tag)\(.*\)")  # of Hydra, in sweeps
# package to install for each launcher that Hydra does not include
PLUGINS = {
    "joblib": "hydra-joblib-launcher",
    "submitit_local": "hydra-submitit-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
    "slurm": "hydra-submitit-launcher",
    "ray": "hydra-ray-launcher",
}


@exits_with_sentence
def check_argv(config_path: Path, config_name: str) -> None:
    """Refuse arguments on which Hydra would print a traceback; expand those of `resume=`.

    `sys.argv` is replaced by the arguments that Hydra reads: paths are quoted, recorded arguments
    of `resume=` are inserted, and folders named by the time are fixed. The output folder of a
    training is claimed here, before Hydra writes into it. An error is printed as a sentence, and
    the process exits with status 2.

    Args:
        config_path: the folder `conf` of this program.
        config_name: `train` or `predict`, a file in it without its suffix.
    """
    listen()
    escape_output()
    given = sys.argv[1:]
    if config_name == "train":
        given = with_whole_commands(given)
    flags = [flag for flag in FLAGS if flag in given]
    if config_name == "train" and not flags and fuses(given, config_path):
        flags = [FLAGS[0]]
    # Hydra does not read -m between overrides
    typed = [*flags, *(one for one in given if one not in FLAGS)]
    argv = [literal(one, is_sweep=bool(flags)) for one in typed]
    if config_name == "train":
        argv = resumed_argv(with_own_conf(argv, config_path))
    check_launcher(argv)
    with recorded(_resumed(argv), argv):
        config = check_overrides(argv, config_path, config_name)
    if config is not None and config_name == "train":
        argv = _without(argv, {"overwrite"})  # applies once, not to a resume
        argv += claim_output(config, is_sweep=bool(set(FLAGS) & set(argv)))
        for place in (*_values(argv, "hydra.run.dir"), *_values(argv, "hydra.sweep.dir")):
            note_runs(_caches(argv), Path(_unquoted(place)))
    sys.argv[1:] = argv


def fuses(argv: Sequence[str], config_path: Path) -> bool:
    """Return whether an experiment trains several networks and fuses them, and needs no `-m`.

    A single job, a dry run, a search, a resumed run and `fuse=false` return False.
    """
    keys = {key_of(one) for one in argv}
    if JOB in os.environ or keys & {"fuse", "resume"} or "sweep=optuna" in argv or is_dry(argv):
        return False
    name = (_values(argv, "experiment") or [""])[-1]
    path = config_path / "experiment" / f"{name}.yaml"
    if not (re.fullmatch(r"\w+", name) and path.is_file()):
        return False
    return load_yaml(path).get("fuse") is True


def with_own_conf(argv: Sequence[str], config_path: Path) -> list[str]:
    """Add `--config-dir=./conf` unless the arguments name a config folder.

    A `conf` folder in the working directory that shares no group with `config_path`, our own,
    belongs to another program and is ignored.
    """
    own = Path("conf")
    groups = [path.name for path in config_path.iterdir() if path.is_dir()]
    is_ours = any((own / group).is_dir() for group in groups)
    is_named = any(argument.startswith(CONFIG_DIR) for argument in argv)
    if is_named or not is_ours or real_path(own) == real_path(config_path):
        return list(argv)
    return [f"--config-dir={real_path(own)}", *argv]


def resumed_argv(argv: Sequence[str]) -> list[str]:
    """Return the arguments of a resumed run: the recorded arguments, then those given now.

    A run resumes in its folder. A multirun is started again with its own folder, so that its
    sweeper runs the missing jobs. The recorded arguments may come from another user: they may only
    choose settings, unless `trust=true` is given with `resume`.

    Raises:
        DataError: `resume` names neither a run nor a multirun, or a run together with `-m`, or
            the recorded arguments would run code.
    """
    places = _values(argv, "resume")
    if not places or places[-1] in ("null", ""):
        return list(argv)
    folder = real_path(expanded(places[-1] if exists(places[-1]) else _unquoted(places[-1])))
    is_trusted, typed = _trusted(_without(joined_options(argv), {"resume"}))
    # Hydra does not read options between overrides
    options = [one for one in typed if one.startswith("-") and one not in FLAGS]
    typed = [one for one in typed if one not in (*options, *FLAGS)]
    is_multirun = (folder / MULTIRUN).is_file()
    before = read_multirun(folder) if is_multirun else read_overrides(folder)
    if not is_multirun and set(argv) & set(FLAGS):
        raise DataError(
            f"resume={folder}: found the folder of one run, wanted that of a multirun with -m; "
            "leave -m out"
        )
    repeated = {key_of(one) for one in (*options, *typed)}
    kept = _without(before, repeated | {"hydra.sweep.dir", *INVOCATION_KEYS})
    kept = kept if is_trusted else _chosen(kept, folder)
    place = quoted(folder)
    if is_multirun:
        return ["-m", *options, *kept, *typed, f"hydra.sweep.dir={place}"]
    return [*options, *kept, *typed, f"resume={place}", f"hydra.run.dir={place}"]


def _chosen(arguments: Sequence[str], folder: Path) -> list[str]:
    """Return the recorded arguments that only choose settings; print those that are left out.

    Raises:
        DataError: an argument does more than choose a setting.
    """
    refuse_replayed(arguments, folder)
    if sending := [argument for argument in arguments if sends(argument)]:
        print(
            f"resume={folder}: {shlex.join(sending)} of its record decides where scores are sent "
            "and is left out; set it again with resume= if you want it",
            file=sys.stderr,
        )
    return [argument for argument in arguments if argument not in sending]


def _caches(argv: Sequence[str]) -> list[Path]:
    """Return the cache folders outside the working folder, read from complete arguments."""
    typed = [one for one in argv if key_of(one) in CACHES and is_elsewhere(one)]
    values = [_unquoted(one.partition("=")[2]) for one in typed]
    return [Path(value) for value in values if "," not in value or exists(value)]


def _resumed(argv: Sequence[str]) -> str | None:
    """Return the folder of the run to resume, from complete arguments; None for a multirun."""
    places = _values(argv, "resume")
    return _unquoted(places[-1]) if places and places[-1] != "null" else None


def check_launcher(argv: Sequence[str]) -> None:
    """Refuse a launcher whose package is not installed, and name the package.

    Hydra would only report that the group `hydra/launcher` has no such choice.

    Raises:
        DataError: the Hydra plugin of the launcher is not installed.
    """
    for argument in argv:
        key, _, name = argument.partition("=")
        package = PLUGINS.get(name) if key_of(key) == "hydra/launcher" else None
        if package and not _is_there(package):
            raise DataError(
                f"{argument}: found no {package}, wanted the package that brings this launcher; "
                f"pip install {package}, or leave {key} out: jobs then run one after another"
            )


def literal(argument: str, *, is_sweep: bool = False) -> str:
    """Quote a path or name so that Hydra reads it exactly as it was typed.

    Only a value that Hydra would read differently is quoted. In a sweep, commas separate paths,
    except inside an existing path.
    """
    key, sign, value = argument.partition("=")
    if not sign or not value or key == "resume":  # quoted later, in `resumed_argv`
        return argument
    if argument.startswith("--"):
        return f"{key}={expanded(value)}"
    if key_of(argument) in PATHS:
        return f"{key}={_paths(key_of(argument), value, is_sweep)}"
    if _is_quoted(value):
        return argument
    if GRAMMAR.intersection(value) and exists(value):
        return f"{key}={quoted(value)}"
    if _is_readable(argument):
        return argument
    quoted_text = f"{key}={BETWEEN.sub(_name, value)}"
    return quoted_text if _is_readable(quoted_text) else argument


def _paths(key: str, value: str, is_sweep: bool) -> str:
    """Quote the value of a key that holds paths, in Hydra's grammar."""
    if exists(value):
        return _exactly(value.replace("${", "\\${"))
    is_function = is_sweep and FUNCTIONS.fullmatch(value)
    if value in ("null", "???") or is_function or _is_quoted(value):
        return value
    if key == "run" and value.startswith("[") and value.endswith("]"):
        inner = value[1:-1]
        return value if set(QUOTES) & set(inner) else f"[{_several(inner)}]"
    return _several(value) if is_sweep and not key.startswith("hydra.") else _exactly(value)


def _several(text: str) -> str:
    """Split text at commas into paths; of the possible paths, the longest that exists is taken."""
    parts, values = text.split(","), []
    while parts:
        longest = range(len(parts), 0, -1)
        end = next((end for end in longest if exists(",".join(parts[:end]).strip())), 1)
        values.append(_exactly(",".join(parts[:end]).strip()))
        parts = parts[end:]
    return ",".join(values)


def _exactly(path: str) -> str:
    if path == "null":
        return path
    path = expanded(path)
    try:
        (read,) = OverridesParser.create().parse_overrides([f"path={path}"])
    except HydraException:
        return quoted(path)
    is_same = not read.is_sweep_override() and isinstance(read.value(), str)
    return path if is_same and read.value() == path else quoted(path)


def _name(match: re.Match) -> str:
    name = match[0].strip()
    return match[0] if not name or _is_readable(f"name={name}") else quoted(name)


def _is_readable(argument: str) -> bool:
    try:
        return bool(OverridesParser.create().parse_overrides([argument]))
    except HydraException:
        return False


def _is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] and value[0] in QUOTES


def _is_there(package: str) -> bool:
    try:
        return find_spec(f"hydra_plugins.{package.replace('-', '_')}") is not None
    except ModuleNotFoundError:  # no plugin is installed at all
        return False


def _values(argv: Sequence[str], key: str) -> list[str]:
    """Values that arguments give to a key."""
    return [one.partition("=")[2] for one in argv if key_of(one) == key]


def _without(argv: Sequence[str], keys: Collection[str]) -> list[str]:
    """Arguments that set none of the keys."""
    return [one for one in argv if key_of(one) not in keys]


def _trusted(argv: Sequence[str]) -> tuple[bool, list[str]]:
    """Return whether `trust=true` is given, and the other arguments."""
    given = [read_value("trust", value, bool) for value in _values(argv, "trust")]
    return any(given), _without(argv, {"trust"})


def _unquoted(argument: str) -> str:
    return argument[1:-1] if _is_quoted(argument) else argument
