"""The built-in cohort of susceptibility maps as a source of cases."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from neurotarget.data.qsm_cohort import make_cohort
from neurotarget.data.qsm_plan import QSMPlan, planted
from neurotarget.data.sources import Files


@dataclass(frozen=True)
class QSMCohort:
    """The built-in maps, or the user's own data in their place where `root` is given.

    Each plan has a folder of its own in `folder`, so that runs with different plans leave each
    other's cases alone.
    """

    folder: str
    plan: QSMPlan = field(default_factory=QSMPlan)
    workers: int = 2

    def obtain(self, root: str | None) -> Path:
        """Manifest of the cohort, drawn where it is not there yet; the user's data stay as is."""
        if root:
            return Files().obtain(root)
        return make_cohort(Path(self.folder) / self.plan.key, self.plan, workers=self.workers)

    def planted(self, root: str | None) -> Mapping[str, float]:
        """Effects that the drawn dentates have by plan; none in the user's own data."""
        return {} if root else planted(self.plan)
