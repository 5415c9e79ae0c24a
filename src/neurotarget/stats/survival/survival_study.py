"""A survival study: models of several sets of terms, compared on the same people."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.stats.core.interval import Estimate
from neurotarget.stats.survival.survival_arms import (
    Arm,
    Cohort,
    Plan,
    Refits,
    arm_differences,
    fit_arm,
    refit,
    usable_horizons,
)
from neurotarget.stats.survival.survival_folds import draw_folds
from neurotarget.stats.survival.survival_models import ModelKind
from neurotarget.stats.survival.survival_tables import (
    apparent_c,
    calibration_table,
    days_table,
    group_test,
    hazards_table,
    people_table,
    risks_table,
    scores_table,
)
from neurotarget.stats.survival.transport import transport_table, transported_risks

CLINICAL, IMAGE, BOTH = "clinical", "image", "both"
THIRDS = ("lowest third", "middle third", "highest third")  # of held-out risk
FEWEST_OF_GROUP = 5
FEW_EVENTS_PER_TERM = 10  # with fewer, hazards are unreliable (Peduzzi 1995)


@dataclass(frozen=True)
class Settings:
    """Settings of a study; `matters` is the smallest difference of C that matters.

    `months` are the horizons of risks. A horizon with too few events before it or people beyond it
    is left out with a note.
    """

    model: ModelKind = "cox"
    months: tuple[float, ...] = (6, 12, 24)
    folds: int = 5  # 0 leaves one person out
    repeats: int = 10
    matters: float = 0.02
    seed: int = 0


@dataclass(frozen=True)
class SurvivalStudy:
    """Results of a study; `main` has the arm of each set of terms with the model of the settings.

    `risks` are held-out risks of the event (H, N) by set, means over repeats. `groups` are the
    group numbers of the people, from 0, by the name of the grouping.
    """

    cohort: Cohort
    settings: Settings
    plan: Plan
    main: Mapping[str, Arm]
    tables: Mapping[str, pd.DataFrame]
    risks: Mapping[str, Float[ndarray, "H N"]]
    groups: Mapping[str, tuple[Integer[ndarray, " N"], Sequence[str]]]
    refits: Refits | None = None
    other: Cohort | None = None
    notes: Sequence[str] = ()

    @property
    def lead(self) -> Arm | None:
        """The arm with most terms, whose predictions are written; None if it was not fitted."""
        scored = [arm for arm in self.main.values() if arm.is_scored]
        return scored[-1] if scored else None


def analyse_survival(
    cohort: Cohort,
    settings: Settings,
    *,
    group: tuple[Integer[ndarray, " N"], Sequence[str]] | None = None,
    other: Cohort | None = None,
) -> SurvivalStudy:
    """Fit models, predict held-out people, compare sets of terms, and apply models elsewhere.

    `group` holds the group number of each person, from 0, and the names of the groups. `other` is
    another cohort.
    """
    months = usable_horizons(cohort.days, cohort.event, settings.months)
    folds = min(settings.folds, int(cohort.event.sum())) if settings.folds else 0
    fold = draw_folds(cohort.event, folds, settings.repeats, settings.seed)
    plan = Plan(months, fold, settings.seed)
    kinds = dict.fromkeys([settings.model, *_other_kinds(cohort)])
    arms = [fit_arm(cohort, name, kind, plan) for kind in kinds for name in cohort.sets]
    main = {arm.terms: arm for arm in arms if arm.model == settings.model}
    scored = [arm for arm in main.values() if arm.is_scored]
    risks = {arm.terms: arm.held.risk.mean(axis=1) for arm in scored
             if np.isfinite(arm.held.risk).all()}  # fmt: skip
    groups = {} if group is None else {"group": group}
    if scored and len(cohort.days) >= FEWEST_OF_GROUP * len(THIRDS):
        groups["thirds"] = (_thirds(scored[-1].held.score.mean(axis=0)), THIRDS)
    hazards, reasons = hazards_table(cohort)
    tables = {
        "people": people_table(cohort, _masks(groups), months),
        "hazards": hazards,
        "scores": scores_table(cohort, arms, plan),
        "differences": differences_table(cohort, main, plan, settings.matters),
        "days": days_table(cohort, [*arms, *_mean_arm(cohort, kinds, plan)]),
        "tests": pd.DataFrame(
            [{"groups": name} | group_test(cohort, codes) for name, (codes, _) in groups.items()]
        ),
    }
    calibrated = calibration_table(cohort.days, cohort.event, risks, months)
    tables["calibration"], tables["calibration_groups"] = calibrated
    refits = refit(cohort, scored[-1], plan) if scored else None
    if refits is not None:
        tables["risks"] = risks_table(cohort, scored[-1], plan, refits)
    if other is not None:
        tables |= _transported(other, scored, plan)
    notes = _notes(cohort, settings, plan, main, refits)
    notes += [f"Hazards of the {name} terms: {why}." for name, why in reasons.items()]
    return SurvivalStudy(cohort, settings, plan, main, tables, risks, groups, refits, other, notes)


def _transported(other: Cohort, arms: Sequence[Arm], plan: Plan) -> dict[str, pd.DataFrame]:
    """Return scores and calibration in another cohort, at horizons that its follow-up reaches."""
    known = usable_horizons(other.days, other.event, plan.horizons_months)
    near = np.isin(plan.horizons_months, known)
    risks = transported_risks(other, arms, plan)
    calibration, _ = calibration_table(
        other.days, other.event, {name: risk[near] for name, risk in risks.items()}, known
    )
    return {"transport": transport_table(other, arms, plan), "transport_calibration": calibration}


def differences_table(
    cohort: Cohort, main: Mapping[str, Arm], plan: Plan, matters: float
) -> pd.DataFrame:
    """Return paired differences of scores between sets of terms: clinical, image, both, further.

    One row per pair of sets and statistic; `difference` is the score of `terms` minus that of
    `against`. Pairs with a set that could not be scored are absent. Only Harrell's C has a verdict,
    see `gain_verdict`.
    """
    rows = []
    further = [(name, CLINICAL) for name in cohort.sets if name not in (CLINICAL, IMAGE, BOTH)]
    for name, against in (*further, (BOTH, CLINICAL), (IMAGE, CLINICAL), (BOTH, IMAGE)):
        arms = [main.get(each) for each in (against, name)]
        if any(arm is None or not arm.is_scored for arm in arms):
            continue
        for statistic, one in arm_differences(cohort, *arms, plan).items():
            verdict = gain_verdict(one, matters) if statistic == "c" else ""
            rows.append({"terms": name, "against": against, "statistic": statistic,
                         "difference": one.value, "low": one.low, "high": one.high, "n": one.n,
                         "verdict": verdict})  # fmt: skip
    return pd.DataFrame(rows)


def gain_verdict(gain: Estimate, matters: float) -> str:
    """Return the verdict on a gain in C: better, worse, no gain that matters, or undecided.

    Args:
        gain: difference of C with its interval; positive is better.
        matters: smallest gain that matters; the verdict is `no gain that matters` if the interval
            includes 0 and ends below it.
    """
    if not math.isfinite(gain.low):
        return "undecided"
    if gain.low > 0:
        return "better"
    if gain.high < 0:
        return "worse"
    return "no gain that matters" if gain.high < matters else "undecided"


def _other_kinds(cohort: Cohort) -> list[ModelKind]:
    """Return the models of days, for which every person's event must have been observed."""
    return ["cox", "linear", "forest"] if (cohort.event == 1).all() else ["cox"]


def _mean_arm(cohort: Cohort, kinds: Collection[ModelKind], plan: Plan) -> list[Arm]:
    """Return an arm that predicts the mean days of the training people, to compare models with."""
    if "linear" not in kinds:
        return []
    nothing = cohort._replace(sets={"none": ((), np.empty((len(cohort.days), 0)))})
    return [fit_arm(nothing, "none", "linear", plan)._replace(model="mean")]


def _thirds(score: Float[ndarray, " N"]) -> Integer[ndarray, " N"]:
    places = np.argsort(np.argsort(score, kind="stable"), kind="stable")
    return places * len(THIRDS) // len(score)


def _masks(
    groups: Mapping[str, tuple[Integer[ndarray, " N"], Sequence[str]]],
) -> dict[str, ndarray]:
    return {name: codes == number for codes, names in groups.values()
            for number, name in enumerate(names)}  # fmt: skip


def _notes(
    cohort: Cohort, settings: Settings, plan: Plan, main: Mapping[str, Arm], refits: Refits | None
) -> list[str]:
    notes, events = [], int(cohort.event.sum())
    late = [month for month in settings.months if month not in plan.horizons_months]
    if late:
        listed = ", ".join(f"{month:g}" for month in late)
        notes.append(f"Nothing is stated for {listed} months: fewer than 5 events before, or fewer "
                     "than 5 people followed up beyond.")  # fmt: skip
    if settings.folds == 0:
        notes.append("One person was left out at a time: C is then biased downwards for weak models"
                     " (predicting the mean of the others has C = 0), so compare it with repeated "
                     "folds.")  # fmt: skip
    for name, arm in main.items():
        count = len(cohort.sets[name][0])
        if count and events < FEW_EVENTS_PER_TERM * count:
            notes.append(f"The {name} terms are {count} for {events} events: fewer than "
                         f"{FEW_EVENTS_PER_TERM} events a term make a model unstable.")  # fmt: skip
        if not arm.is_scored:
            notes.append(f"The {name} terms are not scored: {arm.reason}.")
    if (cohort.event == 0).any():
        notes.append("Linear regression and the random forest predict days, which censored people "
                     "do not have; they are left out.")  # fmt: skip
    if refits is not None and refits.n_failed:
        notes.append(f"{refits.n_failed} models of bootstrap samples could not be fitted.")
    return notes


def corrected_c(study: SurvivalStudy) -> tuple[float, float]:
    """Return the apparent C of the leading arm, and this C minus the optimism of the bootstrap.

    Both are NaN where no arm was scored.
    """
    if study.lead is None or study.refits is None:
        return math.nan, math.nan
    apparent = apparent_c(study.cohort, study.lead, study.plan)
    return apparent, apparent - study.refits.optimism
