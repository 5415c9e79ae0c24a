"""Tables of a survival study: people, hazards, scores, differences, calibration, risks."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.stats.core.interval import LEVEL, Estimate
from neurotarget.stats.survival.concordance import harrell_pairs
from neurotarget.stats.survival.cox import Cox, NoFitError, fit_cox, proportionality
from neurotarget.stats.survival.kaplan_meier import (
    Z,
    log_rank,
    median_days,
    survival_at,
    survival_curve,
)
from neurotarget.stats.survival.risk_checks import risk_calibration
from neurotarget.stats.survival.survival_arms import (
    MONTH_DAYS,
    Arm,
    Cohort,
    Plan,
    Refits,
    arm_scores,
)
from neurotarget.stats.survival.survival_errors import DayErrors, day_errors

Cases = Float[ndarray, " N"]

TAILS = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]


def people_table(
    cohort: Cohort, groups: Mapping[str, ndarray], horizons_months: Sequence[float]
) -> pd.DataFrame:
    """Return a row for all people and per group: n, events, median survival, survival at horizons.

    `groups` are masks of people. `follow_up_days` is the median follow-up by the reverse
    Kaplan-Meier method (Schemper and Smith 1996, doi:10.1016/0197-2456(96)00075-X);
    `naive_median_days` is the median of all times, which counts the end of follow-up as death.
    """
    rows = []
    for name, mask in {"all": np.ones(len(cohort.days), dtype=bool), **groups}.items():
        days, event = cohort.days[mask], cohort.event[mask]
        curve = survival_curve(days, event)
        middle = median_days(curve)
        row = {
            "group": name,
            "n": len(days),
            "events": int(event.sum()),
            "censored": int((event == 0).sum()),
            "follow_up_days": _finite(median_days(survival_curve(days, 1 - event)).value),
            "median_days": _finite(middle.value),
            "median_low": _finite(middle.low),
            "median_high": _finite(middle.high),
            "naive_median_days": float(np.median(days)),
        }
        for month in horizons_months:
            row |= _ends(f"survival_{month:g}m", survival_at(curve, month * MONTH_DAYS))
        rows.append(row)
    return pd.DataFrame(rows)


def group_test(cohort: Cohort, group: Integer[ndarray, " N"]) -> dict[str, float]:
    """Log-rank test of groups that are numbered from 0.

    Returns:
        `chi2`, its degrees of `freedom`, and `p`; NaN where no event can distinguish the groups.
    """
    test = log_rank(cohort.days, cohort.event, group)
    return {"chi2": test.chi2, "freedom": test.freedom, "p": test.p}


def hazards_table(cohort: Cohort) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return hazard ratios of each set's terms, with Wald intervals, and reasons for missing sets.

    Ratios are per unit of a term; `sd` is the SD of the term, NaN for an indicator.
    `p_proportional` tests whether the ratio is the same at all times.
    """
    rows, reasons = [], {}
    for name, (terms, values) in cohort.sets.items():
        used = values.std(axis=0) > 0
        try:
            fit = fit_cox(cohort.days, cohort.event, values[:, used])
        except NoFitError as wrong:
            reasons[name] = str(wrong)
            continue
        kept = [term for term, use in zip(terms, used, strict=True) if use]
        changing = proportionality(cohort.days, cohort.event, values[:, used], fit)
        spread = [_spread(each) for each in values[:, used].T]
        rows += _hazard_rows(name, kept, fit, changing, spread)
    return pd.DataFrame(rows), reasons


def _hazard_rows(
    name: str, terms: Sequence[str], fit: Cox, changing: ndarray, spread: Sequence[float]
) -> list[dict[str, object]]:
    columns = zip(terms, fit.coefficients, fit.errors, fit.p, changing, spread, strict=True)
    return [
        {
            "terms": name,
            "term": term,
            "coefficient": value,
            "se": error,
            "hazard_ratio": math.exp(value),
            "low": math.exp(value - Z * error),
            "high": math.exp(value + Z * error),
            "p": p,
            "p_proportional": changes,
            "sd": sd,
        }
        for term, value, error, p, changes, sd in columns
    ]


def _spread(values: Cases) -> float:
    """SD of a numeric term; NaN for an indicator, which is 0 or 1."""
    return math.nan if set(values.tolist()) <= {0.0, 1.0} else float(values.std(ddof=1))


def scores_table(cohort: Cohort, arms: Sequence[Arm], plan: Plan) -> pd.DataFrame:
    """Return the held-out scores of each arm, and C on its training people (apparent).

    One row per arm and statistic; `optimism` is apparent minus held-out C. An arm without scores
    has one row, with NaN and the reason.
    """
    rows = []
    for arm in arms:
        where = {"terms": arm.terms, "model": arm.model}
        if not arm.is_scored:
            rows.append(where | {"statistic": "c", "value": math.nan, "n": len(cohort.days),
                                 "reason": arm.reason})  # fmt: skip
            continue
        apparent = apparent_c(cohort, arm, plan)
        scores = arm_scores(cohort, arm, plan)
        nothing = Estimate.undefined(len(cohort.days))
        scores["c_apparent"] = nothing._replace(value=apparent)
        scores["optimism"] = nothing._replace(value=apparent - scores["c"].value)
        rows += [where | {"statistic": name} | one._asdict() for name, one in scores.items()]
    return pd.DataFrame(rows)


def apparent_c(cohort: Cohort, arm: Arm, plan: Plan) -> float:
    """Return Harrell's C of a model on its training people.

    Overfitting makes it too high; `scores_table` reports it together with the held-out C.
    """
    score = arm.fit.predict(cohort.terms(arm.terms), plan.horizons).score
    return harrell_pairs(cohort.days, cohort.event, score).value


def days_table(cohort: Cohort, arms: Sequence[Arm]) -> pd.DataFrame:
    """Return errors of predicted days and accuracy of BraTS's classes; means over repeats.

    One row per arm that predicts days, which Cox's model does not.
    """
    rows = []
    for arm in arms:
        if arm.is_scored and np.isfinite(arm.held.days).all():
            found = [day_errors(cohort.days, row) for row in arm.held.days]
            means = DayErrors(*(float(np.mean(each)) for each in zip(*found, strict=True)))
            rows.append({"terms": arm.terms, "model": arm.model, **means._asdict(),
                         "n": len(cohort.days)})  # fmt: skip
    return pd.DataFrame(rows)


def calibration_table(
    days: Cases, event: Cases, risks: Mapping[str, Float[ndarray, "H N"]],
    horizons_months: Sequence[float],
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Return the calibration of risks by set of terms and horizon, and its groups of similar risk.

    Args:
        days: times to the event or to the end of follow-up.
        event: 1 where the event was observed, else 0.
        risks: held-out risks (H, N) by name of the set.
        horizons_months: the H horizons.

    Returns:
        One row per set and horizon, and one per set, horizon and group.
    """
    rows, groups = [], []
    for name, risk in risks.items():
        for month, one in zip(horizons_months, risk, strict=True):
            found = risk_calibration(days, event, one, month * MONTH_DAYS)
            where = {"terms": name, "months": month}
            rows.append(where | _ends("observed", found.observed) | {
                "expected": found.expected, "ratio": found.ratio,
                **_ends("slope", found.slope), "n": len(days)})  # fmt: skip
            groups += [where | group._asdict() for group in found.groups]
    return pd.DataFrame(rows), pd.DataFrame(groups)


def risks_table(cohort: Cohort, arm: Arm, plan: Plan, refits: Refits) -> pd.DataFrame:
    """Return one row per person: held-out prediction, and the final model's with its interval.

    The interval is that of the model's prediction over bootstrap samples; the time of a person
    varies far more.
    """
    final = arm.fit.predict(cohort.terms(arm.terms), plan.horizons)
    table = {
        "case_id": list(cohort.case_ids),
        "days": cohort.days,
        "event": cohort.event.astype(int),
        "score": final.score,
        **_span("score", refits.score),
        "held_out_score": arm.held.score.mean(axis=0),
    }
    if np.isfinite(final.days).all():
        table |= {"predicted_days": final.days, **_span("predicted_days", refits.days),
                  "held_out_days": arm.held.days.mean(axis=0)}  # fmt: skip
    if np.isfinite(final.risk).all():
        for place, month in enumerate(plan.horizons_months):
            name = f"risk_{month:g}m"
            table |= {name: final.risk[place], **_span(name, refits.risk[place]),
                      f"held_out_{name}": arm.held.risk[place].mean(axis=0)}  # fmt: skip
    return pd.DataFrame(table)


def _span(name: str, drawn: Float[ndarray, "D N"]) -> dict[str, Cases]:
    if not len(drawn):
        nothing = np.full(drawn.shape[1], math.nan)
        return {f"{name}_low": nothing, f"{name}_high": nothing}
    low, high = np.quantile(drawn, TAILS, axis=0)
    return {f"{name}_low": low, f"{name}_high": high}


def _ends(name: str, one: Estimate) -> dict[str, float]:
    return {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}


def _finite(value: float) -> float:
    """Return the value, or NaN if infinite, such as a median that the curve never reaches."""
    return value if math.isfinite(value) else math.nan
