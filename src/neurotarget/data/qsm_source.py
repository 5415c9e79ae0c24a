"""The built-in cohort of susceptibility maps as a source of cases."""

from dataclasses import dataclass, field

from neurotarget.data.qsm_cohort import QSM_PHANTOM
from neurotarget.data.qsm_plan import QSMPlan
from neurotarget.data.sources import Drawn


@dataclass(frozen=True)
class QSMCohort(Drawn):
    """Drawn susceptibility maps with the masks of two raters."""

    drawing = QSM_PHANTOM
    plan: QSMPlan = field(default_factory=QSMPlan)
