"""Cohorts of whole heads: label maps are generated from formulas, or read from the user's files.

The scan of each map is generated with a fixed seed. The cohort replaces real data in trials of the
software; results of a network on it say nothing about real heads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.data.scans.volume import file_stem, image_files, read_volume
from neurotarget.files.hashes import digest
from neurotarget.files.writing import expand_home
from neurotarget.phantom.brain.hulls import brain_hulls
from neurotarget.phantom.brain.label_maps import Anatomy, draw_head
from neurotarget.phantom.brain.plan import HeadPlan, MapFile, Person
from neurotarget.phantom.brain.scans import simulate_scan
from neurotarget.phantom.cohort import GeneratedCohort, Scans, nifti
from neurotarget.synthesis.label_map import to_codes
from neurotarget.synthesis.population import is_of_brain

LABELS = "labels"  # column and folder of the label maps
DATA_SETS = ("dataset.json", "dataset_description.json", "images", "masks", "labels")


class Grown(NamedTuple):
    """The label map of a person, in stored order."""

    ids: Integer[ndarray, "I J K"]
    affine: Float[ndarray, "4 4"]


@dataclass(frozen=True)
class HeadCohort(GeneratedCohort):
    """Whole heads with label maps of FreeSurfer's ids and a generated scan for each contrast.

    `data.root` can name a folder of label maps, in any orientation, which replace the generated
    maps; any other data set is used as it is.
    """

    bar_text = "generating heads"
    warm = staticmethod(brain_hulls)

    plan: HeadPlan = field(default_factory=HeadPlan)

    @property
    def columns(self) -> Mapping[str, str]:
        """Return the folders of scans and label maps, by column of the manifest."""
        return {name: name for name in self.plan.contrasts} | {"label": LABELS}

    @property
    def covariates(self) -> tuple[str, ...]:
        """Return names of the covariates; for the user's label maps, age and sex are unknown."""
        return ("site", "tiv_ml") if self.plan.maps else ("age", "sex", "site", "tiv_ml")

    def obtain(self, root: str | None) -> Path:
        """Return the manifest of the cohort, generated if missing; or the path of the user's data.

        Raises:
            DataError: a label map of the user is broken or has unknown ids, or the cohort cannot be
                written.
        """
        if not root or not (paths := maps_in(Path(root))):
            return super().obtain(root)
        plan = replace(self.plan, maps=tuple(map_file(path) for path in paths))
        return replace(self, plan=plan).generate(expand_home(self.folder) / plan.key)

    def render(self, number: int) -> Scans:
        """Generate the scans of all contrasts and the label map of one person, by folder name."""
        plan, person = self.plan, self.plan.subjects()[number]
        grown = self.grow(person, number)
        site = plan.site_of(person)
        spacing = tuple(np.linalg.norm(grown.affine[:3, :3], axis=0).tolist())
        scans = {LABELS: nifti(grown.ids, grown.affine)}
        for place, (name, sequence) in enumerate(plan.contrasts.items()):
            rng = np.random.default_rng([plan.seed, 2, number, place])
            image = simulate_scan(grown.ids, spacing, sequence, site=site, rng=rng)
            scans[name] = nifti(image, grown.affine)
        return scans

    def grow(self, person: Person, number: int) -> Grown:
        """Return the label map of a person: read from the user's file, or generated.

        Args:
            person: from the plan.
            number: index of the person in the plan, from 0; it is part of the seed.
        """
        plan = self.plan
        if person.map_number is not None:
            volume = read_volume(Path(plan.maps[person.map_number].path))
            return Grown(np.rint(volume.array).astype(np.uint16), volume.affine)
        anatomy = Anatomy(person.age, person.tiv_ml, (plan.seed, 1, number))
        return Grown(*draw_head(anatomy, plan.site_of(person), voxel_scale=plan.voxel_scale))


def maps_in(root: Path) -> list[Path]:
    """List the label maps of a folder; empty if the folder holds other files."""
    root = expand_home(root)
    if not root.is_dir() or any((root / name).exists() for name in DATA_SETS):
        return []
    return image_files(root)


def map_file(path: Path) -> MapFile:
    """Check a label map and measure the volume of brain and fluid in it.

    Raises:
        DataError: the map is broken, or has ids whose tissue is unknown.
    """
    name = file_stem(path)
    volume = read_volume(path, case_id=name)
    codes = to_codes(volume.array, case_id=name, file=str(path))
    voxel_ml = float(abs(np.linalg.det(volume.affine[:3, :3]))) / 1000
    tiv_ml = round(float(is_of_brain()[codes].sum()) * voxel_ml, 1)
    return MapFile(name, str(path.resolve()), digest(path), tiv_ml)
