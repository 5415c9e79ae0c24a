"""Gliomas with a planted molecular marker, which one property of the images shows, and a control.

The core of a tumour with the marker is darker on FLAIR, as in the mismatch of T2 and FLAIR of
astrocytomas with a mutant IDH (Patel 2017, doi:10.1158/1078-0432.CCR-17-0560). One value is
subtracted from all voxels of a core, so that its mean intensity changes, but not shape and texture.
The control is assigned at random: no image shows it. Both are assigned within blocks of people with
similar grade and size of the core. Otherwise groups of few people may differ in size by chance, and
many features depend on size.
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
    """A cohort of gliomas; a share of them has a marker.

    `flair_darker` is subtracted from the FLAIR signal of cores with the marker, as a share of the
    brightest healthy tissue's signal.
    """

    num_cases: int = 60
    share_marked: float = 0.5
    flair_darker: float = 0.3

    def _faults(self) -> dict[str, bool]:
        return super()._faults() | {
            "share_marked must lie in 0 to 1": not 0 <= self.share_marked <= 1
        }

    def subjects(self) -> list[Patient]:
        """Sample people; marker and control are sampled independently of each other."""
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
        """Sample marks of people in order of size: each block has the share, in random order."""
        marked = np.diff(np.round(np.arange(count + 1) * self.share_marked)) > 0
        for start in range(0, count, BLOCK):
            rng.shuffle(marked[start : start + BLOCK])
        return [PRESENT if one else ABSENT for one in marked]

    def core_shifts(self, person: Patient) -> Mapping[str, float]:
        """Return changes of the core's signal: cores with the marker are darker on FLAIR."""
        return {"flair": -self.flair_darker} if person.marker == PRESENT else {}

    def planted(self) -> dict[str, float]:
        """Return the marker's change of FLAIR, and the hazards of all gliomas."""
        return super().planted() | {"flair_of_marked_cores": -self.flair_darker}


@dataclass(frozen=True)
class MarkedGliomaCohort(GliomaCohort):
    """People with a glioma, its scans and mask, and its status of marker and control."""

    covariates: ClassVar = (*GliomaCohort.covariates, "marker", "control")

    plan: MarkedGliomaPlan = field(default_factory=MarkedGliomaPlan)
