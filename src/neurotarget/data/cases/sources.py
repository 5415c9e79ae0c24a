"""Where a run's cases come from: the user's own files, a public data set, the built-in cohort."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from neurotarget.data.cases.download import fetch
from neurotarget.files.reading import is_there
from neurotarget.phantom.cohort_files import Drawing, draw_cohort
from neurotarget.phantom.cohort_files import Plan as DrawnPlan
from neurotarget.phantom.gland.cohort import PHANTOM
from neurotarget.phantom.gland.plan import Plan
from neurotarget.problems import DataError


class Source(Protocol):
    """Brings a data set to disk, once, and says where it lies."""

    def obtain(self, root: str | None) -> Path:
        """Path of a manifest or data set that `read_manifest` understands."""

    def planted(self, root: str | None) -> Mapping[str, float]:
        """True effects by hypothesis name, where `obtain` generates the data; else empty."""


@dataclass(frozen=True)
class Files:
    """The user's own manifest or data set."""

    def obtain(self, root: str | None) -> Path:
        """Path given as `data.root`."""
        if root is None:
            raise DataError(
                "data.root is not set; give the manifest (CSV or TSV), MSD, nnU-Net or BIDS "
                "folder to work on: data.root=<path>"
            )
        if not is_there(root):  # of a broken link its reader says more
            raise DataError(f"data.root: no such file or folder: {root}; check the path")
        return Path(root)

    def planted(self, root: str | None) -> Mapping[str, float]:  # noqa: ARG002
        """Nothing is planted in real data."""
        return {}


@dataclass(frozen=True)
class Public:
    """A public data set, downloaded once with its checksum unless `root` says where it lies."""

    name: str
    folder: str

    def obtain(self, root: str | None) -> Path:
        """Path of the data set, after a download where it is needed."""
        return Files().obtain(root) if root else fetch(self.name, Path(self.folder))

    def planted(self, root: str | None) -> Mapping[str, float]:  # noqa: ARG002
        """Nothing is planted in real data."""
        return {}


@dataclass(frozen=True)
class Drawn:
    """A built-in cohort, or the user's own data in its place where `root` is given.

    Each plan has a folder of its own in `folder`, so that runs with different plans leave each
    other's cases alone.
    """

    drawing: ClassVar[Drawing]

    folder: str
    plan: DrawnPlan
    workers: int = 2

    def obtain(self, root: str | None) -> Path:
        """Manifest of the cohort, drawn where it is not there yet; the user's data stay as is."""
        if root:
            return Files().obtain(root)
        folder = Path(self.folder) / self.plan.key
        return draw_cohort(folder, self.plan, self.drawing, workers=self.workers)

    def planted(self, root: str | None) -> Mapping[str, float]:
        """Effects that the cohort has by plan; none in the user's own data."""
        return {} if root else self.drawing.planted(self.plan)


@dataclass(frozen=True)
class Cohort(Drawn):
    """Drawn heads whose glands carry planted effects."""

    drawing = PHANTOM
    plan: Plan = field(default_factory=Plan)
