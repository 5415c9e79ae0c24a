"""`data.preparation.intensity=nyul`: landmarks of the standard scale, from training cases alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from neurotarget.data.attempts import attempts
from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.histogram_scale import Landmarks, foreground_landmarks, standard_landmarks
from neurotarget.data.scans.volume import inspect_volume
from neurotarget.problems import DataError, errors_of
from neurotarget.runs.folder.run_folder import read_config
from neurotarget.types import Case

MOST_READ = 200  # training cases of a contrast; a mean of more changes little
Config = Mapping[str, Any]


class Scaled(NamedTuple):
    """The configuration with landmarks, and sentences about them."""

    config: dict[str, Any]
    lines: list[str]


def learn_scale(config: Config, data: TargetData, folder: Path, *, resumed: bool) -> Scaled:
    """Give data and configuration the landmarks of a standard scale, if they want one.

    The config.yaml of the run keeps the landmarks for predictions. A resumed run keeps its own.
    Broken files are skipped; the preparation reports them. Of each contrast up to `MOST_READ`
    training cases are read.

    Args:
        config: settings of the run; a changed copy is returned.
        data: their preparation gets the landmarks, in place.
        folder: of the run, with the config.yaml of a resumed one.
        resumed: whether the landmarks are read from there.

    Raises:
        DataError: the data set is invalid, or no scan has a histogram.
    """
    wanted = data.preparation
    if wanted.intensity != "nyul" or wanted.landmarks is not None:
        return Scaled(dict(config), [])
    if resumed:
        landmarks, lines = read_config(folder)["data"]["preparation"]["landmarks"], []
    else:
        _, cases = data.read_training()
        landmarks = {name: _learned(cases, name) for name in data.target.contrasts}
        of = f"{min(len(cases), MOST_READ)} of {len(cases)} training cases"
        lines = [f"scale     Nyúl and Udupa's, with landmarks of {of} (in config.yaml)"]
    data.change(preparation=replace(wanted, landmarks=landmarks))
    settings = config["data"]
    preparation = {**settings["preparation"], "landmarks": landmarks}
    return Scaled({**config, "data": {**settings, "preparation": preparation}}, lines)


def _learned(cases: Sequence[Case], contrast: str) -> list[float]:
    there = [case for case in cases if contrast in case.images]

    def one(case: Case) -> Landmarks | None:
        volume, problems = inspect_volume(case.images[contrast], case_id=case.case_id)
        return None if volume is None or errors_of(problems) else foreground_landmarks(volume.array)

    places = np.linspace(0, len(there) - 1, min(len(there), MOST_READ)).round().astype(int)
    with attempts(one, [there[place] for place in places], workers=2) as found:
        rows = [row for row in found if isinstance(row, ndarray)]
    try:
        return standard_landmarks(rows).round(6).tolist()
    except ValueError as error:
        raise DataError(
            f"data.preparation.intensity=nyul: {error}; look at the files of {contrast}"
        ) from error
