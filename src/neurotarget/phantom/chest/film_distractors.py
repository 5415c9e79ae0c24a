"""Distractors of a pneumothorax: skin folds, tubes, wires, rotated films."""

import numpy as np
from scipy import ndimage
from scipy.interpolate import splev, splprep

from neurotarget.phantom.chest.drawn_chest import Chest, Points, lines
from neurotarget.phantom.chest.pleura import Field, Film

MOST_DEGREES = 6.0  # largest rotation of a person who lies or stands obliquely


def turned(chest: Chest, degrees: float) -> Chest:
    """Rotate a film and its lungs about the middle; new pixels at the edge repeat the edge."""
    film = ndimage.rotate(chest.film, degrees, reshape=False, order=1, mode="nearest")
    lungs = ndimage.rotate(chest.lungs.astype(np.uint8), degrees, reshape=False, order=0)
    return Chest(film.clip(0, 1), lungs > 0)


def skin_fold(film: Film, lung: Field, rng: np.random.Generator) -> Film:
    """Add a skin fold: an edge across a lung and beyond it, bright on one side, then fading out.

    Unlike the pleura, the fold is not a line, and vessels cross it.
    """
    rows, columns = np.nonzero(lung)
    place = np.array([np.median(rows), np.median(columns)])
    angle = rng.uniform(-0.5, 0.5)
    grid = np.moveaxis(np.mgrid[: film.shape[0], : film.shape[1]].astype(float), 0, -1) - place
    across = grid @ np.array([np.sin(angle), np.cos(angle)])
    along = grid @ np.array([np.cos(angle), -np.sin(angle)])
    height = len(np.unique(rows))
    across += 0.05 * height * np.sin(along / height * rng.uniform(1.5, 3) + rng.uniform(0, 6))
    fades = np.exp(-((along / (0.42 * height)) ** 4))
    edge = (across > 0) * np.exp(-across.clip(0) / (0.045 * film.shape[1]))
    edge = ndimage.gaussian_filter(edge, 0.0015 * film.shape[0])
    return (film + rng.uniform(0.06, 0.11) * edge * fades).clip(0, 1)


def infiltrate(film: Film, lungs: Field, rng: np.random.Generator) -> Film:
    """Add opacities in the upper part of a lung, as in tuberculosis.

    `lungs` is the mask of both lungs.
    """
    rows, columns = np.nonzero(lungs)
    pick = int(rng.choice(np.flatnonzero(rows < np.percentile(rows, 45))))
    grid = np.mgrid[: film.shape[0], : film.shape[1]].astype(float)
    apart = np.hypot(grid[0] - rows[pick], grid[1] - columns[pick]) / film.shape[0]
    clouds = ndimage.gaussian_filter(rng.standard_normal(film.shape), 0.012 * film.shape[0])
    clouds = (clouds / clouds.std() + 0.6).clip(0, 2)
    cloud = clouds * np.exp(-((apart / rng.uniform(0.06, 0.14)) ** 2))
    return (film + rng.uniform(0.07, 0.14) * cloud * lungs).clip(0, 1)


def chest_tube(film: Film, lung: Field, rng: np.random.Generator) -> Film:
    """Add a drain that enters through the side of a lung and points to its apex."""
    rows, columns = np.nonzero(lung)
    sides = np.array(film.shape[::-1], dtype=float)
    is_left = columns.mean() < film.shape[1] / 2
    outer, inner = np.percentile(columns, [1, 70] if is_left else [99, 30])
    start = np.array([outer + (outer - inner) * 0.35, np.percentile(rows, rng.uniform(72, 92))])
    bend = np.array([0.5 * outer + 0.5 * inner, np.percentile(rows, rng.uniform(50, 65))])
    tip = np.array([0.6 * outer + 0.4 * inner, np.percentile(rows, rng.uniform(8, 22))])
    path = _smooth(np.array([start, bend, tip]) / sides)
    return _tube(film, path, 0.017, 0.07)


def airway_tube(film: Film, rng: np.random.Generator) -> Film:
    """Add a tracheal tube or a gastric tube, with equal probability."""
    end = rng.choice([0.33, 0.86])
    x = 0.5 + rng.normal(0, 0.01) + np.array([0, 0.006, 0.0, 0.03 if end > 0.5 else 0.0])
    path = _smooth(np.stack([x, np.linspace(0, end, 4)], axis=1))
    return _tube(film, path, 0.012 if end < 0.5 else 0.007, 0.07)


def wires(film: Film, rng: np.random.Generator) -> Film:
    """Add one to three cables of an electrocardiogram, each with a round electrode."""
    drawn = film
    for _ in range(rng.integers(1, 4)):
        x = rng.uniform(0.12, 0.88) + np.cumsum(rng.normal(0, 0.09, 4))
        points = np.stack([x, np.linspace(rng.uniform(0.12, 0.6), 1.02, 4)], axis=1)
        stroke = lines([(_smooth(points), 0.0035, 0.22)], film.shape[0])
        x, y = points[0] * film.shape[::-1]
        rows, columns = np.mgrid[: film.shape[0], : film.shape[1]]
        disc = np.hypot(columns - x, rows - y) < 0.011 * film.shape[0]
        drawn = drawn + stroke + 0.25 * ndimage.gaussian_filter(disc.astype(float), 0.7)
    return drawn.clip(0, 1)


def _smooth(points: Points) -> Points:
    curve, _ = splprep([*points.T], s=0, k=min(3, len(points) - 1))
    return np.stack(splev(np.linspace(0, 1, 120), curve), axis=1)


def _tube(film: Film, path: Points, width: float, brightness: float) -> Film:
    """Add a pale band with two bright walls and a marker stripe."""
    step = np.gradient(path, axis=0)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    strokes = [(path, width, 0.5 * brightness), (path + 0.2 * width * normal, 0.003, 0.12)]
    strokes += [(path + sign * 0.5 * width * normal, 0.0025, brightness) for sign in (-1, 1)]
    drawn = lines(strokes, film.shape[0])
    return (film + ndimage.gaussian_filter(drawn, 0.5)).clip(0, 1)
