"""The plan of the built-in chest films: pneumothoraces, their sizes, and other findings.

Sizes and frequency are those of SIIM-ACR 2019 (12,047 films): 22.2 % have a pneumothorax, whose
area in % of the film has the quantiles of `PERCENT`. As in hospitals, drains are frequent in films
with air and rare in other films, so a network may learn the drain instead of the air; the column
`tube` shows which films have a drain (Rueckel et al. 2020, doi:10.1038/s41598-020-59706-x).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import numpy as np

from neurotarget.files.hashes import hash_of_value

VERSION = 2  # raise it when a change gives other pixels for the same plan
SHARES = (0.0, 0.05, 0.25, 0.50, 0.75, 0.95, 1.0)
PERCENT = (0.04, 0.13, 0.40, 0.84, 1.78, 4.6, 9.0)  # we chose both ends
NORMAL, TUBERCULOSIS = "normal", "tuberculosis"
ABSENT, FINDING = "absent", "pneumothorax"  # "none" would be read as a missing value


class RealFilm(NamedTuple):
    """A real film to which findings are added.

    Attributes:
        name: name of the case; "" for a generated film.
        site: hospital.
        group: normal or tuberculosis.
        size: size of the file in bytes, so that another file gives another cohort.
    """

    name: str
    site: str
    group: str
    size: int


class FilmPerson(NamedTuple):
    """One planned film of one person.

    Attributes:
        case_id: name of the film.
        site: hospital.
        group: normal or tuberculosis.
        finding: pneumothorax or absent.
        percent: area of the air in % of the film; 0 without air.
        tube: drain or absent.
        skin_fold: fold or absent.
        askew: askew if the person is turned, else absent.
        canvas: name of the real film; "" for a generated film.
    """

    case_id: str
    site: str
    group: str
    finding: str
    percent: float
    tube: str
    skin_fold: str
    askew: str
    canvas: str


@dataclass(frozen=True)
class ChestPlan:
    """All settings of the films.

    With `canvases`, each of these real films is used once, and `num_cases` has no effect.

    Raises:
        ValueError: settings are impossible; the message lists all of them.

    Attributes:
        share_positive: share of films with a pneumothorax among all films.
        share_tubes, share_tubes_without: shares of films with a drain, with and without air.
        side_px: columns and rows of generated films.
        gamma: exponent of the grey values of generated films, by hospital; above 1 is darker.
        canvases: real films.
    """

    num_cases: int = 300
    seed: int = 1
    share_positive: float = 0.222
    share_tuberculosis: float = 0.3  # of generated films
    share_tubes: float = 0.35
    share_tubes_without: float = 0.06
    share_skin_folds: float = 0.10
    share_askew: float = 0.15
    side_px: int = 512
    gamma: Mapping[str, float] = field(default_factory=lambda: {"north": 1.0, "south": 0.75})
    canvases: tuple[RealFilm, ...] = ()

    def __post_init__(self) -> None:
        shares = {key: value for key, value in asdict(self).items() if key.startswith("share_")}
        faults = {
            "num_cases must be at least 1": self.num_cases < 1,
            "shares must lie in 0 to 1": not all(0 <= share <= 1 for share in shares.values()),
            "side_px must be at least 64": self.side_px < 64,
            "gamma needs positive numbers": not self.gamma or min(self.gamma.values()) <= 0,
        }
        if problems := [text for text, holds in faults.items() if holds]:
            raise ValueError(f"chest plan: {'; '.join(problems)}; correct the plan (conf/data)")

    @property
    def key(self) -> str:
        """Return the fingerprint of the cohort: equal keys mean equal pixels."""
        return hash_of_value({"drawing": VERSION, **asdict(self)}, 16)

    def planted(self) -> dict[str, float]:
        """Return no effects: none is planted; sizes are in the table."""
        return {}

    def subjects(self) -> list[FilmPerson]:
        """Sample the people, in the manifest's order; only normal films get air.

        The number of films with air is exact, unless there are too few normal films; sizes follow
        the quantiles of `PERCENT`.
        """
        rng = np.random.default_rng([self.seed, 0])
        films = self.canvases or self._drawn(rng)
        normal = rng.permutation([n for n, film in enumerate(films) if film.group == NORMAL])
        count = min(round(self.share_positive * len(films)), len(normal))
        shares = rng.permutation((np.arange(count) + rng.random(count)) / max(count, 1))
        percents = np.exp(np.interp(shares, SHARES, np.log(PERCENT)))
        sizes = dict(zip(normal[:count].tolist(), percents.round(3).tolist(), strict=True))
        people = []
        for number, film in enumerate(films):
            percent = sizes.get(number, 0.0)
            tubes = self.share_tubes if percent else self.share_tubes_without
            has = rng.random(3) < [tubes, self.share_skin_folds, self.share_askew]
            people.append(
                FilmPerson(
                    f"film{number + 1:0{len(str(len(films)))}d}",
                    film.site,
                    film.group,
                    FINDING if percent else ABSENT,
                    percent,
                    *(_word(has[0], "drain"), _word(has[1], "fold"), _word(has[2], "askew")),
                    film.name,
                )
            )
        return people

    def _drawn(self, rng: np.random.Generator) -> list[RealFilm]:
        sites = list(self.gamma)
        is_ill = rng.random(self.num_cases) < self.share_tuberculosis
        return [
            RealFilm("", sites[n % len(sites)], TUBERCULOSIS if ill else NORMAL, 0)
            for n, ill in enumerate(is_ill)
        ]


def _word(holds: bool, word: str) -> str:
    return word if holds else ABSENT
