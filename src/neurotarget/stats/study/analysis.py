"""Compute every table of a study from a measured cohort."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from neurotarget.metrics.metric_units import name_in
from neurotarget.quantity import contrast_of
from neurotarget.stats.cohort.failures import failed_cases_table, failures_table
from neurotarget.stats.cohort.learning import (
    Training,
    study_learning,
    study_refusals,
    time_note,
    without_failed,
)
from neurotarget.stats.cohort.measured import EXTERNAL, Measured, Quantity
from neurotarget.stats.cohort.predicted_classes import predictions_of
from neurotarget.stats.cohort.subjects import other_groups
from neurotarget.stats.effects.by_label import label_effects_table
from neurotarget.stats.effects.curves import age_table, curves_table
from neurotarget.stats.effects.diagnostics import residuals_table
from neurotarget.stats.effects.effect_differences import effect_differences_table
from neurotarget.stats.effects.effects import Refused, effects_table
from neurotarget.stats.effects.influence import influence_table, outlier_notes
from neurotarget.stats.effects.power import power_table
from neurotarget.stats.effects.verdict import NO_CONCLUSION
from neurotarget.stats.study.biomarkers import biomarker_differences_table, biomarkers_table
from neurotarget.stats.study.ranking import ranking_table
from neurotarget.stats.study.results import Study
from neurotarget.stats.tables.calibration_tables import calibration_bins_table, calibration_table
from neurotarget.stats.tables.ceiling import ceiling_table, repeated_masks
from neurotarget.stats.tables.discrimination_tables import (
    Thresholds,
    confusion_table,
    discrimination_table,
)
from neurotarget.stats.tables.findings import findings_table
from neurotarget.stats.tables.means import mean_agreement_table, means_table, views
from neurotarget.stats.tables.parts import parts_table
from neurotarget.stats.tables.raters import rater_differences_table, raters_table
from neurotarget.stats.tables.sites import harmonisation_table, sites_table
from neurotarget.stats.tables.tables import (
    OUTCOME_SCORES,
    agreement_table,
    own_units,
    scores_table,
    values_table,
)

NAMED = 8  # most cases listed in a sentence
SCORES = ("dice", "hd95_mm", "assd_mm", "surface_dice")


def analyse(
    measured: Measured,
    *,
    seed: int = 0,
    notes: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
    training: Training | None = None,
    thresholds: Thresholds | None = None,
) -> Study:
    """Compute every table of a study; the same seed gives the same intervals.

    Missing parts of a cohort (a second method, sites, groups) give empty tables or rows with a
    reason, never an error. Some tables exist only where the cohort has data for them: `parts` with
    external cases or published scores; `findings` where some cases lack a label; `raters`,
    `ceiling` and `rater_differences` with further raters; `means` and `mean_agreement` where a
    contrast has a unit; `discrimination`, `calibration`, `calibration_bins` and `confusion` where
    classes were predicted. Agreement, slopes over age and harmonisation need a quantity that all
    methods measure, so a probability has none of them.

    Failed masks have no volume: they are counted, and left out of all tables but scores and
    failures. `training` holds facts about the network's training; effects have no conclusion where
    masks failed too often or the network has not learnt. `thresholds` are those that a run has
    stored, by outcome.
    """
    learning = study_learning(measured, training)
    refused = study_refusals(measured, learning)
    effects = effects_table(measured, refused=refused)
    known, _ = without_failed(measured)
    agreement = agreement_table(_of_measurements(known), seed=seed)
    scores = scores_table(measured)
    parts = parts_table(known, agreement, scores, seed=seed)
    by_label = label_effects_table(measured, effects, refused=refused)
    ranking = ranking_table(known, seed=seed)
    findings = findings_table(measured)
    tables = {
        "effects": effects,
        "effect_differences": effect_differences_table(measured, refused=refused),
        **({"label_effects": by_label} if len(by_label) else {}),
        "influence": influence_table(known, effects, refused=refused),
        "residuals": residuals_table(measured, effects),
        "power": power_table(known, effects),
        **({"parts": parts} if len(parts) else {}),
        **({"findings": findings} if len(findings) else {}),
        **_of_classes(measured, thresholds, seed),
        **_of_raters(known, agreement, seed),
        **({} if known.main.is_probability else {"agreement": agreement}),
        "scores": scores,
        "failures": failures_table(measured),
        "failed_cases": failed_cases_table(measured),
        known.main.table_name: values_table(known),
        **_of_means(known, seed),
        **_of_age(known),
        "biomarkers": biomarkers_table(known),
        "biomarker_differences": biomarker_differences_table(known, seed=seed),
        **({"ranking": ranking} if len(ranking) else {}),
        "sites": _without_refused(sites_table(known, seed=seed), refused),
        **_of_harmonisation(known, seed),
        "cases": cases_table(measured),
    }
    sentences = (
        *notes,
        *_absent(measured),
        *outlier_notes(_of_measurements(known)),
        *filter(None, [time_note(training or Training())]),
    )
    return Study(measured, tables, sentences, dict(facts or {}), learning)


def _of_measurements(measured: Measured) -> Measured:
    """Return the cohort without values of its main quantity if this is a probability."""
    return measured.with_values({}) if measured.main.is_probability else measured


def _of_age(measured: Measured) -> dict[str, pd.DataFrame]:
    if measured.main.is_probability:
        return {}
    return {"age": age_table(measured), "curves": curves_table(measured)}


def _of_harmonisation(measured: Measured, seed: int) -> dict[str, pd.DataFrame]:
    if measured.main.is_probability:
        return {}
    return {"harmonisation": harmonisation_table(measured, seed=seed)}


def _of_classes(
    measured: Measured, thresholds: Thresholds | None, seed: int
) -> dict[str, pd.DataFrame]:
    if not predictions_of(measured):
        return {}
    return {
        "discrimination": discrimination_table(measured, thresholds, seed=seed),
        "calibration": calibration_table(measured, seed=seed),
        "calibration_bins": calibration_bins_table(measured),
        "confusion": confusion_table(measured, thresholds),
    }


def _of_raters(measured: Measured, agreement: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    if measured.main.is_probability:
        return {}
    if not measured.raters:
        repeated = repeated_masks(measured)
        if repeated is None:
            return {}
        agreement = agreement_table(repeated, seed=seed)
        return {"ceiling": ceiling_table(repeated, agreement, raters_table(repeated, agreement))}
    raters = raters_table(measured, agreement)
    return {
        "raters": raters,
        "ceiling": ceiling_table(measured, agreement, raters),
        "rater_differences": rater_differences_table(measured),
    }


def _of_means(measured: Measured, seed: int) -> dict[str, pd.DataFrame]:
    if not any(views(measured)):
        return {}
    return {
        "means": means_table(measured),
        "mean_agreement": mean_agreement_table(measured, seed=seed),
    }


def _without_refused(sites: pd.DataFrame, refused: Refused) -> pd.DataFrame:
    """Return the table of sites, with a reason instead of numbers for refused labels."""
    keys = list(zip(sites["method"], sites["label"], strict=True))
    is_refused = pd.Series([key in refused for key in keys], index=sites.index, dtype=bool)
    if not is_refused.any():
        return sites
    table, numbers = sites.copy(), sites.select_dtypes("float").columns.difference(["n"])
    table.loc[is_refused, numbers] = math.nan
    table.loc[is_refused, "verdict_without"] = NO_CONCLUSION
    table.loc[is_refused, "reason"] = [refused[key] for key in keys if key in refused]
    return table


def cases_table(measured: Measured) -> pd.DataFrame:
    """Return one row per case: subject, covariates, quantities by method, scores.

    Columns of the main quantity are named `<label>_<method>_<unit>`, columns of other quantities
    `<label>_<method>_<quantity>_<unit>`. `part` is internal or external, where both occur and no
    covariate has that name.
    """
    known = measured.covariates.drop(columns="case_id", errors="ignore")
    if "part" not in known and (measured.parts == EXTERNAL).any():
        known = known.assign(part=measured.parts)
    parts = [known.rename_axis("case_id")]
    for place, quantity in enumerate(measured.quantities.values()):
        name = f"_{quantity.name}" if place else ""
        for method, values in quantity.tables.items():
            end = quantity.column(f"{method}{name}")
            parts.append(values.rename(columns=lambda label, of=end: f"{label}_{of}"))
    named = [name_in(name, measured.target.size_units) for name in SCORES]
    shown = (*named, *OUTCOME_SCORES, *own_units(measured.scores))
    scores = measured.scores[measured.scores["metric"].isin(shown)]
    if len(scores):
        wide = scores.pivot(index="case_id", columns=["label", "metric"], values="value")
        wide.columns = [f"{label}_{metric}" for label, metric in wide.columns]
        parts.append(wide.reindex(measured.covariates.index))
    return pd.concat(parts, axis=1).rename_axis("case_id").reset_index()


def _absent(measured: Measured) -> list[str]:
    """Sentences on missing values, swapped sides and ignored voxels."""
    sentences, n = [], len(measured.covariates)
    sentences += [*_swapped(measured), *_ignored(measured), *_unmeasured(measured)]
    for name, values in measured.covariates.drop(columns="subject_id").items():
        if absent := int(values.isna().sum()):
            sentences.append(
                f"{absent} of {n} cases {_have(absent)} no {name}; its analyses leave them out."
            )
    hypotheses = measured.target.hypotheses
    sentences += filter(None, (other_groups(one, measured.covariates) for one in hypotheses))
    repeats = n - measured.subjects.nunique()
    if repeats:
        people = "1 subject" if n - repeats == 1 else f"{n - repeats} subjects"
        sentences.append(
            f"{n} cases come from {people}; a subject counts once in intervals and effects."
        )
    return sentences


def _swapped(measured: Measured) -> list[str]:
    """Sentences on masks of raters in which left and right are swapped."""
    rows, sentences = measured.scores, []
    if "metric" not in rows:
        return []
    people = {"reference_swapped": measured.reference} if measured.reference else {}
    people |= {f"reference_swapped@{name}": name for name in measured.raters}
    for metric, name in people.items():
        crossed = rows[(rows["metric"] == metric) & (rows["value"] > 0)]
        if cases := sorted(set(crossed["case_id"])):
            named = ", ".join(cases[:NAMED]) + (" …" if len(cases) > NAMED else "")
            masks = "mask has" if len(cases) == 1 else "masks have"
            sentences.append(
                f"{len(cases)} {name} {masks} left and right swapped ({named}); swap the labels, "
                "or correct the orientation in the header."
            )
    return sentences


def _ignored(measured: Measured) -> list[str]:
    """A sentence on cases with ignored voxels, which have no label."""
    rows = measured.scores
    if "metric" not in rows:
        return []
    rows = rows[rows["metric"] == "reference_borders_on_ignored"]
    n, cut = rows["case_id"].nunique(), rows[rows["value"] > 0]
    if not n:
        return []
    beginning = f"{n} cases have ignored voxels, which are neither reference nor prediction"
    if not len(cut):
        return [f"{beginning}; no structure borders on them."]
    labels = ", ".join(cut["label"].unique())
    return [
        f"{beginning}; in {cut['case_id'].nunique()} of them they border on {labels}, which may "
        f"extend there: all {measured.main.plural} here, predicted ones too, are those of the "
        "labelled part, not of the whole structure."
    ]


def _have(n: int) -> str:
    return "has" if n == 1 else "have"


def _unmeasured(measured: Measured) -> list[str]:
    """Sentences on cases without a value, by quantity, method and label."""
    tables = [
        (f"{method} {_short(quantity)} of", name, table)
        for name, quantity in measured.quantities.items()
        for method, table in quantity.tables.items()
    ]
    return [
        f"{absent} of {len(table)} cases {_have(absent)} no {what} {label}."
        for what, name, table in tables
        for label in measured.measure_of(name).labels
        if (absent := int(table[label].isna().sum()))
    ]


def _short(quantity: Quantity) -> str:
    """Noun of a quantity before `of`: `volume`, `mean qsm`."""
    contrast = contrast_of(quantity.name)
    return f"mean {contrast}" if contrast else quantity.noun
