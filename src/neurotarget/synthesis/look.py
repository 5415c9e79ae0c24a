"""Appearance of synthetic scans: grey values of tissues, and parts of the head that are shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.problems import did_you_mean
from neurotarget.synthesis.tissues import (
    BRAIN,
    FLUID,
    FREE,
    HEAD,
    SEQUENCES,
    grey_values,
    known_tissues,
)

USUAL = {
    FREE: 0.4,
    "mprage": 0.3,
    "spoiled": 0.1,
    "t1_spin_echo": 0.02,
    "t2": 0.08,
    "density": 0.05,
    "flair": 0.05,
}


@dataclass(frozen=True)
class Look:
    """Ranges of the grey values of synthetic scans.

    `contrasts` are weights of the sequences in `tissues.SEQUENCES` and of `free`. `spread` is the
    SD of a tissue's grey values, and `mottle` that of their smooth changes, as shares of the
    brightest tissue of the brain; tissues of the head have `head_mottle`. `stripped` is the
    probability that only the brain is left, `defaced` that the face is cut off.

    Raises:
        ValueError: an unknown sequence, or weights that are all 0.
    """

    contrasts: Mapping[str, float] = field(default_factory=lambda: dict(USUAL))
    spread: tuple[float, float] = (0.01, 0.07)
    mottle: tuple[float, float] = (0.0, 0.06)
    head_mottle: tuple[float, float] = (0.05, 0.35)
    stripped: float = 0.35
    defaced: float = 0.1
    dark_outside: float = 0.7  # probability that air is exactly dark, as in stored magnitudes

    def __post_init__(self) -> None:
        known = [FREE, *SEQUENCES]
        for name, weight in self.contrasts.items():
            if name not in known:
                hint = did_you_mean(name, known)
                raise ValueError(f"contrasts: got {name}; {hint}known are {', '.join(known)}")
            if not weight >= 0:
                raise ValueError(f"contrasts: got {weight} for {name}, wanted 0 or more")
        if not sum(self.contrasts.values()) > 0:
            raise ValueError("contrasts: found no weight above 0, wanted at least one")


class Greys(NamedTuple):
    """Grey values of the tissues of one scan, by the tissue's number, and what is cut off.

    All are shares of the brightest tissue of the brain; `spread` is the SD of the grain, `mottle`
    that of smooth changes.
    """

    mean: Float[ndarray, " T"]
    spread: Float[ndarray, " T"]
    mottle: Float[ndarray, " T"]
    strip_level: float  # below this share of brain nearby, tissue is cut off; 0: nothing is
    face_plane: Float[ndarray, "4"] | None  # normal and offset in patch sides; beyond it all is cut


def draw_greys(look: Look, rng: np.random.Generator) -> Greys:
    """Draw the grey values of a scan: one contrast for all tissues, or a value of its own for each.

    Values are shares of the brightest tissue of the brain. `face_plane` is None if the face stays.
    """
    known = known_tissues()
    names = [*look.contrasts]
    weights = np.array([look.contrasts[name] for name in names], dtype=float)
    sequence = names[rng.choice(len(names), p=weights / weights.sum())]
    mean = grey_values(sequence, rng)
    places = np.array(known.places)
    count = len(places)
    spread = rng.uniform(*look.spread) * rng.uniform(0.5, 1.5, count)
    mottle = rng.uniform(*look.mottle) * rng.uniform(0.3, 1.7, count)
    mottle = np.where(places == HEAD, rng.uniform(*look.head_mottle, count), mottle)
    outside = ~np.isin(places, (BRAIN, FLUID, HEAD))
    is_dark = rng.random() < look.dark_outside
    air = 0.0 if is_dark else rng.uniform(0, 0.1) if sequence != FREE else rng.uniform(0, 0.6)
    mean = np.where(outside, air, mean)
    spread = np.where(outside, 0.0 if is_dark else rng.uniform(0, 0.03), spread)
    mottle = np.where(outside, 0.0, mottle)
    is_stripped = rng.random() < look.stripped
    level = float(np.exp(rng.uniform(np.log(0.03), np.log(0.6)))) if is_stripped else 0.0
    plane = None
    if rng.random() < look.defaced:
        normal = np.array([0.0, 1.0, -rng.uniform(0.3, 1.2)])
        plane = np.array([*(normal / np.linalg.norm(normal)), rng.uniform(0.25, 0.5)])
    return Greys(mean, spread, mottle, level, plane)
