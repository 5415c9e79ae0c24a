"""The built-in cohort of susceptibility maps, with the masks of two simulated raters.

The cohort replaces real cohorts in trials of the software: the planted effects are known
(`phantom.dentate.plan`). It says nothing about people. Field and reconstruction use the same
dipole kernel and grid, so the maps are better than maps of real scans.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from neurotarget.phantom.cohort import GeneratedCohort, Scans, nifti
from neurotarget.phantom.dentate.anatomy import QSMPerson
from neurotarget.phantom.dentate.plan import QSMPlan
from neurotarget.phantom.dentate.scanner import GRESimulation, GRESite, reconstructed, scan_gre
from neurotarget.phantom.dentate.template import qsm_template
from neurotarget.phantom.simulated_raters import simulate_rater

STEP_PPM = 1e-4  # of the stored maps
MASKS = {"label": "rater1", "label_rater2": "rater2", "label_rater1_again": "rater1_again"}


def simulated(plan: QSMPlan, number: int) -> tuple[GRESite, GRESimulation]:
    """Return the site of case `number` (from 0), and its simulated echoes with the truth."""
    subject = plan.subjects()[number]
    site = plan.site_of(subject)
    person = QSMPerson(
        subject.tiv_ml, subject.dentate_mm3, subject.dentate_ppm, (plan.seed, 1, number)
    )
    return site, scan_gre(person, site, voxel_scale=plan.voxel_scale)


@dataclass(frozen=True)
class QSMCohort(GeneratedCohort):
    """Simulated susceptibility maps with the masks of two raters."""

    columns: ClassVar = {"qsm": "qsm", **MASKS}
    covariates = ("age", "sex", "group", "site", "tiv_ml")
    bar_text = "generating susceptibility maps"
    warm = staticmethod(qsm_template)

    plan: QSMPlan = field(default_factory=QSMPlan)

    def render(self, number: int) -> Scans:
        """Generate the map and masks of one subject, by folder name.

        The masks are those of both raters, and a repeated mask of the first rater.
        """
        plan = self.plan
        site, scan = simulated(plan, number)
        scans = {"qsm": nifti(reconstructed(scan, site).chi_ppm, scan.affine, step=STEP_PPM)}
        raters = (plan.rater_1, plan.rater_2, plan.rater_1)
        for session, (name, rater) in enumerate(zip(MASKS.values(), raters, strict=True)):
            rng = np.random.default_rng([plan.seed, 3, number, session])
            label = simulate_rater(scan.label, rater, spacing_mm=scan.spacing_mm, rng=rng)
            scans[name] = nifti(label, scan.affine)
        return scans
