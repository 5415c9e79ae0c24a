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

CLOCK = "${now:"


def claim_output(config: DictConfig, *, is_sweep: bool) -> list[str]:
    """Claim the folder of a run or of a multirun; returns the override that names it, if any.

    The folder of one run is locked until this process ends; in that of a multirun each job locks
    its own.

    Raises:
        DataError: the folder is somebody else's, cannot be written, or another process works in it.
    """
    if os.environ.get(JOB) or rank(OmegaConf.select(config, "trainer") or {}):
        return []  # whoever started this process has done so
    folder = claim_folder(config, is_sweep=is_sweep)
    if folder is None:
        return []
    if not is_sweep:
        hold(folder)
    key = "hydra.sweep.dir" if is_sweep else "hydra.run.dir"
    return [f"{key}={quoted(folder)}"] if _is_timed(config, is_sweep=is_sweep) else []


def claim_folder(config: DictConfig, *, is_sweep: bool = False) -> Path | None:
    """Claim the folder that a configuration names; None where what is swept over names it.

    A folder that is named by the time is made by this process alone: where another one has begun
    in the same second, this one gets a number of its own.

    Raises:
        DataError: the folder is somebody else's, or cannot be written.
    """
    overwrite = OmegaConf.select(config, "overwrite", default=False)
    if not isinstance(overwrite, bool):
        raise DataError(f"overwrite: found {overwrite}, wanted true or false")
    key = "hydra.sweep.dir" if is_sweep else "hydra.run.dir"
    try:
        place = Path(str(OmegaConf.select(config, key)))
    except OmegaConfBaseException:
        return None
    folder = _made_anew(place, key) if _is_timed(config, is_sweep=is_sweep) else place
    claim(folder, older=older_output, overwrite=overwrite, key=key)
    _check_room(folder, config)
    return folder


def _is_timed(config: DictConfig, *, is_sweep: bool) -> bool:
    """Whether the time is in the folder's name, which is meant to be a new one then."""
    node = config.hydra.sweep if is_sweep else config.hydra.run
    return CLOCK in str(OmegaConf.to_container(node, resolve=False)["dir"])


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
