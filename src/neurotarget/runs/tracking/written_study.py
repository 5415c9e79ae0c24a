"""A study and the files that hold it, as trackers log them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from neurotarget.stats.study.results import Study


class WrittenStudy(NamedTuple):
    """A study and the files that hold it."""

    study: Study
    page: Path
    tables: Mapping[str, Path]
    figures: Sequence[Path]  # PNG; an SVG of the same name lies beside each
    overlays: Sequence[Path]  # PNG
