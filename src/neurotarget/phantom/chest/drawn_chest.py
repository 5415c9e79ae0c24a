"""A frontal chest film made of splines: lungs, ribs, vessels, heart, spine, abdomen, grain."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.interpolate import splev, splprep

from neurotarget.phantom.chest.pleura import Field, Film

Points = Float[ndarray, "N 2"]  # x, y as shares of the sides

FINER = 2  # lines are rendered on a grid this many times finer
RIBS = 10
# the lung at the left of the picture, clockwise from the apex; shares of width and height
RIGHT_LUNG = np.array(
    [
        *((0.335, 0.10), (0.405, 0.15), (0.425, 0.27), (0.42, 0.42), (0.405, 0.55), (0.415, 0.68)),
        *((0.40, 0.735), (0.31, 0.70), (0.20, 0.735), (0.115, 0.82), (0.095, 0.72)),
        *((0.105, 0.52), (0.145, 0.33), (0.215, 0.18)),
    ]
)
LEFT_LUNG = np.array(
    [
        *((0.665, 0.10), (0.785, 0.18), (0.855, 0.33), (0.895, 0.52), (0.905, 0.74), (0.885, 0.84)),
        *((0.80, 0.765), (0.735, 0.745), (0.71, 0.66), (0.645, 0.55), (0.595, 0.44)),
        *((0.575, 0.28), (0.595, 0.15)),
    ]
)


class Chest(NamedTuple):
    """A generated or a real film.

    Attributes:
        film: grey values, 0 (black) to 1 (white).
        lungs: mask of both lung fields.
    """

    film: Film
    lungs: Field


def draw_chest(rng: np.random.Generator, side_px: int = 512) -> Chest:
    """Generate a normal film of a random person.

    Args:
        rng: of the person and the grain.
        side_px: of the square film.

    Returns:
        Grey values (rows, columns) in [0, 1], where 1 is white, and the mask of both lungs.
    """
    shift = rng.normal(0, [0.015, 0.012])
    scale = rng.normal(1.0, [0.04, 0.05])
    lungs = [
        _shape(_moved(points, shift, scale, rng), side_px) for points in (RIGHT_LUNG, LEFT_LUNG)
    ]
    mask = np.logical_or(*lungs)
    inside = ndimage.distance_transform_edt(mask) / side_px
    air = 1 - np.exp(-inside / 0.030)  # thicker away from the wall
    soft = 0.76 - 0.47 * ndimage.gaussian_filter(air, 0.004 * side_px)
    rows, columns = np.mgrid[:side_px, :side_px] / side_px
    soft += 0.10 * np.exp(-(((columns - 0.53) / 0.13) ** 2 + ((rows - 0.60) / 0.20) ** 2))
    soft += 0.06 * np.exp(-(((columns - 0.5) / 0.055) ** 2))
    soft += 0.05 * rows * rng.uniform(0.3, 1.4)  # soft tissue of the breasts and below
    shown = 0.25 + 0.75 * ndimage.gaussian_filter(mask.astype(float), 0.03 * side_px)
    film = soft + _bones(rng, side_px, shift, scale) * shown
    film += _vessels(lungs, rng, side_px) * mask
    body = ndimage.gaussian_filter(_body(rows, columns, rng).astype(float), 0.006 * side_px)
    film = 0.03 + (film - 0.03) * body
    waves = ndimage.gaussian_filter(rng.standard_normal(film.shape), 0.05 * side_px)
    film += 0.015 * waves / waves.std()
    film = ndimage.gaussian_filter(film, 0.0013 * side_px)
    noise = ndimage.gaussian_filter(rng.standard_normal(film.shape), 0.7)
    return Chest((film + 0.012 * noise / noise.std()).clip(0, 1), mask)


def _moved(
    points: Points, shift: Float[ndarray, "2"], scale: Float[ndarray, "2"], rng: np.random.Generator
) -> Points:
    centre = np.array([0.5, 0.45])
    return (points - centre) * scale + centre + shift + rng.normal(0, 0.006, points.shape)


def _shape(points: Points, side_px: int) -> Field:
    """Fill the closed smooth curve through the points."""
    curve, _ = splprep([*np.vstack([points, points[:1]]).T], s=0, per=1)
    xy = np.stack(splev(np.linspace(0, 1, 400), curve), axis=1) * side_px
    picture = Image.new("L", (side_px, side_px))
    ImageDraw.Draw(picture).polygon([tuple(place) for place in xy.tolist()], fill=1)
    return np.asarray(picture) > 0


def _body(rows: Film, columns: Film, rng: np.random.Generator) -> Field:
    """Render trunk, neck and upper arms."""
    width = 0.485 + rng.normal(0, 0.015)
    off_middle = np.abs(columns - 0.5)
    top = 0.04 - 0.6 * (0.17 - off_middle).clip(0) + 0.9 * (off_middle - 0.20).clip(0) ** 1.4
    trunk = (off_middle < width) & (rows > top)
    return trunk | (off_middle < 0.10)


def lines(strokes: list[tuple[Points, float, float]], side_px: int) -> Film:
    """Render a sum of strokes.

    Args:
        strokes: points (x, y) and width as shares of the sides, and brightness.
        side_px: of the square picture.

    Returns:
        Brightness of each pixel (rows, columns), 0 without a stroke.
    """
    total = np.zeros((side_px, side_px), dtype=np.float32)
    for points, width, brightness in strokes:
        pixels = points * side_px
        room = width * side_px + 2
        first = np.floor(pixels.min(axis=0) - room).clip(0, side_px).astype(int)
        stop = np.ceil(pixels.max(axis=0) + room).clip(0, side_px).astype(int)
        size = stop - first
        if size.min() < 1:
            continue
        picture = Image.new("L", tuple((size * FINER).tolist()))
        xy = [tuple(place) for place in ((pixels - first) * FINER).tolist()]
        pen = max(1, round(width * side_px * FINER))
        ImageDraw.Draw(picture).line(xy, fill=255, width=pen, joint="curve")
        small = picture.resize(tuple(size.tolist()), Image.Resampling.BOX)
        box = slice(first[1], stop[1]), slice(first[0], stop[0])
        total[box] += np.asarray(small, dtype=np.float32) * (brightness / 255)
    return total


def _bones(
    rng: np.random.Generator, side_px: int, shift: Float[ndarray, "2"], scale: Float[ndarray, "2"]
) -> Film:
    """Render posterior and anterior ribs, clavicles and spine."""
    strokes = []
    along = np.linspace(0, 1, 40)
    bend = rng.normal(0.17, 0.015)
    for side in (-1, 1):
        for rib in range(RIBS):
            top = 0.055 + 0.072 * rib + rng.normal(0, 0.003)
            reach = 0.21 + 0.20 * np.sin(min(1, (rib + 1.5) / 7) * np.pi / 2)
            x = 0.5 + side * (0.045 + reach * np.sin(along * np.pi / 2))
            y = top - 0.035 * np.sin(along * np.pi) + bend * along**2.2
            points = np.stack([x, y], axis=1)
            strokes += [(points, 0.030, 0.055), (points + np.array([0, 0.013]), 0.005, 0.03)]
            strokes += [(points - np.array([0, 0.013]), 0.005, 0.025)]
            if rib > 1:  # the part in front runs down towards the breast bone
                x = 0.5 + side * (0.045 + reach - 0.24 * along)
                points = np.stack([x, top + bend + 0.10 * along**1.2], axis=1)
                strokes.append((points, 0.028, 0.028))
        x = 0.5 + side * (0.035 + 0.34 * along)
        points = np.stack([x, 0.155 - 0.055 * along + 0.02 * np.sin(along * 2 * np.pi)], axis=1)
        strokes += [(points, 0.034, 0.08), (points + np.array([0, 0.014]), 0.005, 0.03)]
    strokes = [((points - 0.5) * scale + 0.5 + shift, *look) for points, *look in strokes]
    bones = lines(strokes, side_px)
    rows, columns = np.mgrid[:side_px, :side_px] / side_px
    discs = 0.5 + 0.5 * np.sin(rows * 2 * np.pi * 15)
    return bones + 0.05 * np.exp(-(((columns - 0.5 - shift[0]) / 0.035) ** 4)) * (0.5 + 0.5 * discs)


def _vessels(lungs: list[Field], rng: np.random.Generator, side_px: int) -> Film:
    """Render trees of vessels that start at each hilum and get thinner."""
    strokes: list[tuple[Points, float, float]] = []
    for place, lung in enumerate(lungs):
        rows, columns = np.nonzero(lung)
        middle = np.percentile(rows, 47) / side_px
        edge = (np.percentile(columns, 92), np.percentile(columns, 8))[place] / side_px
        for angle in np.linspace(-1.35, 1.35, 10) + rng.normal(0, 0.15, 10):
            outward = np.pi - angle if place == 0 else angle
            start = np.array([edge, middle]) + rng.normal(0, 0.012, 2)
            strokes += _branch(start, outward, 0.0075, rng)
    return ndimage.gaussian_filter(lines(strokes, side_px), 0.0012 * side_px)


def _branch(
    start: Float[ndarray, "2"], angle: float, width: float, rng: np.random.Generator
) -> list[tuple[Points, float, float]]:
    """Return the strokes of a vessel with its branches; each piece is thinner than the last."""
    strokes = []
    while width > 0.0012:
        points = [start]
        for _ in range(3):
            angle += rng.normal(0, 0.17)
            step = np.array([np.cos(angle), np.sin(angle)])
            points.append(points[-1] + 0.010 * step)
        strokes.append((np.array(points), width, 0.02 + 6 * width))
        start = points[-1]
        if rng.random() < 0.45 and width > 0.0022:
            turn = rng.choice([-1, 1]) * rng.uniform(0.35, 0.7)
            strokes += _branch(start, angle + turn, 0.68 * width, rng)
        width *= 0.87
    return strokes
