"""The folder that a command of Hydra writes into: claimed, and locked, before Hydra writes."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from neurotarget.files.drafts import draft_path
from neurotarget.files.ownership import claim
from neurotarget.problems import DataError
from neurotarget.runs.folder.jobs import quoted
from neurotarget.runs.folder.older_output import older_output
from neurotarget.runs.folder.run_lock import hold
from neurotarget.training.devices import JOB, rank

CLOCK = "${now:"  # in a folder's name: it is meant to be a new one


def claim_output(config: DictConfig, *, is_sweep: bool) -> list[str]:
    """Claim the folder of a run or of a multirun; returns the override that names it, if any.

    A folder that is named by the time is made by this process alone: where another one has begun
    in the same second, this one gets a number of its own. The folder of one run is locked until
    this process ends; in that of a multirun each job locks its own.

    Raises:
        DataError: the folder is somebody else's, cannot be written, or another process works in it.
    """
    overwrite = OmegaConf.select(config, "overwrite", default=False)
    if not isinstance(overwrite, bool):
        raise DataError(f"overwrite: found {overwrite}, wanted true or false")
    if os.environ.get(JOB) or rank(OmegaConf.select(config, "trainer") or {}):
        return []  # whoever started this process has done so
    key = "hydra.sweep.dir" if is_sweep else "hydra.run.dir"
    try:
        place = Path(str(OmegaConf.select(config, key)))
    except OmegaConfBaseException:  # named by what is swept over
        return []
    node = config.hydra.sweep if is_sweep else config.hydra.run
    is_timed = CLOCK in str(OmegaConf.to_container(node, resolve=False)["dir"])
    folder = _made_anew(place, key) if is_timed else place
    claim(folder, older=older_output, overwrite=overwrite, key=key)
    _check_room(folder, config)
    if not is_sweep:
        hold(folder)
    return [f"{key}={quoted(folder)}"] if is_timed else []


def _check_room(folder: Path, config: DictConfig) -> None:
    """Refuse a full disk before Hydra writes its record of a run there, as it shows a stack.

    Raises:
        DataError: as much as that record cannot be written.
    """
    draft = draft_path(folder / "config.yaml")
    try:
        draft.write_text(OmegaConf.to_yaml(config), encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror or error}); make room, or say another "
            "folder"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _made_anew(place: Path, key: str) -> Path:
    """Make a folder that nobody else has made."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        for folder in _numbered(place):
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise DataError(
            f"{key}: {place} cannot be written ({error.strerror or error}), wanted a folder that "
            f"can; say paths.runs=<folder>"
        ) from error
    raise AssertionError  # numbers do not end


def _numbered(place: Path) -> Iterator[Path]:
    yield place
    yield from (place.with_name(f"{place.name}_{number}") for number in count(2))
