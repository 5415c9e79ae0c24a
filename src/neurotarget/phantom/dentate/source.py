"""The built-in cohort of susceptibility maps as a source of cases."""

from dataclasses import dataclass, field

from neurotarget.data.cases.sources import Drawn
from neurotarget.phantom.dentate.cohort import QSM_PHANTOM
from neurotarget.phantom.dentate.plan import QSMPlan


@dataclass(frozen=True)
class QSMCohort(Drawn):
    """Drawn susceptibility maps with the masks of two raters."""

    drawing = QSM_PHANTOM
    plan: QSMPlan = field(default_factory=QSMPlan)
