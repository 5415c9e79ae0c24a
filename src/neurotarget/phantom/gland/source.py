"""The built-in cohort of heads as a source of cases."""

from dataclasses import dataclass, field

from neurotarget.phantom.drawn_source import Drawn
from neurotarget.phantom.gland.cohort import PHANTOM
from neurotarget.phantom.gland.plan import Plan


@dataclass(frozen=True)
class Cohort(Drawn):
    """Synthetic heads whose glands have planted effects."""

    drawing = PHANTOM
    plan: Plan = field(default_factory=Plan)
