"""Tissues of the labels that a generator knows, and their signal in common MRI sequences.

`assets/tissues.tsv` has the tissue of each number of `anatomy`. `assets/relaxation.tsv` has
relaxation times at 3 T and proton densities, rounded from Stanisz 2005, doi:10.1002/mrm.20605, and
Bojorquez 2017, doi:10.1016/j.mri.2016.08.021; they are only the middle of the ranges from which
images are drawn.
"""

import csv
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from neurotarget.anatomy.structures import structures

OUTSIDE = "outside"  # air around the head
FLUID, BRAIN, HEAD = "fluid", "brain", "head"  # where a tissue is
FREE = "free"  # a contrast of its own for each tissue

Signal = Callable[["Relaxation", np.random.Generator], Float[ndarray, " T"]]


class Relaxation(NamedTuple):
    """Relaxation times in ms and proton density (water is 1) of each of T tissues."""

    t1_ms: Float[ndarray, " T"]
    t2_ms: Float[ndarray, " T"]
    density: Float[ndarray, " T"]


class Tissues(NamedTuple):
    """The known ids, in the order of their codes, and the tissues; code 0 is the outside.

    A structure of both sides, such as the corpus callosum, has two codes: `right_codes` are those
    of the voxels that are nearer to the right one of the structures that it is part of, by the code
    of the others.
    """

    ids: tuple[int, ...]
    tissue_of_code: ndarray  # (codes,) number of the tissue
    names: tuple[str, ...]  # of the tissues; 0 is the outside
    places: tuple[str, ...]  # of the tissues
    relaxation: Relaxation  # of the tissues from 1 on
    right_codes: Mapping[int, int]


@cache
def known_tissues() -> Tissues:
    """The packaged tables; they are read once and must not be changed."""
    rows = _table("relaxation")
    names = (OUTSIDE, *(row["tissue"] for row in rows))
    numbers = {name: number for number, name in enumerate(names)}
    times = (np.array([float(row[key]) for row in rows]) for key in Relaxation._fields)
    tissue_of = {int(row["id"]): numbers[row["tissue"]] for row in _table("tissues")}
    both_sides = [one for one in tissue_of if one and len(structures()[one].within) == 2]
    ids = (*tissue_of, *both_sides)
    return Tissues(
        ids,
        np.array([tissue_of[one] for one in ids]),
        names,
        (OUTSIDE, *(row["place"] for row in rows)),
        Relaxation(*times),
        {ids.index(one): len(tissue_of) + number for number, one in enumerate(both_sides)},
    )


def _table(name: str) -> list[dict[str, str]]:
    text = (files("neurotarget.synthesis") / "assets" / f"{name}.tsv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def _mprage(tissue: Relaxation, rng: np.random.Generator) -> Float[ndarray, " T"]:
    inversion_ms, repetition_ms = rng.uniform(850, 1250), rng.uniform(1900, 2600)
    inverted = 1 - 2 * np.exp(-inversion_ms / tissue.t1_ms)
    echo = np.exp(-rng.uniform(2, 5) / tissue.t2_ms)
    return np.abs(inverted + np.exp(-repetition_ms / tissue.t1_ms)) * tissue.density * echo


def _spoiled(tissue: Relaxation, rng: np.random.Generator) -> Float[ndarray, " T"]:
    angle, repetition_ms = np.deg2rad(rng.uniform(15, 35)), rng.uniform(8, 35)
    decay = np.exp(-repetition_ms / tissue.t1_ms)
    steady = np.sin(angle) * (1 - decay) / (1 - np.cos(angle) * decay)
    return steady * tissue.density * np.exp(-rng.uniform(2, 8) / tissue.t2_ms)


def _spin_echo(
    tissue: Relaxation,
    rng: np.random.Generator,
    *,
    repetition_ms: tuple[float, float],
    echo_ms: tuple[float, float],
) -> Float[ndarray, " T"]:
    recovered = 1 - np.exp(-rng.uniform(*repetition_ms) / tissue.t1_ms)
    return recovered * tissue.density * np.exp(-rng.uniform(*echo_ms) / tissue.t2_ms)


def _t1_spin_echo(tissue: Relaxation, rng: np.random.Generator) -> Float[ndarray, " T"]:
    return _spin_echo(tissue, rng, repetition_ms=(400, 750), echo_ms=(8, 18))


def _t2(tissue: Relaxation, rng: np.random.Generator) -> Float[ndarray, " T"]:
    return _spin_echo(tissue, rng, repetition_ms=(3000, 8000), echo_ms=(75, 125))


def _density(tissue: Relaxation, rng: np.random.Generator) -> Float[ndarray, " T"]:
    return _spin_echo(tissue, rng, repetition_ms=(2000, 5000), echo_ms=(12, 35))


def _flair(tissue: Relaxation, rng: np.random.Generator) -> Float[ndarray, " T"]:
    repetition_ms, inversion_ms = rng.uniform(6000, 11000), rng.uniform(1900, 2800)
    inverted = 1 - 2 * np.exp(-inversion_ms / tissue.t1_ms)
    recovered = np.abs(inverted + np.exp(-repetition_ms / tissue.t1_ms))
    return recovered * tissue.density * np.exp(-rng.uniform(80, 140) / tissue.t2_ms)


SEQUENCES: Mapping[str, Signal] = {
    "mprage": _mprage,
    "spoiled": _spoiled,
    "t1_spin_echo": _t1_spin_echo,
    "t2": _t2,
    "density": _density,
    "flair": _flair,
}


def grey_values(sequence: str, rng: np.random.Generator) -> Float[ndarray, " T"]:
    """Mean grey value of each tissue, 0 for the outside and 1 for the brightest of the brain.

    `sequence` is one of `SEQUENCES`, whose settings and tissues vary around usual ones, or `free`:
    any value for any tissue.
    """
    known = known_tissues()
    count = len(known.names) - 1
    if sequence == FREE:
        return np.concatenate([[0.0], rng.uniform(0.02, 1.0, count)])
    varied = Relaxation(
        *(part * rng.normal(1, 0.08, count).clip(0.7, 1.3) for part in known.relaxation)
    )
    signal = SEQUENCES[sequence](varied, rng)
    brain = [place == BRAIN for place in known.places[1:]]
    signal = signal / signal[brain].max()
    # flow and fat make tissues of the head darker or brighter than a formula of three numbers
    head = np.array([place == HEAD for place in known.places[1:]])
    signal = np.where(head, signal * np.exp(rng.normal(0, 0.35, count)), signal)
    return np.concatenate([[0.0], signal.clip(0.0, 2.0)])
