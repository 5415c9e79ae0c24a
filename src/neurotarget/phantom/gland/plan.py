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

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy import stats

from neurotarget.phantom.plan import LIMIT_SD, WIDEN, CohortPlan
from neurotarget.phantom.scanner import Site

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


class Subject(NamedTuple):
    """One planned person; `planted_mm3` is the gland's true volume."""

    case_id: str
    age: float
    sex: str
    site: str
    tiv_ml: float
    planted_mm3: float


@dataclass(frozen=True)
class Plan(CohortPlan):
    """All settings of a cohort; `voxel_scale` multiplies voxel sides.

    Attributes:
        women_mm3: mean gland volume of women up to `slope_from_age`.
        sex_gap_mm3: women minus men.
        slope_mm3_per_decade: change of the mean per decade after `slope_from_age` (years).
        spread_mm3: SD between people of one age and sex.
    """

    kind = "phantom"

    num_cases: int = 96
    age_range: tuple[float, float] = (25.0, 80.0)
    women_mm3: float = 705.0
    sex_gap_mm3: float = 70.0
    slope_mm3_per_decade: float = -30.0
    slope_from_age: float = 25.0
    spread_mm3: float = 115.0
    sites: tuple[Site, ...] = SITES

    def _faults(self) -> dict[str, bool]:
        return super()._faults() | {
            "gives the smallest glands less than 100 mm³": self._smallest_mm3() < 100
        }

    def expected_mm3(self, age: ndarray | float, sex: ndarray | str) -> ndarray:
        """Return mean gland volume (mm³) at an age (years) and sex (F or M); arrays broadcast."""
        years = np.maximum(np.asarray(age, dtype=float) - self.slope_from_age, 0)
        gap = np.where(np.asarray(sex) == "F", 0.0, self.sex_gap_mm3)
        return self.women_mm3 - gap + self.slope_mm3_per_decade / 10 * years

    def _smallest_mm3(self) -> float:
        means = [self.expected_mm3(age, sex) for age in self.age_range for sex in "FM"]
        return float(min(means)) - LIMIT_SD * WIDEN * self.spread_mm3

    def subjects(self) -> list[Subject]:
        """Sample people; ages are spread evenly within each sex, sites within both."""
        rng = np.random.default_rng([self.seed, 0])
        women = round(self.num_cases * self.share_women)
        people = []
        for sex, count in (("F", women), ("M", self.num_cases - women)):
            ages = self.even_ages(count, rng).round(1)
            sites = rng.permuted(np.arange(count) % len(self.sites))
            residuals = WIDEN * stats.truncnorm.ppf(rng.random(count), -LIMIT_SD, LIMIT_SD)
            heads_ml = self.head_sizes_ml(sex, count, rng)
            volumes = self.expected_mm3(ages, sex) + self.spread_mm3 * residuals
            people += [
                Subject("", float(age), sex, self.sites[site].name, _tenths(tiv_ml), _tenths(mm3))
                for age, site, tiv_ml, mm3 in zip(ages, sites, heads_ml, volumes, strict=True)
            ]
        return self.shuffled(people, "phantom", rng)

    def planted(self) -> dict[str, float]:
        """Return the values that a study of the cohort should recover.

        `sex_difference`: mm³, women minus men. `age_slope`: mm³ per year over the plan's ages, of
        the straight line through the expected volumes. `spread`: mm³, SD of the residuals.
        """
        ages = np.linspace(*self.age_range, 1001)
        slope = np.polyfit(ages, self.expected_mm3(ages, "F"), 1)[0]
        return {
            "sex_difference": float(self.sex_gap_mm3),
            "age_slope": round(float(slope), 6),
            "spread": float(self.spread_mm3),
        }


def _tenths(value: float) -> float:
    return round(float(value), 1)
