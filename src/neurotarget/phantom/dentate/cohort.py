"""The built-in cohort of susceptibility maps on disk, with the masks of two simulated raters.

It replaces real cohorts in trials of the software: the planted effects are known
(`phantom.dentate.plan`). It says nothing about people. Field and reconstruction use the same
dipole kernel and grid, so the maps are better than those of a scanner.
"""

import numpy as np

from neurotarget.phantom.cohort_files import Drawing, Scans, nifti
from neurotarget.phantom.dentate.anatomy import QSMPerson
from neurotarget.phantom.dentate.plan import QSMPlan, draw_subjects, planted
from neurotarget.phantom.dentate.scanner import GRESimulation, GRESite, reconstructed, scan_gre
from neurotarget.phantom.dentate.template import qsm_template
from neurotarget.phantom.simulated_raters import redrawn

STEP_PPM = 1e-4  # of the stored maps
MASKS = {"label": "rater1", "label_rater2": "rater2", "label_rater1_again": "rater1_again"}


def simulated(plan: QSMPlan, number: int) -> tuple[GRESite, GRESimulation]:
    """Echoes of the plan's case `number` (from 0), with the truth, and the site."""
    subject = draw_subjects(plan)[number]
    site = next(site for site in plan.sites if site.name == subject.site)
    person = QSMPerson(
        subject.tiv_ml, subject.dentate_mm3, subject.dentate_ppm, (plan.seed, 1, number)
    )
    return site, scan_gre(person, site, voxel_scale=plan.voxel_scale)


def _case(plan: QSMPlan, number: int) -> Scans:
    site, scan = simulated(plan, number)
    scans = {"qsm": nifti(reconstructed(scan, site).chi_ppm, scan.affine, step=STEP_PPM)}
    raters = (plan.rater_1, plan.rater_2, plan.rater_1)
    for drawing, (name, rater) in enumerate(zip(MASKS.values(), raters, strict=True)):
        rng = np.random.default_rng([plan.seed, 3, number, drawing])
        label = redrawn(scan.label, rater, spacing_mm=scan.spacing_mm, rng=rng)
        scans[name] = nifti(label, scan.affine)
    return scans


QSM_PHANTOM = Drawing(
    people=draw_subjects,
    draw=_case,
    planted=planted,
    columns={"qsm": "qsm", **MASKS},
    covariates=("age", "sex", "group", "site", "tiv_ml"),
    warm=qsm_template,
    bar_text="drawing susceptibility maps",
)
