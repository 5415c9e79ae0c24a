"""The plan of the built-in cohort of susceptibility maps: its subjects, and the planted effects.

The planted numbers and their sources:

- 800 mm³ per dentate in healthy adults: masks of single people have 600 to 1,000 mm³ (group atlases
  are larger, as they contain the dentates of all people). An SD of 170 mm³ of the total between
  people of one group, and a correlation of 0.8 between the two sides, are assumed.
- −480 mm³ (−30 %) in Friedreich's ataxia: 18 people, SUIT atlas study of 2019.
- −130 mm³ (−8 %) in multiple sclerosis: assumed, less than in Friedreich's ataxia.
- 0.152 ppm at 40 years: qsm-forward 0.32 (Ridani et al. 2026, doi:10.64898/2026.04.07.716972).
- +0.0008 ppm per year: the direction is that of Li et al. 2021 (623 people); the size is assumed.
- +0.025 ppm in Friedreich's ataxia: the direction is that of Ward et al. 2019 (20 and 18 people);
  the size is assumed.

Head size is as in `neurotarget.phantom.gland.plan` and does not act on the dentates.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy import stats

from neurotarget.phantom.dentate.scanner import GRESite
from neurotarget.phantom.plan import LIMIT_SD, WIDEN, CohortPlan
from neurotarget.phantom.simulated_raters import RATER_1, RATER_2, Rater
from neurotarget.physics.qsm import QSM

GROUPS = ("control", "friedreich", "ms")
TRIES = 30
FROM_AGE = 40.0  # years, where `chi_ppm` holds
EXTENT_MM = (172.0, 220.0, 184.0)
SITES = (
    GRESite(
        "north",
        (1.0, 1.0, 1.0),
        EXTENT_MM,
        te_s=(0.008, 0.016, 0.024),
        noise=0.03,
        chain=QSM(background="vsharp", inversion="l2", handedness=1),
    ),
    GRESite(
        "south",
        (1.2, 0.9375, 0.9375),
        EXTENT_MM,
        axes="PSR",
        oblique_deg=8.0,
        te_s=(0.020,),
        white=250.0,
        shading=0.18,
        noise=0.04,
        chain=QSM(background="sharp", inversion="tkd", handedness=1),
    ),
    GRESite(
        "east",
        (0.9, 0.9, 2.0),
        EXTENT_MM,
        axes="LAS",
        field_t=1.5,
        te_s=(0.040,),
        white=600.0,
        noise=0.04,
        chain=QSM(background="vsharp", inversion="tkd", handedness=1),
    ),
    GRESite(
        "west",
        (0.85, 0.85, 0.85),
        EXTENT_MM,
        axes="LPS",
        oblique_deg=5.0,
        field_t=7.0,
        te_s=(0.006, 0.012),
        white=900.0,
        shading=0.30,
        noise=0.03,
        chain=QSM(
            background="vsharp",
            inversion="l2",
            handedness=1,
            inversion_options={"weight_mm2": 0.003},
        ),
    ),
    GRESite(
        "island",
        (1.1, 1.1, 1.1),
        EXTENT_MM,
        axes="ASR",
        oblique_deg=12.0,
        te_s=(0.010, 0.025),
        white=350.0,
        shading=0.14,
        noise=0.05,
        chain=QSM(background="pdf", inversion="tkd", handedness=1),
    ),
)


class QSMSubject(NamedTuple):
    """One planned person; volumes and mean susceptibilities are the truth, left and right.

    Attributes:
        age: years.
        sex: F or M.
        group: control, friedreich or ms.
        site: name of the scanner.
        tiv_ml: intracranial volume.
        dentate_mm3: left, right.
        dentate_ppm: left, right; against soft tissue.
    """

    case_id: str
    age: float
    sex: str
    group: str
    site: str
    tiv_ml: float
    dentate_mm3: tuple[float, float]
    dentate_ppm: tuple[float, float]


@dataclass(frozen=True)
class QSMPlan(CohortPlan):
    """All settings of a cohort; `voxel_scale` multiplies voxel sides.

    Volumes are of both dentates, mm³: `control_mm3`, and the differences of the two other groups
    from it.
    `shares` are the shares of the groups.
    """

    kind = "QSM"
    site_class = GRESite

    age_range: tuple[float, float] = (16.0, 64.0)
    shares: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(GROUPS, 1.0))
    control_mm3: float = 1600.0
    friedreich_mm3: float = -480.0
    ms_mm3: float = -130.0
    spread_mm3: float = 170.0  # SD between people of one group
    side_correlation: float = 0.8  # of the left and the right volume within a group
    chi_ppm: float = 0.152  # of controls at 40 years
    friedreich_ppm: float = 0.025
    ppm_per_year: float = 0.0008
    spread_ppm: float = 0.012  # SD between people
    side_ppm: float = 0.004  # SD of each side about its person's mean
    sites: tuple[GRESite, ...] = SITES
    rater_1: Rater = RATER_1
    rater_2: Rater = RATER_2

    def __post_init__(self) -> None:
        self._set(shares={key: float(self.shares.get(key, 0)) for key in GROUPS})
        for name in ("rater_1", "rater_2"):
            if isinstance(rater := getattr(self, name), Mapping):
                self._set(**{name: Rater(**rater)})
        super().__post_init__()

    def _faults(self) -> dict[str, bool]:
        return super()._faults() | {
            "shares must be 0 or more, and not all 0": min(self.shares.values()) < 0
            or not any(self.shares.values()),
            "side_correlation must lie above -1 and up to 1": not -1 < self.side_correlation <= 1,
            "gives the smallest dentates less than 50 mm³": self._smallest_mm3() < 50,
            "gives a susceptibility below 0": self._lowest_ppm() < 0,
        }

    def expected_mm3(self, group: str) -> float:
        """Return the mean volume of both dentates in a group (control, friedreich or ms), mm³."""
        more = {"control": 0.0, "friedreich": self.friedreich_mm3, "ms": self.ms_mm3}
        return self.control_mm3 + more[group]

    def expected_ppm(self, group: str, age: float) -> float:
        """Return the mean susceptibility in a group at an age (years), ppm."""
        more = self.friedreich_ppm if group == "friedreich" else 0.0
        return self.chi_ppm + more + self.ppm_per_year * (age - FROM_AGE)

    @property
    def sides_mm3(self) -> float:
        """Return the SD of the difference between right and left volume, mm³."""
        shared = max(1 + self.side_correlation, 1e-6)
        return self.spread_mm3 * float(np.sqrt(max(1 - self.side_correlation, 0) / shared))

    def _smallest_mm3(self) -> float:
        least = min(self.expected_mm3(group) for group in GROUPS)
        return (least - LIMIT_SD * WIDEN * (self.spread_mm3 + self.sides_mm3)) / 2

    def _lowest_ppm(self) -> float:
        means = [self.expected_ppm(group, age) for group in GROUPS for age in self.age_range]
        return min(means) - LIMIT_SD * WIDEN * (self.spread_ppm + self.side_ppm)

    def subjects(self) -> list[QSMSubject]:
        """Sample people and their sites.

        In each group and sex, ages are even, sites alternate, and the other differences between
        people have the planned spread and little correlation with age, so that small cohorts show
        the planted effects too.
        """
        rng = np.random.default_rng([self.seed, 0])
        people = []
        for group, members in _proportional(self.num_cases, self.shares).items():
            sexes = {"F": self.share_women, "M": 1 - self.share_women}
            for sex, count in _proportional(members, sexes).items():
                ages = self.even_ages(count, rng)
                sites = rng.permutation((len(people) + np.arange(count)) % len(self.sites))
                heads_ml = self.head_sizes_ml(sex, count, rng)
                uniform = (_apart_from_age(count, rng) + rng.random((count, 5))) / max(count, 1)
                residuals = WIDEN * stats.truncnorm.ppf(uniform, -LIMIT_SD, LIMIT_SD)
                people += [
                    self._subject(group, sex, *one)
                    for one in zip(ages, sites.tolist(), heads_ml, residuals, strict=True)
                ]
        return self.shuffled(people, "qsm", rng)

    def _subject(
        self, group: str, sex: str, age: float, site: int, tiv_ml: float,
        residuals: Float[ndarray, "5"],
    ) -> QSMSubject:  # fmt: skip
        """Make a person from the residuals of total, difference, mean, left and right."""
        years = round(float(age), 1)
        total, difference, mean, left, right = residuals.tolist()
        volume_mm3 = self.expected_mm3(group) + self.spread_mm3 * total
        difference *= self.sides_mm3
        chi_ppm = self.expected_ppm(group, years) + self.spread_ppm * mean
        return QSMSubject(
            case_id="",
            age=years,
            sex=sex,
            group=group,
            site=self.sites[site].name,
            tiv_ml=round(float(tiv_ml), 1),
            dentate_mm3=(
                round((volume_mm3 - difference) / 2, 1),
                round((volume_mm3 + difference) / 2, 1),
            ),
            dentate_ppm=tuple(round(chi_ppm + self.side_ppm * side, 5) for side in (left, right)),
        )

    def planted(self) -> dict[str, float]:
        """Return the values that a study of the truth should recover, by hypothesis.

        `friedreich_volume`, `multiple_sclerosis_volume`: mm³ of both dentates, group minus control.
        `friedreich_susceptibility`: ppm, Friedreich's ataxia minus control.
        `susceptibility_age_slope`: ppm per year.
        """
        return {
            "friedreich_volume": float(self.friedreich_mm3),
            "multiple_sclerosis_volume": float(self.ms_mm3),
            "friedreich_susceptibility": float(self.friedreich_ppm),
            "susceptibility_age_slope": float(self.ppm_per_year),
        }


def _apart_from_age(count: int, rng: np.random.Generator) -> Integer[ndarray, "N 5"]:
    """Sample ranks of people several times, and keep those least correlated with age."""
    age = np.arange(count) - (count - 1) / 2
    tries = [rng.permuted(np.tile(np.arange(count), (5, 1)), axis=1) for _ in range(TRIES)]
    return min(tries, key=lambda ranks: float(np.abs(ranks @ age).max())).T


def _proportional(count: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Return integers proportional to `shares` that add up to `count`, by largest remainders."""
    total = sum(shares.values())
    exact = {name: count * share / total for name, share in shares.items()}
    whole = {name: int(value) for name, value in exact.items()}
    left = sorted(shares, key=lambda name: whole[name] - exact[name])
    for name in left[: count - sum(whole.values())]:
        whole[name] += 1
    return whole
