"""The built-in cohort of chest films: generated pneumothoraces on real or generated normal films.

The cohort is semi-synthetic. In trials of the software it replaces films on which radiologists
delineated pneumothoraces; it says nothing about how well a network detects real ones.
"""

import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy import ndarray
from scipy import ndimage

from neurotarget.data.cases.marked_films import MarkedFilms
from neurotarget.data.cases.paired_folders import masks_folder, scan_paired
from neurotarget.data.scans.volume import read_volume
from neurotarget.files.writing import expand_home
from neurotarget.phantom.chest.drawn_chest import Chest, draw_chest
from neurotarget.phantom.chest.film_distractors import (
    MOST_DEGREES,
    airway_tube,
    chest_tube,
    infiltrate,
    skin_fold,
    turned,
    wires,
)
from neurotarget.phantom.chest.film_plan import (
    ABSENT,
    NORMAL,
    TUBERCULOSIS,
    ChestPlan,
    FilmPerson,
    RealFilm,
)
from neurotarget.phantom.chest.pleura import Air, Film, air_of, draw_air, lungs_of
from neurotarget.phantom.cohort import GeneratedCohort, Scans, nifti
from neurotarget.types import Case

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # a film is seen from the front
WHITE = 255
COMMON = {"airway": 0.08, "wires": 0.10}  # shares of all films
EXTENTS = (  # by area in % of the film; chosen by us
    (0.4, (0.2, 0.5)),
    (1.8, (0.35, 0.9)),
    (4.0, (0.7, 1.3)),
    (math.inf, (1.3, 1.8)),
)
NAME = r"(CHNCXR|MCUCXR)_\d+_[01]"  # of Shenzhen and Montgomery
HOSPITALS = {"CHNCXR": "Shenzhen", "MCUCXR": "Montgomery"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FilmCohort(GeneratedCohort):
    """Chest films with masks of generated pneumothoraces, one film per person.

    If `data.root` is the folder of the films of Shenzhen and Montgomery with lung masks, air is
    added to their normal films, and their films with tuberculosis are negative. Any other
    `data.root` has the user's own films with real findings: see `MarkedFilms`.
    """

    columns: ClassVar = {"film": "images", "label": "labels"}
    covariates = ("site", "group", "finding", "percent", "tube", "skin_fold", "askew")
    bar_text = "generating chest films (semi-synthetic)"
    warm = staticmethod(lambda: None)

    plan: ChestPlan = field(default_factory=ChestPlan)
    real: Mapping[str, Case] = field(default_factory=dict)  # films of data.root, with lung masks

    def obtain(self, root: str | None) -> Path:
        """Return the manifest of the films, generated if missing; or of the user's own films.

        Raises:
            DataError: the user's films or marks cannot be used.
        """
        real = real_films(Path(root)) if root else {}
        if root and not real:
            return MarkedFilms(str(expand_home(self.folder) / "marked")).obtain(root)
        where = f"real films of {root}" if real else "generated films"
        log.warning("these films are semi-synthetic: pneumothoraces are added to %s", where)
        made = self.on(real)
        return made.generate(expand_home(self.folder) / made.plan.key)

    def on(self, real: Mapping[str, Case]) -> "FilmCohort":
        """Return the cohort on these films, by name; without films, on generated ones."""
        canvases = tuple(map(_canvas_of, real.values()))
        return replace(self, plan=replace(self.plan, canvases=canvases), real=real)

    def planted(self, root: str | None) -> Mapping[str, float]:  # noqa: ARG002
        """No effects."""
        return {}

    def render(self, number: int) -> Scans:
        """Generate film and mask of one person, each of one slice, by folder name."""
        plan = self.plan
        person = plan.subjects()[number]
        rng = np.random.default_rng([plan.seed, 1, number])
        chest = self._canvas(person, rng)
        if person.askew != ABSENT:
            chest = turned(chest, rng.uniform(-MOST_DEGREES, MOST_DEGREES))
        film, mask = film_of(chest, person, rng)
        grey = np.rint(film * WHITE).astype(np.uint8)
        stored = {"images": grey, "labels": mask.astype(np.uint8)}
        return {place: nifti(array.T[..., None], TO_RAS) for place, array in stored.items()}

    def _canvas(self, person: FilmPerson, rng: np.random.Generator) -> Chest:
        """Return the film, normal or with tuberculosis, to which the findings are added."""
        if not person.canvas:
            chest = draw_chest(rng, self.plan.side_px)
            if person.group == TUBERCULOSIS:
                chest = chest._replace(film=infiltrate(chest.film, chest.lungs, rng))
            return chest._replace(film=chest.film ** self.plan.gamma[person.site])
        case = self.real[person.canvas]
        film = read_volume(case.images["image"]).array[..., 0].T.astype(float)
        lungs = read_volume(case.label).array[..., 0].T > 0
        return Chest(film / max(WHITE, float(film.max())), lungs)


def film_of(chest: Chest, person: FilmPerson, rng: np.random.Generator) -> tuple[Film, ndarray]:
    """Generate the film of a person, and the mask (rows, columns) of the air.

    Args:
        chest: a film without air, and its lung fields.
        person: findings to add.
        rng: random numbers of the findings' places and contrasts.

    Returns:
        The film in [0, 1], and an empty mask for a person without a pneumothorax.
    """
    lungs = lungs_of(chest.lungs)
    place = int(rng.integers(len(lungs)))
    lung, film = lungs[place], chest.film
    mask = np.zeros(film.shape, dtype=bool)
    if person.percent:
        is_left = np.nonzero(lung)[1].mean() < film.shape[1] / 2
        air = _look(person.percent, float(film[lung].mean()), rng)
        area_px = person.percent / 100 * film.size
        lung = ndimage.binary_fill_holes(lung)
        mask, apart = air_of(lung, is_left=is_left, area_px=area_px, air=air, rng=rng)
        film = draw_air(film, lung, apart, air, rng)
    if person.tube != ABSENT:
        film = chest_tube(film, lung, rng)
    if person.skin_fold != ABSENT:
        film = skin_fold(film, lungs[int(rng.integers(len(lungs)))], rng)
    if rng.random() < COMMON["airway"]:
        film = airway_tube(film, rng)
    if rng.random() < COMMON["wires"]:
        film = wires(film, rng)
    return film, mask


def _look(percent: float, grey: float, rng: np.random.Generator) -> Air:
    """Sample extent and contrast of a pneumothorax.

    `percent` is its area in % of the film, `grey` the mean grey value of the lung.

    Small pneumothoraces lie at the apex, large ones reach down to the diaphragm, and the largest
    beyond it: otherwise these would fill the whole upper lung and erase the hilum. Contrasts are
    shares of the lung's brightness, so they are weaker in a dark lung.
    """
    low, high = next(extent for most, extent in EXTENTS if percent < most)
    contrast = 0.25 + 0.75 * min(1.0, grey / 0.4)
    return Air(
        extent=float(rng.uniform(low, high)),
        lucency=float(rng.uniform(0.02, 0.07)) * contrast,
        collapse=float(rng.uniform(0.01, 0.04)) + 0.01 * min(percent, 4.0),
        line=float(rng.uniform(0.05, 0.13)),
    )


def real_films(folder: Path) -> dict[str, Case]:
    """Find the films of Shenzhen and Montgomery in a folder with lung masks, by name.

    Empty if the folder is another data set.
    """
    cases = scan_paired(folder, None).cases if masks_folder(folder) else []
    is_known = all(re.fullmatch(NAME, case.case_id) and case.label for case in cases)
    return {case.case_id: case for case in cases} if is_known else {}


def _canvas_of(case: Case) -> RealFilm:
    site, _, group = case.case_id.split("_")
    size = case.images["image"].stat().st_size
    return RealFilm(case.case_id, HOSPITALS[site], TUBERCULOSIS if group == "1" else NORMAL, size)
