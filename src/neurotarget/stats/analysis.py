"""From what was measured to every table of a study."""

from collections.abc import Mapping, Sequence

import pandas as pd

from neurotarget.stats.biomarkers import biomarker_differences_table, biomarkers_table
from neurotarget.stats.curves import age_table, curves_table
from neurotarget.stats.effects import effect_differences_table, effects_table
from neurotarget.stats.failures import failed_cases_table, failures_table
from neurotarget.stats.measured import EXTERNAL, Measured
from neurotarget.stats.parts import parts_table
from neurotarget.stats.power import power_table
from neurotarget.stats.sites import harmonisation_table, sites_table
from neurotarget.stats.study import Study
from neurotarget.stats.tables import agreement_table, scores_table, volumes_table

SCORES = ("dice", "hd95_mm", "assd_mm", "surface_dice")


def analyse(
    measured: Measured,
    *,
    seed: int = 0,
    notes: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
) -> Study:
    """Compute every table of a study; the same seed gives the same intervals.

    What a cohort does not have (a second method, sites, groups) gives empty tables or rows with
    a reason, never an error. `parts` is there where cases are external or scores published.
    """
    effects = effects_table(measured)
    agreement = agreement_table(measured, seed=seed)
    scores = scores_table(measured, seed=seed)
    parts = parts_table(measured, agreement, scores)
    tables = {
        "effects": effects,
        "effect_differences": effect_differences_table(measured, seed=seed),
        "power": power_table(measured, effects),
        **({"parts": parts} if len(parts) else {}),
        "agreement": agreement,
        "scores": scores,
        "failures": failures_table(measured),
        "failed_cases": failed_cases_table(measured),
        "volumes": volumes_table(measured, seed=seed),
        "age": age_table(measured),
        "curves": curves_table(measured),
        "biomarkers": biomarkers_table(measured),
        "biomarker_differences": biomarker_differences_table(measured, seed=seed),
        "sites": sites_table(measured, seed=seed),
        "harmonisation": harmonisation_table(measured, seed=seed),
        "cases": cases_table(measured),
    }
    return Study(measured, tables, (*notes, *_absent(measured)), dict(facts or {}))


def cases_table(measured: Measured) -> pd.DataFrame:
    """A row a case: subject, covariates, volumes in mm³ by each method, scores of the masks.

    `part` says which cases are external, where some are and no covariate is called so.
    """
    known = measured.covariates.drop(columns="case_id", errors="ignore")
    if "part" not in known and (measured.parts == EXTERNAL).any():
        known = known.assign(part=measured.parts)
    parts = [known.rename_axis("case_id")]
    for method, volumes in measured.volumes.items():
        parts.append(volumes.rename(columns=lambda label, of=method: f"{label}_{of}_mm3"))
    scores = measured.scores[measured.scores["metric"].isin(SCORES)]
    if len(scores):
        wide = scores.pivot(index="case_id", columns=["label", "metric"], values="value")
        wide.columns = [f"{label}_{metric}" for label, metric in wide.columns]
        parts.append(wide.reindex(measured.covariates.index))
    return pd.concat(parts, axis=1).rename_axis("case_id").reset_index()


def _absent(measured: Measured) -> list[str]:
    """Sentences on values that are not there for all cases."""
    told, n = [], len(measured.covariates)
    for method, volumes in measured.volumes.items():
        for label in measured.target.label_names:
            if absent := int(volumes[label].isna().sum()):
                told.append(f"{absent} of {n} cases have no {method} volume of {label}.")
    for name, values in measured.covariates.drop(columns="subject_id").items():
        if absent := int(values.isna().sum()):
            told.append(f"{absent} of {n} cases have no {name}; what needs it leaves them out.")
    repeats = n - measured.subjects.nunique()
    if repeats:
        people = "1 subject" if n - repeats == 1 else f"{n - repeats} subjects"
        told.append(
            f"{n} cases come from {people}; a subject counts once in intervals and effects."
        )
    return told
