"""The plan of the built-in knees: which person has which tear and which other findings.

Frequencies are those of MRNet's 1,370 exams, Bien et al. 2018, doi:10.1371/journal.pmed.1002699:
80.6 % are abnormal, 23.3 % have a torn anterior cruciate ligament and 37.1 % a torn meniscus. We
chose all other shares, among them that half of the knees with a torn ligament also have a torn
meniscus.
"""

from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from neurotarget.data.scans.planes import PLANES
from neurotarget.files.hashes import hash_of_value

VERSION = 1  # raise it when a change gives other voxels for the same plan
YES, NO = "present", "absent"
ABSENT = "absent"  # "none" would be read as a missing value
OTHERS = ("cartilage", "oedema", "effusion")  # other findings that make a knee abnormal
SITES = ("north", "south")


class KneePerson(NamedTuple):
    """One planned exam of one person.

    Attributes:
        site: north or south.
        side: of the body: left or right.
        abnormal, acl, meniscus, effusion, bruise: present or absent.
        torn_side: medial or lateral meniscus, or absent.
        other: finding of a knee without a tear: cartilage, oedema, effusion or absent.
        lacking: series that the exam lacks, or absent.
    """

    case_id: str
    site: str
    side: str
    abnormal: str
    acl: str
    meniscus: str
    torn_side: str
    other: str
    effusion: str
    bruise: str
    lacking: str


@dataclass(frozen=True)
class KneePlan:
    """All settings of the knees.

    Raises:
        ValueError: settings are impossible; the message lists all of them.
    """

    num_cases: int = 240
    seed: int = 1
    share_abnormal: float = 0.806
    share_acl: float = 0.233
    share_meniscus: float = 0.371
    share_both: float = 0.5  # of knees with a torn ligament that also have a torn meniscus
    share_medial: float = 0.65  # of torn menisci
    share_bruise: float = 0.7  # of knees with a torn ligament
    share_effusion: float = 0.15  # in normal knees; with a torn ligament 0.75, other findings 0.35
    share_lacking: float = 0.04  # exams without one of their series
    side_vox: int = 80  # pixels of a side of each slice
    num_slices: int = 14

    def __post_init__(self) -> None:
        shares = {key: value for key, value in asdict(self).items() if key.startswith("share_")}
        either = self.share_acl + self.share_meniscus - self.share_acl * self.share_both
        faults = {
            "num_cases must be at least 1": self.num_cases < 1,
            "shares must lie in 0 to 1": not all(0 <= share <= 1 for share in shares.values()),
            "share_abnormal must cover all tears": either > self.share_abnormal + 1e-9,
            "share_meniscus must cover share_both of share_acl": self.share_acl * self.share_both
            > self.share_meniscus + 1e-9,
            "side_vox must be at least 32": self.side_vox < 32,
            "num_slices must be at least 4": self.num_slices < 4,
        }
        if problems := [text for text, holds in faults.items() if holds]:
            raise ValueError(f"knee plan: {'; '.join(problems)}; correct the plan (conf/data)")

    @property
    def key(self) -> str:
        """Return the fingerprint of the cohort: equal keys mean equal voxels."""
        return hash_of_value({"drawing": VERSION, **asdict(self)}, 16)

    def planted(self) -> dict[str, float]:
        """Return no effects: none is planted; findings are in the table."""
        return {}

    def subjects(self) -> list[KneePerson]:
        """Sample the people, in the manifest's order; the numbers of findings are exact."""
        rng, n = np.random.default_rng([self.seed, 0]), self.num_cases
        acl, both = round(self.share_acl * n), round(self.share_acl * self.share_both * n)
        meniscus = round(self.share_meniscus * n)
        abnormal = max(round(self.share_abnormal * n), acl + meniscus - both)
        people = []
        for number, place in enumerate(rng.permutation(n)):
            has_acl = place < acl
            has_meniscus = place < both or acl <= place < acl + meniscus - both
            is_other = not (has_acl or has_meniscus) and place < abnormal
            people.append(self._person(number, rng, has_acl, has_meniscus, is_other))
        return people

    def _person(
        self,
        number: int,
        rng: np.random.Generator,
        has_acl: bool,
        has_meniscus: bool,
        is_other: bool,
    ) -> KneePerson:
        draw = rng.random(6)
        other = OTHERS[int(rng.integers(len(OTHERS)))] if is_other else ABSENT
        wet = 0.75 if has_acl else 0.35 if has_meniscus or is_other else self.share_effusion
        wet = 1.0 if other == "effusion" else wet
        is_medial, plane = draw[0] < self.share_medial, PLANES[int(rng.integers(len(PLANES)))]
        return KneePerson(
            f"knee{number + 1:0{len(str(self.num_cases))}d}",
            SITES[number % len(SITES)],
            "left" if draw[1] < 0.5 else "right",
            _presence(has_acl or has_meniscus or is_other),
            _presence(has_acl),
            _presence(has_meniscus),
            ABSENT if not has_meniscus else "medial" if is_medial else "lateral",
            other,
            _presence(draw[2] < wet),
            _presence(has_acl and draw[3] < self.share_bruise),
            plane if draw[4] < self.share_lacking else ABSENT,
        )


def _presence(holds: bool) -> str:
    return YES if holds else NO
