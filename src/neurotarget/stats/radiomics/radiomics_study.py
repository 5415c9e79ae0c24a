"""A radiomics study: clinical terms, image features and both, compared on the same people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Integer
from numpy import ndarray

from neurotarget.stats.radiomics.chain import ChainSettings
from neurotarget.stats.radiomics.feature_stability import chosen_table, selection_stability
from neurotarget.stats.radiomics.number_errors import errors_of_arms
from neurotarget.stats.radiomics.radiomic_arms import Material, RadiomicArm, fit_radiomic_arm
from neurotarget.stats.radiomics.radiomic_folds import Folds, draw_case_folds
from neurotarget.stats.radiomics.radiomics_outcome import Outcome
from neurotarget.stats.radiomics.radiomics_tables import (
    calibration_of_arms,
    final_table,
    gains_table,
    predictions_table,
    radiomic_scores,
    transport_of_arms,
)
from neurotarget.stats.radiomics.self_tests import (
    Leakage,
    Permutation,
    leakage,
    learning_points,
    permutation_test,
)
from neurotarget.stats.radiomics.shapley_values import has_shap, shap_table
from neurotarget.stats.radiomics.single_features import single_features

FEW_PER_FEATURE = 10  # cases of the rarer class that each term needs (Peduzzi 1996)
LIMITS = {(True, False): "events", (False, False): "cases of the rarer class",
          (False, True): "cases"}  # fmt: skip
PERFECT = 0.98  # a single feature with a higher AUC may be the outcome itself


@dataclass(frozen=True)
class RadiomicSettings:
    """Settings of a study; `matters` is the smallest difference of AUC or C that matters."""

    chain: ChainSettings
    folds: int = 5
    repeats: int = 10
    permutations: int = 100  # 0 leaves the test out
    matters: float = 0.02
    by_site: bool = False  # leave one site out at a time


@dataclass(frozen=True)
class RadiomicsStudy:
    """Results of a study: `arms` by set of terms, `tables` by name."""

    material: Material
    settings: RadiomicSettings
    fold: Folds
    arms: Mapping[str, RadiomicArm]
    tables: Mapping[str, pd.DataFrame]
    leak: Leakage | None = None
    permuted: Permutation | None = None
    other: Material | None = None
    notes: Sequence[str] = ()

    @property
    def statistic(self) -> str:
        """Name of the statistic: `auc` for classes, `c` for times and numbers."""
        return self.material.outcome.statistic

    @property
    def scored(self) -> list[str]:
        """Sets of terms that predicted all cases."""
        return [name for name, arm in self.arms.items() if arm.is_scored]


def analyse_radiomics(
    material: Material,
    settings: RadiomicSettings,
    *,
    other: Material | None = None,
    site_names: Sequence[str] = (),
) -> RadiomicsStudy:
    """Predict people in nested folds, compare sets of terms, and test the models elsewhere.

    Args:
        material: cases with the clinical terms and image features.
        settings: settings of the study.
        other: another cohort, to which the models of all people are applied without refitting.
        site_names: names by the numbers of sites, for notes where folds are sites.

    Returns:
        The study. It has the table `errors` only for numbers, and `features`, `stability` and
        `leakage` only if image features could be scored.
    """
    seed, outcome = settings.chain.seed, material.outcome
    fold = _folds(material, settings, outcome, seed, repeats=settings.repeats)
    arms = {name: fit_radiomic_arm(material, name, settings.chain, fold)
            for name in material.sets}  # fmt: skip
    scored = {name: arm for name, arm in arms.items() if arm.is_scored}
    tables = {
        "scores": radiomic_scores(material, arms, seed),
        "differences": gains_table(outcome, scored, settings.matters, seed),
        "predictions": predictions_table(material, scored),
        "model": final_table(material, scored),
    }
    tables["calibration"], tables["calibration_bins"] = calibration_of_arms(outcome, scored)
    if outcome.is_number:
        tables["errors"] = errors_of_arms(outcome, scored, seed)
    if material.image.shape[1]:
        tables["alone"] = single_features(material)
    leak = permuted = None
    if "image" in scored:
        held = scored["image"].held
        tables["features"] = chosen_table(material.image_names, held.chosen)
        stability = selection_stability(held.chosen)
        tables["stability"] = pd.DataFrame([{"statistic": "stability", **stability._asdict()}])
        leak = leakage(material, scored["image"], settings.chain, seed)
        tables["leakage"] = _leakage_table(leak)
    name = "image" if "image" in scored else next(iter(scored), "")
    if name and settings.permutations:
        drawn = partial(_folds, material, settings, repeats=1)
        permuted = permutation_test(
            material, scored[name], settings.chain, drawn, draws=settings.permutations, seed=seed
        )
        tables["permutation"] = _permutation_table(name, permuted)
    if scored and has_shap():
        tables["shap"] = shap_table(material, list(scored.values())[-1], seed)
    tables["learning"] = pd.DataFrame(
        [
            {"terms": name, "people": point.people, **point.value._asdict()}
            for name, arm in scored.items()
            for point in learning_points(material, arm, settings.chain, seed)
        ]
    )
    if other is not None:
        tables["transport"] = transport_of_arms(other, scored, seed)
    notes = radiomic_notes(material, settings, arms, fold, site_names)
    return RadiomicsStudy(material, settings, fold, arms, tables, leak, permuted, other, notes)


def _folds(
    material: Material, settings: RadiomicSettings, outcome: Outcome, seed: int, *, repeats: int
) -> Folds:
    """Return the folds of the cases; folds that are sites ignore outcome, seed and repeats."""
    if settings.by_site:
        sites: Integer[ndarray, " N"] = np.unique(material.site, return_inverse=True)[1]
        return sites[None, :]
    return draw_case_folds(outcome, settings.folds, repeats, seed)


def _leakage_table(leak: Leakage | None) -> pd.DataFrame:
    if leak is None:
        return pd.DataFrame()
    rows = {"outside": leak.outside, "inside": leak.inside, "difference": leak.difference}
    return pd.DataFrame([{"selection": name, **one._asdict()} for name, one in rows.items()])


def _permutation_table(name: str, one: Permutation) -> pd.DataFrame:
    known = one.permuted
    spread = np.quantile(known, [0.5, 0.95]) if len(known) else (np.nan, np.nan)
    row = {"terms": name, "value": one.value, "permuted_median": float(spread[0]),
           "permuted_95": float(spread[1]), "p": one.p, "draws": len(known),
           "failed": one.n_failed}  # fmt: skip
    return pd.DataFrame([row])


def rarer_and_terms(material: Material, chain: ChainSettings) -> tuple[int, int]:
    """Return the number of cases that limits a model's size, and its largest number of terms.

    The second number counts all clinical terms and up to `chain.most` image features.
    """
    features = material.image.shape[1]
    kept = features if chain.selection == "none" else min(chain.most, features)
    return material.outcome.rarer, kept + material.clinical.shape[1]


def radiomic_notes(
    material: Material,
    settings: RadiomicSettings,
    arms: Mapping[str, RadiomicArm],
    fold: Folds,
    site_names: Sequence[str],
) -> list[str]:
    """Return notes on sizes, folds, failed arms, and features that may be the outcome itself."""
    notes, outcome = [], material.outcome
    people, features = int(outcome.subject.max()) + 1, material.image.shape[1]
    if features >= people:
        notes.append(f"There are {features} image features for {people} people: what goes with "
                     "the outcome among them is mostly chance; judge by the scores of people "
                     "left out.")  # fmt: skip
    rarer, kept = rarer_and_terms(material, settings.chain)
    if rarer < FEW_PER_FEATURE * kept:
        what = LIMITS[outcome.is_survival, outcome.is_number]
        notes.append(
            f"There are {rarer} {what} for up to {kept} terms of a model; fewer "
            f"than {FEW_PER_FEATURE} per term make it unstable, whatever its score."
        )
    count = int(fold[0].max()) + 1
    if settings.by_site:
        named = ", ".join(site_names[:12])
        notes.append(f"One site was left out at a time ({named}); a site with one class only is in "
                     "no AUC.")  # fmt: skip
    elif count < settings.folds:
        notes.append(f"There are {count} folds and not {settings.folds}, so that each has both "
                     "classes." if outcome.is_class else
                     f"There are {count} folds and not {settings.folds}, so that each has an event."
                     )  # fmt: skip
    if people < len(outcome.y):
        notes.append(f"{len(outcome.y)} rows are of {people} people; all rows of a person are in "
                     "one fold, and intervals are over people.")  # fmt: skip
    if settings.chain.balance:
        notes.append("Classes were weighted to equal sums: the probabilities are then not those of "
                     "this cohort, and their calibration shows it.")  # fmt: skip
    notes += [f"The {name} set is not scored: {arm.reason}."
              for name, arm in arms.items() if not arm.is_scored]  # fmt: skip
    return notes + perfect_notes(material)


def perfect_notes(material: Material) -> list[str]:
    """Return a sentence on features that alone separate the classes: they may be the outcome.

    It names up to five features. Features with missing values are not checked. Without such a
    feature the list is empty.
    """
    found = []
    for name, values in zip(material.image_names, material.image.T, strict=True):
        there = np.isfinite(values)
        share = material.outcome.take(there).pairs(values[there]).value
        if there.all() and max(share, 1 - share) >= PERFECT:
            found.append(name)
    if not found:
        return []
    listed = ", ".join(found[:5]) + (" and more" if len(found) > 5 else "")
    return [f"{listed}: alone as good as the outcome itself. Check that it is no copy of it."]
