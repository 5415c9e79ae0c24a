"""A built-in cohort as a source of cases."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from neurotarget.data.cases.sources import Files
from neurotarget.phantom.cohort_files import Drawing, Plan, draw_cohort


@dataclass(frozen=True)
class Drawn:
    """A built-in cohort, or with `root` the user's own data instead.

    Each plan has its own folder in `folder`, so that runs with different plans do not overwrite
    each other's cases.
    """

    drawing: ClassVar[Drawing]

    folder: str
    plan: Plan
    workers: int = 2

    def obtain(self, root: str | None) -> Path:
        """Manifest of the cohort, generated if missing; or the path of the user's data."""
        if root:
            return Files().obtain(root)
        folder = Path(self.folder) / self.plan.key
        return draw_cohort(folder, self.plan, self.drawing, workers=self.workers)

    def planted(self, root: str | None) -> Mapping[str, float]:
        """Planted effects of the cohort; none for the user's own data."""
        return {} if root else self.drawing.planted(self.plan)
