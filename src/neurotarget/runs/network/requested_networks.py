"""Networks that `run=` names: run folders, multirun folders, exported files, shipped networks."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from neurotarget.files.reading import is_there
from neurotarget.problems import DataError, did_you_mean, some
from neurotarget.runs.folder.finished_runs import run_folders
from neurotarget.runs.network.exported_networks import networks_in
from neurotarget.runs.network.run_ensemble import trained_runs
from neurotarget.runs.network.shipped import file_at, shipped
from neurotarget.runs.network.trained_network import TrainedNetwork, read_run


def requested_networks(requested: object, weights: str) -> Iterator[TrainedNetwork]:
    """Read what `run=` names, one network at a time: a path, a name, or a list of these.

    Args:
        requested: run folder, folder of several, exported file, name of a shipped network, or a
            list.
        weights: `best` or `last`; files hold one set only, which is `best`.

    Raises:
        DataError: there is no such path or name, or it contains no trained network.
    """
    is_list = isinstance(requested, Sequence) and not isinstance(requested, str)
    several = list(requested) if is_list else [requested]
    if not several:
        raise DataError("run: found an empty list, wanted run folders; set run='[a,b]'")
    for place in several:
        for path in places_of(str(place), weights):
            if path.is_file():
                if weights != "best":
                    raise DataError(
                        f"weights: found {weights}, and {path} holds one set of weights; leave "
                        "weights= out"
                    )
                yield from networks_in(path)
            else:
                yield read_run(path, weights=weights)


def places_of(place: str, weights: str = "best") -> list[Path]:
    """Files and run folders that a path or the name of a shipped network stands for.

    A folder with runs comes before a shipped network of the same name.

    Raises:
        DataError: there is neither.
    """
    path, ships = Path(place), shipped()
    is_name = not set(place) & {"/", os.sep, "."}
    if path.is_file():
        return [path]
    if place in ships:
        if not _holds_runs(path):
            return [ships[place]]
        print(f"run={place}: the folder ./{place}, not the shipped network of this name, is read")
    elif is_name and not is_there(path):
        _refuse_name(place, "run=")
    return trained_runs(path, weights)


def file_of(place: str) -> Path:
    """Exported file that a path or the name of a shipped network stands for.

    Raises:
        DataError: there is none; known names are listed.
    """
    path = file_at(place)
    if not path.is_file():
        _refuse_name(place)
    return path


def _refuse_name(place: str, key: str = "") -> NoReturn:
    ships = shipped()
    raise DataError(
        f"{key}{place}: found no folder or file, and no network of this name comes with "
        f"neurotarget; {did_you_mean(place, ships)}known are {some(ships)}"
    )


def _holds_runs(path: Path) -> bool:
    try:
        return path.is_dir() and bool(run_folders([path]))
    except DataError:
        return False
