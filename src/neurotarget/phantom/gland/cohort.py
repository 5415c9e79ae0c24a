"""The built-in cohort on disk: synthetic heads whose glands have planted effects of sex and age.

It replaces a real cohort in trials of the software: the planted effects are known, so it can be
checked that a study recovers them (`neurotarget.phantom.gland.plan`). It says nothing about people.
"""

from neurotarget.phantom.atlas import head_atlas
from neurotarget.phantom.cohort_files import Drawing, Scans, nifti
from neurotarget.phantom.gland.anatomy import Person, draw_head
from neurotarget.phantom.gland.plan import Plan, draw_subjects, planted


def _case(plan: Plan, number: int) -> Scans:
    subject = draw_subjects(plan)[number]
    site = next(site for site in plan.sites if site.name == subject.site)
    seed = (plan.seed, 1, number)
    person = Person(subject.age, subject.sex, subject.tiv_ml, subject.planted_mm3, seed)
    head = draw_head(person, site, voxel_scale=plan.voxel_scale)
    return {"images": nifti(head.image, head.affine), "labels": nifti(head.label, head.affine)}


PHANTOM = Drawing(
    people=draw_subjects,
    draw=_case,
    planted=planted,
    columns={"t1": "images", "label": "labels"},
    covariates=("age", "sex", "site", "tiv_ml"),
    warm=head_atlas,
    bar_text="drawing the built-in cohort",
)
