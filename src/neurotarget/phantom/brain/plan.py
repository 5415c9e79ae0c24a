"""The plan of a cohort of whole heads: generated people, or label maps of the user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from neurotarget.phantom.plan import CohortPlan
from neurotarget.phantom.scanner import Site
from neurotarget.synthesis.tissues import FREE, SEQUENCES

SITES = (
    Site("east", (1.0, 1.0, 1.0), (180.0, 226.0, 236.0)),
    Site(
        "west",
        (1.0, 1.0, 1.0),
        (184.0, 230.0, 226.0),
        axes="LIA",
        oblique_deg=6.0,
        shading=0.16,
        noise=0.07,
    ),
)


class MapFile(NamedTuple):
    """A label map of the user.

    Attributes:
        name: file name without its suffix; it becomes the case_id.
        path: absolute path.
        digest: hash of the file, so that a changed map gives another cohort.
        tiv_ml: volume of brain and fluid in the map.
    """

    name: str
    path: str
    digest: str
    tiv_ml: float


class Person(NamedTuple):
    """A planned person; for a label map of the user, age and sex are unknown.

    Attributes:
        case_id, subject_id: equal, as each person has one scan.
        age: years.
        sex: F or M.
        site: name of the scanner.
        tiv_ml: intracranial volume.
        group: control, mci or ad; "" for people who are not in the clinic.
        severity: severity of the disease; 1 for an average patient, 0 for a control.
        map_number: index of the person's label map, from 0; None for a generated head.
    """

    case_id: str
    subject_id: str
    age: float | None
    sex: str | None
    site: str
    tiv_ml: float
    group: str = ""
    severity: float = 0.0
    map_number: int | None = None


@dataclass(frozen=True)
class HeadPlan(CohortPlan):
    """All settings of a cohort; `voxel_scale` multiplies voxel sides.

    `contrasts` maps each contrast of the target to the sequence of its scan, one of
    `synthesis.tissues.SEQUENCES` or `free`. `maps` are label maps to use instead of generated
    heads; then there is one person per map.
    """

    kind = "heads"
    every_map: ClassVar[int] = 1  # every n-th map of the user is one person

    num_cases: int = 40
    age_range: tuple[float, float] = (20.0, 85.0)
    contrasts: Mapping[str, str] = field(default_factory=lambda: {"t1": "mprage"})
    sites: tuple[Site, ...] = SITES
    maps: Sequence[MapFile] = ()

    def _faults(self) -> dict[str, bool]:
        known = (FREE, *SEQUENCES)
        unknown = [name for name in self.contrasts.values() if name not in known]
        return super()._faults() | {
            f"contrasts has the unknown sequences {', '.join(unknown)}, known are "
            f"{', '.join(known)}": bool(unknown),
            "contrasts must name a scan": not self.contrasts,
        }

    @property
    def usual_sites(self) -> tuple[Site, ...]:
        """Return the scanners of people without planted changes."""
        return self.sites

    def subjects(self) -> list[Person]:
        """Sample people; ages are spread evenly within each sex, sites within both.

        With label maps of the user there is one person per map, in the order of the maps.
        """
        if self.maps:
            return [self._mapped(number) for number in range(0, len(self.maps), self.every_map)]
        rng = np.random.default_rng([self.seed, 0])
        women = round(self.num_cases * self.share_women)
        people = []
        for sex, count in (("F", women), ("M", self.num_cases - women)):
            ages = self.even_ages(count, rng).round(1).tolist()
            sites = rng.permuted(np.arange(count) % len(self.usual_sites))
            heads_ml = self.head_sizes_ml(sex, count, rng).round(1).tolist()
            people += [
                Person("", "", age, sex, self.usual_sites[site].name, tiv_ml)
                for age, site, tiv_ml in zip(ages, sites, heads_ml, strict=True)
            ]
        shuffled = self.shuffled(people, "head", rng)
        return [person._replace(subject_id=person.case_id) for person in shuffled]

    def _mapped(self, number: int) -> Person:
        one, sites = self.maps[number], self.usual_sites
        site = sites[number // self.every_map % len(sites)].name
        return Person(one.name, one.name, None, None, site, one.tiv_ml, map_number=number)

    def planted(self) -> dict[str, float]:
        """Return no effects: none is planted."""
        return {}
