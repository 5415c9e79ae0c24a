"""Output folder of a Hydra command: claimed and locked before Hydra writes into it."""

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
from neurotarget.training.resources.devices import JOB, rank

CLOCK = "${now:"


def claim_output(config: DictConfig, *, is_sweep: bool) -> list[str]:
    """Claim the folder of a run or multirun; returns the overrides that this process needs.

    They fix the name of a folder that contains the time, and prevent logs of further ranks. The
    folder of a single run stays locked until this process ends; in a multirun each job locks
    its own folder.

    Raises:
        DataError: the folder was not made by this program, cannot be written, or is in use by
            another process.
    """
    if rank(OmegaConf.select(config, "trainer") or {}):
        return [f"hydra.job_logging.handlers.file.filename={os.devnull}"]
    if os.environ.get(JOB):
        return []  # claimed by the process that started this one
    folder = claim_folder(config, is_sweep=is_sweep)
    if folder is None:
        return []
    if not is_sweep:
        hold(folder)
    key = "hydra.sweep.dir" if is_sweep else "hydra.run.dir"
    return [f"{key}={quoted(folder)}"] if _is_timed(config, is_sweep=is_sweep) else []


def claim_folder(config: DictConfig, *, is_sweep: bool = False) -> Path | None:
    """Claim the folder that a configuration names; None if its name depends on the swept keys.

    A folder whose name contains the time is new: if another process created it in the same second,
    a number is appended.

    Raises:
        DataError: the folder was not made by this program, or cannot be written.
    """
    overwrite = OmegaConf.select(config, "overwrite", default=False)
    if not isinstance(overwrite, bool):
        raise DataError(f"overwrite: found {overwrite}, wanted true or false")
    key = "hydra.sweep.dir" if is_sweep else "hydra.run.dir"
    try:
        place = Path(str(OmegaConf.select(config, key)))
    except OmegaConfBaseException:
        return None
    folder = _new_folder(place, key) if _is_timed(config, is_sweep=is_sweep) else place
    claim(folder, older=older_output, overwrite=overwrite, key=key)
    _check_disk_space(folder, config)
    return folder


def _is_timed(config: DictConfig, *, is_sweep: bool) -> bool:
    """Return whether the folder's name contains the time, so that each run creates a new folder."""
    node = config.hydra.sweep if is_sweep else config.hydra.run
    return CLOCK in str(OmegaConf.to_container(node, resolve=False)["dir"])


def _check_disk_space(folder: Path, config: DictConfig) -> None:
    """Refuse a full disk before Hydra writes its record there, since Hydra prints a traceback.

    Raises:
        DataError: a file of the size of the record cannot be written.
    """
    draft = draft_path(folder / "config.yaml")
    try:
        draft.write_text(OmegaConf.to_yaml(config), encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror or error}); make room, or choose "
            "another folder"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _new_folder(place: Path, key: str) -> Path:
    """Create a folder that does not exist yet, with a number appended if needed."""
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
            f"can be; set paths.runs=<folder>"
        ) from error
    raise AssertionError  # unreachable: the numbers are endless


def _numbered(place: Path) -> Iterator[Path]:
    yield place
    yield from (place.with_name(f"{place.name}_{number}") for number in count(2))
