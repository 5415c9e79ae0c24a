"""A study with the paths of its files, for trackers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from neurotarget.stats.study.results import Study


class WrittenStudy(NamedTuple):
    """A study with the paths of its files."""

    study: Study
    page: Path
    tables: Mapping[str, Path]
    figures: Sequence[Path]  # PNG; with an SVG of the same name in the same folder
    overlays: Sequence[Path]  # PNG
