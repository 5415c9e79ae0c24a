"""One synthetic T1-weighted head and the label of its pituitary gland.

A head is the tissue template after a smooth warp (pose, head size, individual shape). The region of
the sella is rendered again with finer samples. The scanner's shading and noise are added last.
Nothing is resampled twice: each native voxel is looked up in the template.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int16, UInt8
from numpy import ndarray
from scipy import ndimage

from neurotarget.phantom.atlas import head_atlas
from neurotarget.phantom.canvas import ORIGIN_MM
from neurotarget.phantom.gland import sella as phantom_sella
from neurotarget.phantom.gland.scanner import sample_brightness, scanned
from neurotarget.phantom.gland.sella import Sella
from neurotarget.phantom.scanner import Site, sample_warp, stored_grid
from neurotarget.phantom.scene import Scene, blocks, slabs

FINE = 2  # samples per voxel side around the sella
EXACT = 3  # samples per voxel side for the gland's own volume
TEXTURE = 0.08  # SD of the brightness within the tissues around the sella
WANDER_MM = (0.7, 1.0, 0.7)  # SD of the gland's position between people, template mm


@dataclass(frozen=True, slots=True)
class Person:
    """A person to render; `gland_mm3` is the true volume of the gland.

    Attributes:
        age: years.
        sex: F or M.
        tiv_ml: intracranial volume, which scales the whole head.
        gland_mm3: volume of both lobes, without the stalk.
        seed: seed of shape, position and noise; equal seeds give equal voxels on one site.
    """

    age: float
    sex: str
    tiv_ml: float
    gland_mm3: float
    seed: tuple[int, ...]


class Head(NamedTuple):
    """A synthetic scan and its label on one grid, in stored order."""

    image: Int16[ndarray, "I J K"]
    label: UInt8[ndarray, "I J K"]
    affine: Float[ndarray, "4 4"]


def render_head(person: Person, site: Site, *, voxel_scale: float = 1.0) -> Head:
    """Render one scan; the same person, site and scale give the same voxels.

    `voxel_scale` multiplies the site's voxel sides. The label is the whole gland: anterior and
    posterior lobe, without the stalk. It has the voxels with the largest shares of gland; their
    number gives `person.gland_mm3` to the nearest voxel.

    Raises:
        ValueError: the site's field of view misses the gland.
    """
    rng = np.random.default_rng(person.seed)
    atlas = head_atlas()
    shape, affine = stored_grid(site, voxel_scale, rng)
    scale = (person.tiv_ml / atlas.intracranial_ml) ** (1 / 3)
    warp = sample_warp(shape, affine, scale, rng)
    sella = phantom_sella.sample_sella(
        rng, age=person.age, sex=person.sex, volume_mm3=person.gland_mm3, scale=scale
    )
    centre = np.array(phantom_sella.CENTRE_MM) + rng.normal(0, WANDER_MM)
    scene = Scene(warp, shape, affine, centre)
    sella, label = fit_gland(scene, sella, person.gland_mm3)
    brightness = sample_brightness(site, rng)
    template = atlas.intensity(brightness)
    image = _coarse(scene, template)
    _paint_sella(scene, sella, image, template=template, brightness=brightness, rng=rng)
    return Head(scanned(image, site, rng), label, affine)


def fit_gland(
    scene: Scene, sella: Sella, volume_mm3: float
) -> tuple[Sella, UInt8[ndarray, "I J K"]]:
    """Fit the gland's height to its native volume, and render its label.

    Args:
        scene: grid and warp, with the gland in the middle.
        sella: sella of the person; all sizes except the gland's height are kept.
        volume_mm3: wanted volume in the scan.

    Returns:
        The sella with the fitted height; and the mask, whose number of voxels gives the volume to
        the nearest voxel, at least one.
    """
    box = scene.box(0.5 * max(sella.width, sella.length) + 3.0)
    offsets = scene.offsets(box, EXACT)
    axes = phantom_sella.turned(sella, offsets)
    sample_mm3 = scene.voxel_mm3 / EXACT**3
    for _ in range(3):  # the volume is nearly proportional to the height
        sampled_mm3 = phantom_sella.in_gland(sella, axes).sum() * sample_mm3
        sella = sella.with_height(float(sella.height * volume_mm3 / max(sampled_mm3, sample_mm3)))
    share = blocks(phantom_sella.in_gland(sella, axes).astype(np.float32), EXACT)
    far = blocks(sum(axis**2 for axis in offsets), EXACT)
    order = np.lexsort((far.ravel(), -share.ravel()))  # ties: the one nearer to the middle first
    part = np.zeros(share.size, dtype=np.uint8)
    part[order[: max(round(volume_mm3 / scene.voxel_mm3), 1)]] = 1
    label = np.zeros(scene.shape, dtype=np.uint8)
    label[box] = part.reshape(share.shape)
    return sella, label


def _coarse(scene: Scene, template: Float[ndarray, "X Y Z"]) -> Float[ndarray, "I J K"]:
    """Return the template's brightness at every native voxel."""
    image = np.empty(scene.shape, dtype=np.float32)
    for slab, where_mm in slabs(scene.warp, scene.shape):
        image[slab] = _look_up(template, where_mm)
    return image


def _look_up(template: ndarray, where_mm: Float[ndarray, "3 ..."]) -> Float[ndarray, "..."]:
    """Interpolate linearly in the template; its edge, such as the neck, continues outwards."""
    index = where_mm - ORIGIN_MM.astype(np.float32).reshape(3, *[1] * (where_mm.ndim - 1))
    return ndimage.map_coordinates(template, index, order=1, mode="nearest", prefilter=False)


def _paint_sella(
    scene: Scene,
    sella: Sella,
    image: Float[ndarray, "I J K"],
    *,
    template: Float[ndarray, "X Y Z"],
    brightness: Float[ndarray, " T"],
    rng: np.random.Generator,
) -> None:
    """Render the box around the gland again with finer samples and texture, in place."""
    box = scene.box(phantom_sella.REACH_MM * 1.1)
    offsets = scene.offsets(box, FINE)
    axes = phantom_sella.turned(sella, offsets)
    weight = phantom_sella.near(axes)
    here = weight > 0
    where = offsets[:, here] + scene.centre.astype(np.float32)[:, None]
    fine = _look_up(template, where)
    brain = _look_up(head_atlas().brain_map(), where)
    points = tuple(axis[here] for axis in axes)
    phantom_sella.paint_sella(fine, points, brain, sella=sella, brightness=brightness)
    painted = np.zeros(weight.shape, dtype=np.float32)
    painted[here] = fine
    painted, weight = blocks(painted * weight, FINE), blocks(weight, FINE)
    grain = ndimage.gaussian_filter(rng.standard_normal(weight.shape, dtype=np.float32), 0.9)
    painted *= 1 + TEXTURE * grain / grain.std()
    image[box] += painted - weight * image[box]
