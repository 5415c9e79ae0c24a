"""The plan of a cohort of gliomas: people, the size and place of each tumour, and survival.

Volumes are round figures within the ranges of BraTS (arXiv:2107.02314). Times to death are sampled
from proportional hazards with a Weibull baseline, so that a Cox model should recover the planted
log hazard ratios. We chose these ratios near published values of glioblastoma.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from neurotarget.phantom.plan import CohortPlan
from neurotarget.phantom.scanner import Site
from neurotarget.types import Triple

HIGH, LOW = "high", "low"  # grade
GROSS_TOTAL, SUBTOTAL = "GTR", "STR"  # resection, named as in BraTS
VOXEL_MM, EXTENT_MM = (2.0, 2.0, 2.0), (168.0, 216.0, 192.0)
SITES = (  # stored as in BraTS
    Site("north", VOXEL_MM, EXTENT_MM, axes="LPS", shading=0.08, noise=0.04),
    Site("south", VOXEL_MM, EXTENT_MM, axes="LPS", shading=0.14, noise=0.06),
)
PLACES: dict[str, tuple[float, Triple]] = {  # share, and mm to the side, front and top of centre
    "frontal": (0.30, (27.0, 44.0, 16.0)),
    "temporal": (0.28, (42.0, 2.0, -22.0)),
    "parietal": (0.20, (28.0, -22.0, 40.0)),
    "occipital": (0.08, (25.0, -50.0, 10.0)),
    "insular": (0.07, (34.0, 20.0, 2.0)),
    "deep": (0.07, (17.0, 2.0, 12.0)),
}
JITTER_MM = 6.0  # SD of a tumour's place, along each axis
MOST_DISTANCE_MM = 62.0  # largest distance from the brain's centre: tumours lie inside the brain
USUAL_AGE, USUAL_CORE_ML, USUAL_DISTANCE_MM = 60.0, 25.0, 45.0  # of the stated median survival


@dataclass(frozen=True)
class Survival:
    """Proportional hazards of death, as log hazard ratios, and the follow-up.

    `median_days` is the median survival of a person of 60 years with a high-grade core of 25 mL
    whose centre is 45 mm from that of the brain, after a subtotal resection. The hazard of a
    Weibull `shape` above 1 rises with time. Follow-up ends between `follow_up_days`.
    """

    median_days: float = 360.0
    shape: float = 1.4
    age_per_decade: float = 0.40
    core_per_doubling: float = 0.20
    distance_per_cm: float = -0.25  # a larger distance from the brain's centre lowers the hazard
    gross_total: float = -0.50
    low_grade: float = -1.40
    follow_up_days: tuple[float, float] = (400.0, 2400.0)


class Patient(NamedTuple):
    """A planned person with a glioma; volumes and place are those of the generated tumour.

    `offset_mm` leads from the centre of the brain to that of the tumour, to the right, the front
    and the top. `enhancing_ml` is part of `core_ml`.

    Attributes:
        age: years.
        sex: F or M.
        site: name of the scanner.
        tiv_ml: intracranial volume.
        grade: high or low.
        place: region of the brain, one of `PLACES`.
        push: share of the core's volume by which the tumour displaces tissue.
        resection: GTR or STR.
        survival_days: from the operation to death or to the end of follow-up.
        event: 1 for death, 0 for the end of follow-up.
        marker, control: present or absent in plans with a molecular marker, else "".
    """

    case_id: str
    subject_id: str
    age: float
    sex: str
    site: str
    tiv_ml: float
    grade: str
    place: str
    offset_mm: Triple
    core_ml: float
    enhancing_ml: float
    edema_ml: float
    push: float
    resection: str = SUBTOTAL
    survival_days: int = 0
    event: int = 0
    marker: str = ""
    control: str = ""

    @property
    def distance_mm(self) -> float:
        """Return the distance from the centre of the brain to that of the tumour."""
        return math.hypot(*self.offset_mm)


@dataclass(frozen=True)
class GliomaPlan(CohortPlan):
    """All settings of a cohort of gliomas; volumes are log-normal, spreads are SDs of logs.

    Attributes:
        share_low_grade: share of people whose tumour does not enhance, 0 to 1.
        core_ml, edema_ml: medians.
        survival: hazards and follow-up.
    """

    kind = "gliomas"
    drawing = 3

    num_cases: int = 40
    age_range: tuple[float, float] = (28.0, 84.0)
    share_women: float = 0.4
    share_low_grade: float = 0.25
    core_ml: float = 25.0
    core_spread: float = 0.8
    edema_ml: float = 45.0
    edema_spread: float = 0.6
    survival: Survival = field(default_factory=Survival)
    sites: tuple[Site, ...] = SITES

    def __post_init__(self) -> None:
        if not isinstance(self.survival, Survival):
            self._set(survival=Survival(**self.survival))
        super().__post_init__()

    def _faults(self) -> dict[str, bool]:
        one = self.survival
        first, last = one.follow_up_days
        return super()._faults() | {
            "share_low_grade must lie in 0 to 1": not 0 <= self.share_low_grade <= 1,
            "core_ml and edema_ml must be positive": min(self.core_ml, self.edema_ml) <= 0,
            "spreads must not be negative": min(self.core_spread, self.edema_spread) < 0,
            "median_days and shape must be positive": min(one.median_days, one.shape) <= 0,
            "follow_up_days must rise from above 0": not 0 < first < last,
        }

    def subjects(self) -> list[Patient]:
        """Sample people; ages are spread evenly within each sex, sites and grades within both."""
        rng = np.random.default_rng([self.seed, 0])
        women = round(self.num_cases * self.share_women)
        people = []
        for sex, count in (("F", women), ("M", self.num_cases - women)):
            ages = self.even_ages(count, rng).round(1).tolist()
            sites = rng.permuted(np.arange(count) % len(self.sites))
            is_low = rng.permuted(np.arange(count) < round(count * self.share_low_grade))
            heads_ml = self.head_sizes_ml(sex, count, rng).round(1).tolist()
            people += [
                self._patient(
                    age,
                    sex=sex,
                    site=self.sites[site].name,
                    tiv_ml=tiv_ml,
                    grade=LOW if low else HIGH,
                    rng=rng,
                )
                for age, site, tiv_ml, low in zip(ages, sites, heads_ml, is_low, strict=True)
            ]
        people = [self._followed(person, rng) for person in people]
        shuffled = self.shuffled(people, "glioma", rng)
        return [person._replace(subject_id=person.case_id) for person in shuffled]

    def _patient(
        self,
        age: float,
        *,
        sex: str,
        site: str,
        tiv_ml: float,
        grade: str,
        rng: np.random.Generator,
    ) -> Patient:
        """Sample a person with a tumour before resection."""
        core_ml = _log_normal(self.core_ml, self.core_spread, (1.5, 120.0), rng)
        edema_ml = _log_normal(self.edema_ml, self.edema_spread, (6.0, 150.0), rng)
        # small cores rarely are necrotic
        share = rng.uniform(0.35, 0.85) if core_ml > 8 else rng.uniform(0.6, 1.0)
        if grade == LOW:
            share, edema_ml = 0.0, 0.6 * edema_ml
        names, weights = zip(*((name, place[0]) for name, place in PLACES.items()), strict=True)
        place = str(rng.choice(names, p=np.array(weights) / sum(weights)))
        return Patient(
            "",
            "",
            age,
            sex,
            site,
            tiv_ml,
            grade,
            place,
            _offset_mm(place, tiv_ml, rng),
            core_ml,
            round(share * core_ml, 2),
            round(edema_ml, 2),
            round(float(rng.uniform(0.1, 0.25) if grade == LOW else rng.uniform(0.25, 0.6)), 3),
        )

    def core_shifts(self, person: Patient) -> Mapping[str, float]:  # noqa: ARG002
        """Return changes of the signal in the tumour core, by contrast; none by default.

        The unit is that of `glioma_signal.scans_of`: shares of the brightest healthy tissue's
        signal.
        """
        return {}

    def log_hazard(self, person: Patient) -> float:
        """Return the log hazard ratio of a person against the person of `median_days`.

        Above 0, earlier death is expected.
        """
        one = self.survival
        return (
            one.age_per_decade * (person.age - USUAL_AGE) / 10
            + one.core_per_doubling * math.log2(person.core_ml / USUAL_CORE_ML)
            + one.distance_per_cm * (person.distance_mm - USUAL_DISTANCE_MM) / 10
            + one.gross_total * (person.resection == GROSS_TOTAL)
            + one.low_grade * (person.grade == LOW)
        )

    def _followed(self, person: Patient, rng: np.random.Generator) -> Patient:
        """Add resection, days of follow-up and the event to a person."""
        one = self.survival
        # deep tumours can rarely be removed
        chance = 0.15 if person.place in ("deep", "insular") else 0.55
        person = person._replace(resection=GROSS_TOTAL if rng.random() < chance else SUBTOTAL)
        scale = one.median_days / math.log(2) ** (1 / one.shape)
        hazard = math.exp(self.log_hazard(person))
        death = scale * (rng.exponential() / hazard) ** (1 / one.shape)
        end = rng.uniform(*one.follow_up_days)
        days = max(round(float(min(death, end))), 1)
        return person._replace(survival_days=days, event=int(death <= end))

    def planted(self) -> dict[str, float]:
        """Return log hazard ratios that a Cox model should recover, per unit of each term."""
        one = self.survival
        return {
            "log_hazard_age_per_decade": one.age_per_decade,
            "log_hazard_core_per_doubling": one.core_per_doubling,
            "log_hazard_distance_per_cm": one.distance_per_cm,
            "log_hazard_gross_total": one.gross_total,
            "log_hazard_low_grade": one.low_grade,
        }


def _log_normal(
    median: float, spread: float, limits: tuple[float, float], rng: np.random.Generator
) -> float:
    return round(float(np.clip(median * np.exp(spread * rng.standard_normal()), *limits)), 2)


def _offset_mm(place: str, tiv_ml: float, rng: np.random.Generator) -> Triple:
    """Sample the place of a tumour relative to the centre of the brain, on a random side."""
    scale = (tiv_ml / 1500) ** (1 / 3)
    offset = np.array(PLACES[place][1]) * scale + rng.normal(0, JITTER_MM, 3)
    offset *= min(1.0, MOST_DISTANCE_MM * scale / float(np.linalg.norm(offset)))
    side = rng.choice((-1, 1))
    first, second, third = (offset * (side, 1, 1)).round(1).tolist()
    return first, second, third
