"""A built-in cohort as a source of cases."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from neurotarget.data.cases.sources import Files
from neurotarget.phantom.cohort_files import Drawing, Plan, draw_cohort


@dataclass(frozen=True)
class Drawn:
    """A built-in cohort, or the user's own data in its place where `root` is given.

    Each plan has a folder of its own in `folder`, so that runs with different plans leave each
    other's cases alone.
    """

    drawing: ClassVar[Drawing]

    folder: str
    plan: Plan
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
