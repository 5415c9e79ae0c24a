"""The plan of the built-in cohort: its subjects, and the planted effects.

The planted numbers and their sources:

- 705 mm³ in women of 25 years: young women's 705 ± 88 mm³ (atlas of 26 women); adults 660 ± 117
  (women) and 614 ± 126 (men) in 245 Chinese adults (Chen et al. 2017,
  doi:10.3969/j.issn.1674-8115.2017.05.020); pooled 597 mm³ (meta-analysis 2023,
  doi:10.3390/brainsci13010089).
- 70 mm³ more in women: between 46 (Chen 2017) and 89 mm³ (anterior lobe, 494 against 405 mm³ in
  988 people of 50–66 years, HUNT: Berntsen et al. 2021, doi:10.1007/s11102-021-01150-7).
- −30 mm³ per decade from 25 years: nobody has published this slope. It is derived from 705 mm³
  in young women and about 585 mm³ at 58 years (HUNT's 494 plus 91 mm³ of posterior lobe), which
  gives −33 per decade; −20 to −50 is plausible.
- 115 mm³ between people of one age and sex: Chen 2017 (117 and 126, ages pooled).
- Head size: round figures of FreeSurfer's estimated total intracranial volume in adults; it does
  not act on the gland, whose link to head size is weak.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy import stats

from neurotarget.phantom.gland.scanner import Site

DRAWING = 2  # raise it when a change gives other voxels for the same plan
LIMIT_SD = 2.5  # residuals are truncated here, so that no gland vanishes, and rescaled to their SD
_WIDEN = float(1 / stats.truncnorm(-LIMIT_SD, LIMIT_SD).std())
SITES = (
    Site("north", (1.0, 1.0, 1.0), (176.0, 232.0, 216.0)),
    Site(
        "south",
        (1.2, 0.9375, 0.9375),
        (180.0, 240.0, 240.0),
        axes="PSR",
        oblique_deg=6.0,
        white=250.0,
        gamma=0.85,
        shading=0.16,
        noise=0.065,
    ),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """All settings of a cohort; `voxel_scale` multiplies voxel sides."""

    num_cases: int = 96
    seed: int = 1
    age_range: tuple[float, float] = (25.0, 80.0)
    share_women: float = 0.5
    women_mm3: float = 705.0  # at `slope_from_age` and below
    sex_gap_mm3: float = 70.0  # women minus men
    slope_mm3_per_decade: float = -30.0
    slope_from_age: float = 25.0
    spread_mm3: float = 115.0  # SD between people of one age and sex
    tiv_ml: Mapping[str, float] = field(default_factory=lambda: {"F": 1410.0, "M": 1600.0})
    tiv_spread_ml: float = 120.0
    voxel_scale: float = 1.0
    sites: tuple[Site, ...] = SITES

    def __post_init__(self) -> None:
        sites = [site if isinstance(site, Site) else Site(**site) for site in self.sites]
        object.__setattr__(self, "sites", tuple(sites))
        object.__setattr__(self, "age_range", tuple(float(age) for age in self.age_range))
        object.__setattr__(self, "tiv_ml", {key: float(self.tiv_ml[key]) for key in ("F", "M")})
        wrong = {
            "num_cases must be at least 1": self.num_cases < 1,
            "age_range must rise": self.age_range[0] >= self.age_range[1],
            "share_women must lie in 0 to 1": not 0 <= self.share_women <= 1,
            "voxel_scale must be positive": self.voxel_scale <= 0,
            "needs at least one site": not self.sites,
            "needs site names that differ": len({site.name for site in sites}) < len(sites),
            "gives the smallest glands less than 100 mm³": self._smallest_mm3() < 100,
        }
        if problems := [text for text, holds in wrong.items() if holds]:
            raise ValueError(f"phantom plan: {'; '.join(problems)}; mend the plan (conf/data)")

    @property
    def key(self) -> str:
        """Fingerprint of the cohort: equal keys mean equal voxels."""
        text = json.dumps({"drawing": DRAWING, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def expected_mm3(self, age: ndarray | float, sex: ndarray | str) -> ndarray:
        """Mean gland volume at an age (years) and sex, mm³."""
        years = np.maximum(np.asarray(age, dtype=float) - self.slope_from_age, 0)
        gap = np.where(np.asarray(sex) == "F", 0.0, self.sex_gap_mm3)
        return self.women_mm3 - gap + self.slope_mm3_per_decade / 10 * years

    def _smallest_mm3(self) -> float:
        means = [self.expected_mm3(age, sex) for age in self.age_range for sex in "FM"]
        return float(min(means)) - LIMIT_SD * _WIDEN * self.spread_mm3


class Subject(NamedTuple):
    """One planned person; `planted_mm3` is the gland's true volume."""

    case_id: str
    age: float
    sex: str
    site: str
    tiv_ml: float
    planted_mm3: float


def draw_subjects(plan: Plan) -> list[Subject]:
    """Draw subjects and their sites; ages are spread evenly within each sex, sites within both."""
    rng = np.random.default_rng([plan.seed, 0])
    women = round(plan.num_cases * plan.share_women)
    people = []
    for sex, count in (("F", women), ("M", plan.num_cases - women)):
        low, high = plan.age_range
        ages = low + (high - low) * (np.arange(count) + rng.random(count)) / max(count, 1)
        sites = rng.permuted(np.arange(count) % len(plan.sites))
        residuals = stats.truncnorm.ppf(rng.random(count), -LIMIT_SD, LIMIT_SD)
        tiv_ml = plan.tiv_ml[sex] + plan.tiv_spread_ml * rng.standard_normal(count).clip(-2.5, 2.5)
        volumes = plan.expected_mm3(ages.round(1), sex) + plan.spread_mm3 * _WIDEN * residuals
        names = [plan.sites[site].name for site in sites]
        people += zip(ages.round(1), [sex] * count, names, tiv_ml, volumes, strict=True)
    digits = len(str(plan.num_cases))
    return [
        Subject(
            f"phantom{number + 1:0{digits}d}",
            float(people[place][0]),
            *people[place][1:3],
            *(round(float(value), 1) for value in people[place][3:]),
        )
        for number, place in enumerate(rng.permutation(plan.num_cases))
    ]


def planted(plan: Plan) -> dict[str, float]:
    """Values that a study of the cohort should recover.

    `sex_difference`: mm³, women minus men. `age_slope`: mm³ per year over the plan's ages, of the
    straight line through the expected volumes. `spread`: mm³, SD of the residuals.
    """
    ages = np.linspace(*plan.age_range, 1001)
    slope = np.polyfit(ages, plan.expected_mm3(ages, "F"), 1)[0]
    return {
        "sex_difference": float(plan.sex_gap_mm3),
        "age_slope": round(float(slope), 6),
        "spread": float(plan.spread_mm3),
    }
