"""The built-in cohort of gliomas: generated heads with three-part tumours and planted survival.

The cohort replaces scans of patients in trials of the software. A network that finds these tumours,
or a model that predicts these survival times, says nothing about patients.
"""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import nibabel as nib
import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from neurotarget.phantom.brain.hulls import brain_hulls
from neurotarget.phantom.brain.label_maps import Anatomy, draw_head
from neurotarget.phantom.cohort import GeneratedCohort, Scans, nifti
from neurotarget.phantom.tumour.glioma_growth import CORTEX, DEEP, WHITE, Planned, grow_glioma
from neurotarget.phantom.tumour.glioma_plan import LOW, GliomaPlan, Patient
from neurotarget.phantom.tumour.glioma_signal import SCANS, Head, scans_of
from neurotarget.phantom.tumour.mass_effect import displacement_vox, pushed
from neurotarget.types import TripleVox

LABELS = "labels"  # folder of the masks
FINER = 2  # heads are generated on a grid this many times finer, and averaged
MIDLINE_MM = 4.0  # half of the width of the strip in which tumours grow slowly
BONE_FROM = 500  # ids outside the brain start here

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GliomaCohort(GeneratedCohort):
    """People with a glioma: FLAIR, T1, T1 after contrast agent, T2, and masks with BraTS's labels.

    With `data.root` the user's own data are used instead.
    """

    columns: ClassVar = {name: name for name in SCANS} | {"label": LABELS}
    covariates = (
        "age",
        "sex",
        "site",
        "tiv_ml",
        "grade",
        "resection",
        "survival_days",
        "event",
    )
    bar_text = "generating brain tumours (simulated)"
    warm = staticmethod(brain_hulls)

    plan: GliomaPlan = field(default_factory=GliomaPlan)

    def obtain(self, root: str | None) -> Path:
        """Return the cohort's manifest, generated if missing; or the path of the user's data."""
        if not root:
            log.warning("these brains, tumours and survivals are simulated")
        return super().obtain(root)

    def render(self, number: int) -> Scans:
        """Generate four scans and the mask of one person, by folder name."""
        plan, person = self.plan, self.plan.subjects()[number]
        site = plan.site_of(person)
        rng = np.random.default_rng([plan.seed, 2, number])
        anatomy = Anatomy(person.age, person.tiv_ml, (plan.seed, 1, number))
        fine = replace(site, spacing_mm=tuple(side / FINER for side in site.spacing_mm))
        ids, fine_affine = draw_head(anatomy, fine, voxel_scale=plan.voxel_scale)
        affine = coarser(fine_affine, FINER)
        head = with_glioma(ids, affine, person, rng)
        spacing = np.linalg.norm(affine[:3, :3], axis=0).tolist()
        scans = scans_of(head, site, spacing, rng, plan.core_shifts(person))
        made = {name: nifti(array, affine) for name, array in scans.items()}
        return made | {LABELS: nifti(head.tumour.labels, affine)}


def coarser(affine: Float[ndarray, "4 4"], times: int) -> Float[ndarray, "4 4"]:
    """Return the affine of a grid whose voxels are blocks of `times` voxels along each axis."""
    scaled = affine.copy()
    scaled[:3, :3] *= times
    scaled[:3, 3] += affine[:3, :3] @ np.full(3, (times - 1) / 2)
    return scaled


def with_glioma(
    ids: Integer[ndarray, "I J K"],
    affine: Float[ndarray, "4 4"],
    person: Patient,
    rng: np.random.Generator,
) -> Head:
    """Grow a tumour in a generated head, and displace the head's tissue.

    Args:
        ids: ids of the head, on a grid `FINER` times finer than that of the tumour.
        affine: affine of the tumour's grid, mm.
        person: volumes and place of the tumour.
        rng: random numbers of the tumour's shape.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    places = _coarse(ids)
    centre = centre_of(places, affine, person)
    inside = (places > 0) & (places < BONE_FROM)
    moves = displacement_vox(inside, spacing, centre, person.push * person.core_ml)
    ids = pushed(ids, moves)
    planned = Planned(person.core_ml, person.enhancing_ml, person.edema_ml)
    grown = grow_glioma(
        _coarse(ids),
        spacing,
        centre,
        planned=planned,
        midline=_midline(places, affine),
        rng=rng,
    )
    return Head(ids, grown, person.grade == LOW)


def _coarse(ids: Integer[ndarray, "I J K"]) -> Integer[ndarray, "i j k"]:
    return np.ascontiguousarray(ids[::FINER, ::FINER, ::FINER])


def centre_of(
    ids: Integer[ndarray, "I J K"], affine: Float[ndarray, "4 4"], person: Patient
) -> TripleVox:
    """Find the white-matter voxel nearest to the planned place of a tumour."""
    middle = _world(np.isin(ids, (*WHITE, *CORTEX, *DEEP)), affine).mean(axis=0)
    white = np.isin(ids, WHITE)
    far = np.linalg.norm(_world(white, affine) - middle - person.offset_mm, axis=1)
    first, second, third = np.argwhere(white)[int(far.argmin())].tolist()
    return first, second, third


def _world(mask: Bool[ndarray, "I J K"], affine: Float[ndarray, "4 4"]) -> Float[ndarray, "N 3"]:
    return nib.affines.apply_affine(affine, np.argwhere(mask))


def _midline(
    ids: Integer[ndarray, "I J K"], affine: Float[ndarray, "4 4"]
) -> Bool[ndarray, "I J K"]:
    """Mark a strip near the plane that best separates the hemispheres' white matter."""
    left, right = (_world(ids == value, affine) for value in WHITE)
    ends = [part.mean(axis=0) for part in (left, right)]
    normal = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    offset = float(normal @ (ends[0] + ends[1]) / 2)
    steps = affine[:3, :3].T @ normal
    lines = [np.arange(side) * step for side, step in zip(ids.shape, steps, strict=True)]
    along = sum(np.ix_(*lines)) + float(normal @ affine[:3, 3]) - offset
    return np.abs(along) < MIDLINE_MM
