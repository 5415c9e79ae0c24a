"""The simulated susceptibility scanners: gradient echoes with magnitude and phase, and the map
that each site reconstructs from them.

Source: signal of a spoiled gradient echo, its phase 2π·γ·B0·field·TE, as in Marques et al. 2021,
doi:10.1002/mrm.28716; R2' of 137 Hz/ppm at 3 T, Shin et al. 2021,
doi:10.1016/j.neuroimage.2021.118371; noise in both parts of the complex signal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy import ndimage

from neurotarget.phantom.atlas import head_atlas
from neurotarget.phantom.dentate.anatomy import Maps, QSMPerson, render_maps
from neurotarget.phantom.dentate.field import field_ppm, own_brain
from neurotarget.phantom.dentate.nuclei import sample_dentates
from neurotarget.phantom.scanner import Site, sample_shading, sample_warp, stored_grid
from neurotarget.physics.dipole import GAMMA_HZ_PER_T
from neurotarget.physics.qsm import QSM, Reconstruction
from neurotarget.pieces import largest_piece
from neurotarget.types import Triple

MIDDLE_MM = np.array([0.0, -11.0, 12.0])  # of the scan, from the point where heads are placed
R2PRIME_HZ_PER_PPM = 137.0  # at 3 T
FIELD_POWER = 0.6  # exponent of the main field in tissue's own R2*
OFFSET_RAD = 0.2  # SD of the receiver's phase over the head
DIM = 0.25  # brain voxels darker than this share of white matter are not in the mask


@dataclass(frozen=True, slots=True)
class GRESite(Site):
    """A scanner for gradient echoes and the reconstruction that makes its maps.

    `noise` is the SD of each part of the complex signal against white matter at echo time 0,
    `white` its stored brightness.

    Attributes:
        field_t: main field, tesla.
        te_s: echo times, rising.
        chain: reconstruction of susceptibility maps.
    """

    field_t: float = 3.0
    te_s: tuple[float, ...] = (0.020,)
    chain: QSM = field(default_factory=lambda: QSM(handedness=1))

    def __post_init__(self) -> None:
        Site.__post_init__(self)
        object.__setattr__(self, "te_s", tuple(float(te) for te in self.te_s))
        if isinstance(self.chain, Mapping):
            object.__setattr__(self, "chain", QSM(**self.chain))
        if not self.te_s or min(self.te_s) <= 0 or list(self.te_s) != sorted(set(self.te_s)):
            raise ValueError(f"site {self.name}: te_s is {self.te_s}, wanted rising times in s")
        if self.field_t <= 0:
            raise ValueError(f"site {self.name}: field_t is {self.field_t}, wanted a positive one")


class GRESimulation(NamedTuple):
    """Simulated echoes of one head in stored order, and the true maps.

    `chi_ppm` is the susceptibility of brain and veins relative to soft tissue, and 0 elsewhere: air
    and bone are left out. `label` is the true dentate, 1 left and 2 right; `mask` is the brain with
    signal.
    """

    magnitude: Float[ndarray, "E I J K"]
    phase_rad: Float[ndarray, "E I J K"]  # −π to π; a paramagnetic sphere's inside is positive
    te_s: tuple[float, ...]
    field_t: float
    spacing_mm: Triple
    b0: Triple  # along the stored axes
    affine: Float[ndarray, "4 4"]
    chi_ppm: Float[ndarray, "I J K"]
    mask: Bool[ndarray, "I J K"]
    label: UInt8[ndarray, "I J K"]


def scan_gre(person: QSMPerson, site: GRESite, *, voxel_scale: float = 1.0) -> GRESimulation:
    """Scan one head; the same person, site and scale give the same voxels.

    `voxel_scale` multiplies the site's voxel sides.

    Raises:
        ValueError: the site's field of view misses a dentate.
    """
    rng = np.random.default_rng(person.seed)
    shape, affine = stored_grid(site, voxel_scale, rng)
    affine[:3, 3] += MIDDLE_MM
    spacing_mm = tuple(float(side) for side in np.linalg.norm(affine[:3, :3], axis=0))
    b0 = tuple(float(part) for part in affine[2, :3] / spacing_mm)
    scale = (person.tiv_ml / head_atlas().intracranial_ml) ** (1 / 3)
    dentates = sample_dentates(rng)
    warp = sample_warp(shape, affine, scale, rng)
    maps = render_maps(person, warp, shape, affine, dentates=dentates, rng=rng)
    total = field_ppm(maps, warp, spacing_mm, b0)
    magnitude, phase = _echoes(maps, total, site, rng)
    mask = _mask(maps, magnitude[0], site, spacing_mm)
    return GRESimulation(
        magnitude,
        phase,
        site.te_s,
        site.field_t,
        spacing_mm,
        b0,
        affine,
        maps.chi_ppm,
        mask,
        maps.label,
    )


def reconstructed(scan: GRESimulation, site: GRESite) -> Reconstruction:
    """Reconstruct a susceptibility map by the site's method, within the scan's brain mask.

    Returns the map in ppm in stored order, with the intermediate results of the reconstruction.
    """
    return site.chain.reconstruct(
        scan.magnitude,
        scan.phase_rad,
        scan.te_s,
        field_t=scan.field_t,
        spacing_mm=scan.spacing_mm,
        b0=scan.b0,
        mask=scan.mask,
    )


def _echoes(
    maps: Maps, total_ppm: Float[ndarray, "I J K"], site: GRESite, rng: np.random.Generator
) -> tuple[Float[ndarray, "E I J K"], Float[ndarray, "E I J K"]]:
    """Simulate magnitude and wrapped phase of every echo."""
    shape = total_ppm.shape
    hz = total_ppm * np.float32(GAMMA_HZ_PER_T * site.field_t * 1e-6)
    r2star = maps.r2star_hz * np.float32((site.field_t / 3) ** FIELD_POWER)
    r2star += np.abs(maps.chi_ppm) * np.float32(R2PRIME_HZ_PER_PPM * site.field_t / 3)
    bright = maps.brightness * np.exp(sample_shading(shape, site.shading, rng)) * site.white
    offset = sample_shading(shape, OFFSET_RAD, rng) + np.float32(rng.uniform(-np.pi, np.pi))
    spread = np.float32(site.noise * site.white)
    slopes = [np.gradient(hz, axis=axis) for axis in range(3)]  # Hz across a voxel
    magnitude, phase = np.empty((2, len(site.te_s), *shape), dtype=np.float32)
    for echo, te in enumerate(site.te_s):
        signal = bright * np.exp(-np.float32(te) * r2star)
        for slope in slopes:  # dephasing within a voxel
            signal *= np.sinc(slope * np.float32(te))
        angle = offset + np.float32(2 * np.pi * te) * hz
        real = signal * np.cos(angle) + spread * rng.standard_normal(shape, dtype=np.float32)
        imaginary = signal * np.sin(angle) + spread * rng.standard_normal(shape, dtype=np.float32)
        np.hypot(real, imaginary, out=magnitude[echo])
        np.arctan2(imaginary, real, out=phase[echo])
    return magnitude, phase


def _mask(
    maps: Maps, first_echo: Float[ndarray, "I J K"], site: GRESite, spacing_mm: Triple
) -> Bool[ndarray, "I J K"]:
    """Mask the brain with signal, in one piece and without holes, like a careful manual mask.

    It contains no bone or air, so all background sources lie outside of it.
    """
    lit = ndimage.uniform_filter(first_echo, 3) > DIM * site.white + 2 * site.noise * site.white
    return ndimage.binary_fill_holes(largest_piece(own_brain(maps, spacing_mm) & lit))
