"""Load targets by their name or by the path of their file."""

from pathlib import Path
from typing import Any

from neurotarget.cli.arguments import nearest_of
from neurotarget.cli.configs.plain import resolved
from neurotarget.data.tables.named_labels import target_settings
from neurotarget.files.reading import load_yaml
from neurotarget.problems import DataError
from neurotarget.process.programs import home
from neurotarget.runs.folder.foreign import read_foreign
from neurotarget.runs.network.objects import build, build_foreign
from neurotarget.types import Target


def conf_file(group: str, name: str) -> Path:
    """Find the file of a name in a group of `conf`: the user's own, else neurotarget's.

    Raises:
        DataError: no file has this name; the message has the nearest name.
    """
    folders = [home() / "conf" / group, Path("conf") / group]
    there = {file.stem: file for folder in folders for file in folder.glob("*.yaml")}
    if name not in there:
        raise DataError(f"{group}={name}: no such {group};{nearest_of(name, there)}")
    return there[name]


def transforms(name: str) -> dict[str, Any]:
    """Read the transforms of an augmentation by its name in `conf/augment`.

    Raises:
        DataError: no augmentation has this name.
    """
    return load_yaml(conf_file("augment", name)) or {}


def load_target(name: str, *, source: Path | str | None = None, trust: bool = False) -> Target:
    """Load a target by its name in `conf/target`, or by the path of a YAML file.

    Label names of the target are looked up in the tables next to `source`, a manifest or data set.

    The file may come from another user; unless `trust` is set, it may only call targets of this
    program.

    Raises:
        DataError: there is no such file, or it does not describe a target.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = conf_file("target", name)
    settings = read_foreign(path)
    try:
        target = (
            build(target_settings(resolved(settings), source))
            if trust
            else build_foreign(target_settings(settings, source))
        )
    except DataError as error:
        reason = " ".join(str(error).split())[:600]
        raise DataError(f"{path}: no target can be read from it ({reason})") from error
    if not isinstance(target, Target):
        raise DataError(f"{path}: found no target, wanted a file such as those in conf/target")
    return target
