"""Add head size from the scans to a study without it.

Head size differs between groups, most of all between women and men, so that a comparison of
volumes without head size partly compares heads.
"""

from dataclasses import replace

import pandas as pd

from neurotarget.quantity import VOLUME
from neurotarget.stats.cohort.head_size import find_tiv
from neurotarget.studies.brain_volume import brain_volumes
from neurotarget.studies.study_inputs import Material

SUPPLY = (
    "supply head size as a column eTIV in mm3 of the manifest, brain masks as "
    "derivatives/<pipeline>/sub-*/**/*_desc-brain_mask.nii.gz of a BIDS data set, or "
    "skull-stripped scans whose background is 0"
)
SHRINKS = (
    "a brain shrinks with age and disease, so that adjusting for brain volume also removes part of "
    "such an effect"
)
HEAD_SIZE = "head size"  # key of the fact with its origin


def with_head_size(material: Material) -> Material:
    """Return the cohort with a column of head size if groups are compared in volumes without it.

    It is measured from the scans (see `brain_volumes`), and the facts have its origin. If it cannot
    be measured, a note explains what to supply.
    """
    measured = material.measured
    hypotheses = measured.target.hypotheses
    if not material.cases or not any(one.groups and one.measure == VOLUME for one in hypotheses):
        return material
    variables = [name for one in hypotheses for name in one.variables]
    if find_tiv([*measured.covariates.columns, *variables]):
        return material
    cases = [case for key, case in material.cases.items() if key in measured.covariates.index]
    measurement = brain_volumes(cases, measured.target.contrasts)
    if not measurement.values:
        note = f"Groups are compared without head size: {measurement.why}; {SUPPLY}."
        return material._replace(notes=(*material.notes, note))
    values = pd.Series(measurement.values, dtype=float).reindex(measured.covariates.index)
    covariates = measured.covariates.assign(**{measurement.column: values})
    known, n = int(values.notna().sum()), len(values)
    origin = f"{measurement.column}: {measurement.origin}, {known} of {n} cases"
    is_brain = measurement.column == "brain_mm3"
    note = f"Head size was not given and is taken from the scans ({origin})"
    return material._replace(
        measured=replace(measured, covariates=covariates),
        notes=(*material.notes, f"{note}; {SHRINKS}." if is_brain else f"{note}."),
        facts={**material.facts, HEAD_SIZE: origin},
    )
