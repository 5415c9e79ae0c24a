"""The head of the built-in cohort with its magnetic properties, in MNI152 space.

Nuclei rich in iron, veins, and air in the mastoid are added to the tissues of
`neurotarget.phantom.atlas`; each material has a susceptibility, a brightness and an R2*.

Sources: susceptibilities against soft tissue of qsm-forward 0.32 (Ridani et al. 2026,
doi:10.64898/2026.04.07.716972, after Marques et al. 2021, doi:10.1002/mrm.28716), where air has
9.2 and bone −2.1 ppm; compact bone at −11.3 against water at −9.05 ppm, Hopkins and Wehrli 1997,
doi:10.1002/mrm.1910370402. Brightness and decay (at 3 T, without the contribution of
susceptibility) are round values of spoiled gradient echoes.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from neurotarget.phantom.atlas import Atlas, head_atlas
from neurotarget.phantom.canvas import SHAPE, Tissue, grain, mirror, rod_mm, window
from neurotarget.phantom.dentate.nuclei import CENTRE_MM, SOFT_MM, SOLIDS, VEINS
from neurotarget.types import Triple

AIR_PPM, BONE_PPM = 9.2, -2.1  # against soft tissue
CHI_PPM = {"csf": 0.019, "grey": 0.020, "white": -0.030, "vein": 0.19}
IRON_PPM = {
    "caudate": 0.044,
    "putamen": 0.038,
    "pallidum": 0.131,
    "thalamus": 0.020,
    "red": 0.100,
    "nigra": 0.111,
}
SPREAD = 0.12  # relative SD of a structure's susceptibility between people
TEXTURE_PPM = {"grey": 0.010, "white": 0.008}  # SD within a tissue
PINEAL_MM, PINEAL_PPM = (0.0, -29.0, 2.0), -1.0  # calcified in many adults

# brightness against white matter, and R2* in 1/s
SIGNAL: dict[Tissue, tuple[float, float]] = {
    Tissue.AIR: (0.0, 10.0),
    Tissue.BONE: (0.12, 300.0),
    Tissue.CSF: (0.95, 4.0),
    Tissue.GREY: (1.10, 13.0),
    Tissue.WHITE: (1.0, 17.0),
    Tissue.FAT: (1.10, 25.0),
    Tissue.MARROW: (0.55, 60.0),
    Tissue.MUSCLE: (0.70, 30.0),
    Tissue.SKIN: (0.75, 30.0),
    Tissue.MUCOSA: (0.75, 25.0),
    Tissue.VEIN: (1.0, 14.0),
    Tissue.ARTERY: (1.0, 10.0),
    Tissue.VITREOUS: (0.95, 4.0),
    Tissue.NERVE: (0.95, 18.0),
}


class Part(NamedTuple):
    """A structure: its candidate voxels, and the share that it fills of each voxel."""

    name: str
    where: tuple[slice, ...]
    share: Float[ndarray, "i j k"]


class Template(NamedTuple):
    """Data that all heads share, on the grid of `neurotarget.phantom.canvas`."""

    atlas: Atlas  # with white matter around the dentate, and air in the mastoid
    parts: tuple[Part, ...]  # painted in this order
    pineal: Part
    grains: tuple[Float[ndarray, "i j k"], ...]  # noise of unit spread, fine and coarse, in the box
    bulk_ppm: Float[ndarray, "I J K"]  # air and bone, relative to air


@cache
def qsm_template() -> Template:
    """Build the head; takes a few seconds, once per process."""
    atlas = _white_about_dentates(head_atlas())
    atlas = atlas._replace(tissue=_with_mastoids(atlas))
    parts = [_ellipsoid(name, *solid) for name, many in SOLIDS.items() for solid in many]
    both = [part for right in parts for part in (right, _mirrored(right))]
    veins = [part for radius, points in VEINS for part in _vein(radius, points)]
    pineal = _ellipsoid("pineal", PINEAL_MM, (2.6, 3.2, 2.4), 0.0)
    grains = tuple(grain(seed, (mm, mm, mm))[atlas.box] for seed, mm in ((11, 0.9), (12, 4.0)))
    return Template(atlas, (*both, *veins), pineal, grains, _bulk(atlas))


def paint(rng: np.random.Generator) -> Float[ndarray, "C I J K"]:
    """Paint a head: susceptibility (ppm), brightness, R2* (1/s at 3 T), share of brain, bulk.

    The dentate is left out, as it is rendered at a finer resolution. Susceptibility is of brain and
    veins relative to soft tissue; bulk is the susceptibility of air, bone and soft tissue relative
    to air, in ppm. Tissues vary between people; the five channels are on the 1 mm grid of
    `ORIGIN_MM`.
    """
    template = qsm_template()
    atlas = template.atlas
    codes = np.array([SIGNAL.get(tissue, (0.0, 10.0)) for tissue in Tissue], dtype=np.float32)
    channels = np.zeros((5, *SHAPE), dtype=np.float32)
    channels[4] = template.bulk_ppm
    channels[1], channels[2] = codes[atlas.tissue, 0], codes[atlas.tissue, 1]
    box = (slice(4), *atlas.box)
    channels[box] += atlas.brain * (_brain(template, codes, rng) - channels[box])
    varied = {
        name: value * float(np.exp(rng.normal(0, SPREAD)))
        for name, value in (IRON_PPM | {"vein": CHI_PPM["vein"]}).items()
    }
    iron, blood = codes[[Tissue.GREY, Tissue.VEIN]].tolist()
    for part in template.parts:
        signal = blood if part.name == "vein" else iron
        _mix(channels, part, (varied[part.name], *signal))
    if rng.random() < 0.6:
        _mix(channels, template.pineal, (PINEAL_PPM * rng.uniform(0.3, 1.2), 0.6, 40.0))
    return channels


def _brain(
    template: Template, codes: ndarray, rng: np.random.Generator
) -> Float[ndarray, "C i j k"]:
    """Paint brain tissue with its texture, without other structures in the box."""
    atlas = template.atlas
    shares = {"grey": atlas.grey, "white": atlas.white}
    shares["csf"] = np.maximum(1 - atlas.grey - atlas.white, 0)
    tissues = {"grey": Tissue.GREY, "white": Tissue.WHITE, "csf": Tissue.CSF}
    made = np.zeros((4, *atlas.grey.shape), dtype=np.float32)
    for name, share in shares.items():
        varied = CHI_PPM[name] + rng.normal(0, 0.15) * abs(CHI_PPM[name])
        made[0] += np.float32(varied) * share
        made[1] += codes[tissues[name], 0] * share
        made[2] += codes[tissues[name], 1] * share
    for name, spread in TEXTURE_PPM.items():
        for noise in template.grains:  # shifted, so that every person has a different texture
            step = rng.integers(0, noise.shape)
            made[0] += (
                np.float32(spread / np.sqrt(2)) * shares[name] * np.roll(noise, step, (0, 1, 2))
            )
    made[3] = 1
    return made


def _mix(channels: Float[ndarray, "C I J K"], part: Part, values: Triple) -> None:
    for channel, value in zip(channels, values, strict=False):  # the share of brain stays
        there = channel[part.where]
        there += part.share * (np.float32(value) - there)


def _white_about_dentates(atlas: Atlas) -> Atlas:
    """Replace the average brain's grey matter at the dentates by white matter."""
    grey, white = np.zeros((2, *SHAPE), dtype=np.float32)
    grey[atlas.box], white[atlas.box] = atlas.grey, atlas.white
    for centre in (CENTRE_MM, mirror(CENTRE_MM)):
        bed = _ellipsoid("white", centre, (9.5, 12.5, 11.0), 0.0)
        moved = grey[bed.where] * bed.share
        grey[bed.where] -= moved
        white[bed.where] += moved
    return atlas._replace(grey=grey[atlas.box], white=white[atlas.box])


def _with_mastoids(atlas: Atlas) -> ndarray:
    """Add air cells behind the ears, which disturb the field in the cerebellum."""
    tissue = atlas.tissue.copy()
    whole = np.zeros(SHAPE, dtype=bool)
    whole[atlas.box] = atlas.brain > 0.05
    cells = grain(13, (1.5, 1.5, 1.5)) > 0.5
    for centre in ((58.0, -32.0, -50.0), (-58.0, -32.0, -50.0)):
        part = _ellipsoid("mastoid", centre, (7.0, 11.0, 11.0), 0.0)
        solid = (part.share > 0.5) & ~whole[part.where]
        view = tissue[part.where]
        view[solid] = np.where(cells[part.where][solid], Tissue.AIR, Tissue.BONE)
    return tissue


def _bulk(atlas: Atlas) -> Float[ndarray, "I J K"]:
    codes = np.full(len(Tissue), -AIR_PPM, dtype=np.float32)
    codes[Tissue.AIR] = 0
    codes[Tissue.BONE] += BONE_PPM
    whole = codes[atlas.tissue]
    whole[atlas.box] += atlas.brain * (-AIR_PPM - whole[atlas.box])
    return whole


def _ellipsoid(name: str, centre: Triple, radii: Triple, turn_deg: float) -> Part:
    """Make an ellipsoid with a soft edge, its front turned towards the midline."""
    far = max(radii) + SOFT_MM
    where, axes = window(np.subtract(centre, far), np.add(centre, far))
    turn = Rotation.from_euler("z", turn_deg, degrees=True).as_matrix()
    offsets = np.stack(np.broadcast_arrays(*[a - c for a, c in zip(axes, centre, strict=True)]))
    own = np.tensordot(turn.T, offsets, axes=1) / np.reshape(radii, (3, 1, 1, 1))
    level = np.sqrt(np.square(own).sum(axis=0))
    slope = np.sqrt(np.square(own / np.reshape(radii, (3, 1, 1, 1))).sum(axis=0)) + 1e-6
    depth = (1 - level) * np.maximum(level, 0.3) / slope
    share = np.clip(0.5 + depth / SOFT_MM, 0, 1).astype(np.float32)
    return Part(name, where, share)


def _mirrored(part: Part) -> Part:
    """Mirror a structure to the left; the grid is symmetric about the midline."""
    first, *rest = part.where
    flipped = slice(SHAPE[0] - first.stop, SHAPE[0] - first.start)
    return Part(part.name, (flipped, *rest), part.share[::-1])


def _vein(radius: float, points: list[Triple]) -> list[Part]:
    corners = np.array(points, dtype=float)
    far = radius + SOFT_MM
    where, axes = window(corners.min(axis=0) - far, corners.max(axis=0) + far)
    gaps = [rod_mm(axes, points[n], points[n + 1]) for n in range(len(points) - 1)]
    share = np.clip(0.5 + (radius - np.min(gaps, axis=0)) / SOFT_MM, 0, 1).astype(np.float32)
    right = Part("vein", where, share)
    is_central = not corners[:, 0].any()
    return [right] if is_central else [right, _mirrored(right)]
