"""The plan of a built-in cohort: base class of the plans of all kinds of cohort."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import stats

from neurotarget.files.hashes import hash_of_value
from neurotarget.phantom.scanner import Site

VERSION = 2  # raise it when a change gives other voxels for the same plan
LIMIT_SD = 2.5  # residuals are truncated here, so that no structure vanishes
WIDEN = float(1 / stats.truncnorm(-LIMIT_SD, LIMIT_SD).std())  # restores the SD after truncation


@dataclass(frozen=True)
class CohortPlan(ABC):
    """All settings of a cohort; `voxel_scale` multiplies voxel sides.

    Raises:
        ValueError: settings are impossible; the message lists all of them.

    Attributes:
        num_cases: number of people; each is one case.
        seed: seed of all random numbers of the cohort.
        age_range: youngest and oldest, years.
        share_women: 0 to 1.
        tiv_ml: mean intracranial volume of women (F) and men (M).
        tiv_spread_ml: SD of these volumes between people of one sex.
        voxel_scale: factor of the voxel sides of all sites; above 1 gives smaller files.
        sites: scanners, over which people are spread evenly; as `Site` or as a mapping of values.
    """

    kind: ClassVar[str]  # for messages
    drawing: ClassVar[int] = VERSION  # version of the voxels; a kind may override it
    site_class: ClassVar[type[Site]] = Site

    num_cases: int = 60
    seed: int = 1
    age_range: tuple[float, float] = (20.0, 80.0)
    share_women: float = 0.5
    tiv_ml: Mapping[str, float] = field(default_factory=lambda: {"F": 1410.0, "M": 1600.0})
    tiv_spread_ml: float = 120.0
    voxel_scale: float = 1.0
    sites: tuple[Site, ...] = ()

    def __post_init__(self) -> None:
        kind = self.site_class
        sites = [site if isinstance(site, kind) else kind(**site) for site in self.sites]
        self._set(
            sites=tuple(sites),
            age_range=tuple(float(age) for age in self.age_range),
            tiv_ml={key: float(self.tiv_ml[key]) for key in ("F", "M")},
        )
        if problems := [text for text, holds in self._faults().items() if holds]:
            raise ValueError(
                f"{self.kind} plan: {'; '.join(problems)}; correct the plan (conf/data)"
            )

    def _set(self, **values: object) -> None:
        """Replace fields of the frozen record while it is made."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _faults(self) -> dict[str, bool]:
        """Return each fault of the settings, and whether the plan has it."""
        names = {site.name for site in self.sites}
        return {
            "num_cases must be at least 1": self.num_cases < 1,
            "age_range must rise": self.age_range[0] >= self.age_range[1],
            "share_women must lie in 0 to 1": not 0 <= self.share_women <= 1,
            "voxel_scale must be positive": self.voxel_scale <= 0,
            "needs at least one site": not self.sites,
            "needs site names that differ": len(names) < len(self.sites),
        }

    @property
    def key(self) -> str:
        """Return the fingerprint of the cohort: equal keys mean equal voxels."""
        return hash_of_value({"drawing": self.drawing, **asdict(self)}, 16)

    @abstractmethod
    def subjects(self) -> list[NamedTuple]:
        """Sample the people of the cohort and their sites, in the manifest's order.

        Each call gives the same people, since the seed is that of the plan.
        """

    @abstractmethod
    def planted(self) -> dict[str, float]:
        """Return the values that a study of the cohort should recover, by hypothesis.

        Values are in the unit of the hypothesis' quantity.
        """

    def site_of(self, subject: NamedTuple) -> Site:
        """Return the scanner of a person."""
        return next(site for site in self.sites if site.name == subject.site)

    def even_ages(self, count: int, rng: np.random.Generator) -> Float[ndarray, " N"]:
        """Return ages (years) spread evenly over the range, in rising order."""
        low, high = self.age_range
        return low + (high - low) * (np.arange(count) + rng.random(count)) / max(count, 1)

    def head_sizes_ml(self, sex: str, count: int, rng: np.random.Generator) -> Float[ndarray, " N"]:
        """Sample intracranial volumes (mL) of one sex (F or M), within `LIMIT_SD` of the mean."""
        residuals = rng.standard_normal(count).clip(-LIMIT_SD, LIMIT_SD)
        return self.tiv_ml[sex] + self.tiv_spread_ml * residuals

    def shuffled(
        self, people: Sequence[NamedTuple], prefix: str, rng: np.random.Generator
    ) -> list[NamedTuple]:
        """Return people in random order, named by `prefix` and their number.

        Args:
            people: `num_cases` records.
            prefix: start of the case_id; a number from 1 with leading zeros follows.
            rng: random numbers of the order.
        """
        digits = len(str(self.num_cases))
        return [
            people[place]._replace(case_id=f"{prefix}{number:0{digits}d}")
            for number, place in enumerate(rng.permutation(self.num_cases), start=1)
        ]
