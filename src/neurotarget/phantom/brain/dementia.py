"""A simulated cohort of dementia: controls, MCI and Alzheimer's disease with planted atrophy.

The people of a memory clinic, at a separate site, have label maps whose structures were changed as
`atrophy` states; volumes are measured in the changed maps. All other people are for training. The
cohort tests whether a segmentation network keeps differences between groups; it says nothing about
real people.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from neurotarget.phantom.brain.atrophy import AD, CONTROL, MCI, deformed, percent_of
from neurotarget.phantom.brain.cohort import Grown, HeadCohort
from neurotarget.phantom.brain.plan import SITES, HeadPlan, Person
from neurotarget.phantom.scanner import Site

GROUPS = (CONTROL, MCI, AD)
CLINIC = replace(SITES[0], name="clinic")


@dataclass(frozen=True)
class DementiaPlan(HeadPlan):
    """A clinic with `patients` people, a third in each group, and `num_cases` people to train on.

    `strength` multiplies all planted changes; `severity_spread` is the SD between patients of one
    group, as a share. Every second label map of the user is for the clinic: people of the clinic
    are variants of these maps, so that no anatomy is both trained on and measured.

    Attributes:
        num_cases: people to train on.
        patients: people of the clinic, controls included.
        clinic_ages: youngest and oldest of the clinic, years.
        sites: scanners; the last one is the clinic's.
    """

    kind = "dementia"
    every_map = 2

    num_cases: int = 24
    patients: int = 60
    clinic_ages: tuple[float, float] = (60.0, 88.0)
    strength: float = 1.0
    severity_spread: float = 0.25
    sites: tuple[Site, ...] = (*SITES, CLINIC)

    def _faults(self) -> dict[str, bool]:
        return super()._faults() | {
            "patients must be at least 3, one of each group": self.patients < len(GROUPS),
            "strength and severity_spread must not be negative": min(
                self.strength, self.severity_spread
            )
            < 0,
            "needs a site for training besides the last one, the clinic": len(self.sites) < 2,
            "needs two label maps or more": len(self.maps) == 1,
        }

    @property
    def usual_sites(self) -> tuple[Site, ...]:
        """All sites but the last, which is the clinic."""
        return self.sites[:-1]

    def subjects(self) -> list[Person]:
        """Return the people to train on, then the people of the clinic.

        In the clinic, groups alternate in the order of age, so that groups have similar ages and
        the same share of women.
        """
        rng = np.random.default_rng([self.seed, 3])
        ages = replace(self, age_range=self.clinic_ages).even_ages(self.patients, rng).round(1)
        order = rng.permutation(self.patients)
        digits = len(str(self.patients))
        people = super().subjects()
        for number in range(self.patients):
            place = int(order[number])
            # neighbours in age are of different groups, and both sexes are in each
            group, sex = GROUPS[place % 3], "FM"[place // 3 % 2]
            severity = self.strength * max(1 + self.severity_spread * rng.standard_normal(), 0)
            name = f"clinic{number + 1:0{digits}d}"
            person = Person(name, name, float(ages[place]), sex, self.sites[-1].name, 0.0, group)
            people.append(self._placed(person, number, float(severity), rng))
        return people

    def _placed(
        self, person: Person, number: int, severity: float, rng: np.random.Generator
    ) -> Person:
        """Return a person of the clinic with a head size, or with one of the user's label maps."""
        tiv_ml = round(float(self.head_sizes_ml(str(person.sex), 1, rng)[0]), 1)
        person = person._replace(severity=0.0 if person.group == CONTROL else severity)
        if not self.maps:
            return person._replace(tiv_ml=tiv_ml)
        chosen = range(1, len(self.maps), self.every_map)[number % (len(self.maps) // 2)]
        tiv_ml = self.maps[chosen].tiv_ml
        return person._replace(age=None, sex=None, tiv_ml=tiv_ml, map_number=chosen)


@dataclass(frozen=True)
class DementiaCohort(HeadCohort):
    """Heads to train on, and a simulated memory clinic."""

    bar_text = "generating a memory clinic"

    plan: DementiaPlan = field(default_factory=DementiaPlan)

    @property
    def covariates(self) -> tuple[str, ...]:
        """Return names of the covariates; the group of people outside the clinic is empty."""
        return ("group", *super().covariates)

    def grow(self, person: Person, number: int) -> Grown:
        """Return the label map of a person, with the changes of the person's group.

        Controls of the clinic are also deformed to an individual shape, so that groups differ only
        in volumes.
        """
        grown = super().grow(person, number)
        if not person.group:
            return grown
        changes: Mapping = percent_of(person.group, person.severity)
        spacing = np.linalg.norm(grown.affine[:3, :3], axis=0).tolist()
        rng = np.random.default_rng([self.plan.seed, 4, number])
        return Grown(deformed(grown.ids, spacing, changes, rng=rng), grown.affine)
