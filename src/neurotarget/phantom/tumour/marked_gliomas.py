"""Gliomas with a planted molecular marker, which one property of the images shows, and a control.

The core of a tumour with the marker is darker on FLAIR, as in the mismatch of T2 and FLAIR of
astrocytomas with a mutant IDH (Patel 2017, doi:10.1158/1078-0432.CCR-17-0560). One value is taken
off all voxels of a core, so that the mean intensity there changes and shape and texture do not. The
control is drawn by lot: no image shows it. Both are drawn within blocks of people of like grade and
size of the core, or few people may differ in size by chance, and many features are about size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from neurotarget.phantom.tumour.glioma_cohort import GliomaCohort
from neurotarget.phantom.tumour.glioma_plan import GliomaPlan, Patient

PRESENT, ABSENT = "present", "absent"
BLOCK = 4  # people


@dataclass(frozen=True)
class MarkedGliomaPlan(GliomaPlan):
    """A cohort of gliomas of which a share has a marker.

    `flair_darker` is taken off the FLAIR signal of the core of those, as a share of the brightest
    healthy tissue's.
    """

    num_cases: int = 60
    share_marked: float = 0.5
    flair_darker: float = 0.3

    def _faults(self) -> dict[str, bool]:
        return super()._faults() | {
            "share_marked must lie in 0 to 1": not 0 <= self.share_marked <= 1
        }

    def subjects(self) -> list[Patient]:
        """Sample people; marker and control are drawn independently of each other."""
        people = super().subjects()
        rng = np.random.default_rng([self.seed, 4])
        for grade in sorted({person.grade for person in people}):
            places = [place for place, person in enumerate(people) if person.grade == grade]
            places.sort(key=lambda place: people[place].core_ml)
            drawn = zip(places, self._marks(len(places), rng), self._marks(len(places), rng),
                        strict=True)  # fmt: skip
            for place, marker, control in drawn:
                people[place] = people[place]._replace(marker=marker, control=control)
        return people

    def _marks(self, count: int, rng: np.random.Generator) -> list[str]:
        """Marks of people in order of size: in each block the stated share, in any order."""
        marked = np.diff(np.round(np.arange(count + 1) * self.share_marked)) > 0
        for start in range(0, count, BLOCK):
            rng.shuffle(marked[start : start + BLOCK])
        return [PRESENT if one else ABSENT for one in marked]

    def core_shifts(self, person: Patient) -> Mapping[str, float]:
        """Cores with the marker are darker on FLAIR."""
        return {"flair": -self.flair_darker} if person.marker == PRESENT else {}

    def planted(self) -> dict[str, float]:
        """The change of FLAIR that the marker makes, and the hazards of all gliomas."""
        return super().planted() | {"flair_of_marked_cores": -self.flair_darker}


@dataclass(frozen=True)
class MarkedGliomaCohort(GliomaCohort):
    """People with a glioma, its scans and mask, and whether it has the marker and the control."""

    covariates: ClassVar = (*GliomaCohort.covariates, "marker", "control")

    plan: MarkedGliomaPlan = field(default_factory=MarkedGliomaPlan)
