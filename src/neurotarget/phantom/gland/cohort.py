"""The built-in cohort of synthetic heads whose glands have planted effects of sex and age.

The cohort replaces a real cohort in trials of the software: the planted effects are known
(`neurotarget.phantom.gland.plan`), so tests can check that a study recovers them. It says nothing
about people.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from neurotarget.phantom.atlas import head_atlas
from neurotarget.phantom.cohort import GeneratedCohort, Scans, nifti
from neurotarget.phantom.gland.anatomy import Person, render_head
from neurotarget.phantom.gland.plan import Plan


@dataclass(frozen=True)
class Cohort(GeneratedCohort):
    """Synthetic T1-weighted heads with the masks of their glands."""

    columns: ClassVar = {"t1": "images", "label": "labels"}
    covariates = ("age", "sex", "site", "tiv_ml")
    bar_text = "generating the built-in cohort"
    warm = staticmethod(head_atlas)

    plan: Plan = field(default_factory=Plan)

    def render(self, number: int) -> Scans:
        """Generate scan and mask of one subject, by folder name."""
        subject = self.plan.subjects()[number]
        seed = (self.plan.seed, 1, number)
        person = Person(subject.age, subject.sex, subject.tiv_ml, subject.planted_mm3, seed)
        head = render_head(person, self.plan.site_of(subject), voxel_scale=self.plan.voxel_scale)
        return {"images": nifti(head.image, head.affine), "labels": nifti(head.label, head.affine)}
