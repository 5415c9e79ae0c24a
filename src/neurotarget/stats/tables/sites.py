"""Several sites: dependence of results on one site, and harmonisation of a new site.

A subject counts once per site: several scans there are averaged. Harmonisation is `Combat` over all
labels and regions, fitted without the cases that it is tested on. If the target declares no
hypothesis on the main quantity, those of age, sex and TIV that the cohort has are the covariates.
Other quantities are not analysed by site.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from neurotarget.hypothesis import SPLINE, Hypothesis
from neurotarget.problems import DataError, join_reasons
from neurotarget.quantity import one_of
from neurotarget.stats.cohort.head_size import find_tiv
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.subjects import NotEstimableError, written
from neurotarget.stats.core.interval import FEWEST
from neurotarget.stats.effects.effects import Effect, estimate_effect
from neurotarget.stats.effects.verdict import INCONCLUSIVE
from neurotarget.stats.tables.multisite import (
    Errors,
    Scans,
    gather_scans,
    prediction_errors,
    site_shares,
)

ERRORS = ("mae", "bias", "mae_combat", "bias_combat")  # followed by their unit
COLUMNS = (
    *("label", "method", "hypothesis", "site", "n", "estimate_within", "within_low"),
    *("within_high", "estimate_without", "without_low", "without_high", "verdict_without"),
    *(*ERRORS, "unit", "reason"),
)
HARMONISATION_COLUMNS = (
    *("label", "method", "n", "n_sites", "site_share_raw", "site_share_combat"),
    *("p_site_raw", "p_site_combat", "folds", "reason"),
)
FOLDS = 5
MOST_LABELS = 12  # of a target with more labels, only the first are analysed


def sites_table(measured: Measured, *, seed: int = 0) -> pd.DataFrame:
    """Return each effect within a site and without it, and prediction errors at that site.

    The verdict without a site shows whether the result depends on it. The hypothesis's model
    (without terms of site) is fitted on the other sites and predicts the values of the left-out
    site. Its errors are the mean absolute error and the bias (predicted minus measured), before and
    after harmonisation. `Combat` is fitted on the other sites of three subjects or more and adapted
    to the left-out site. Adaptation uses values only, no reference, and each fifth of the site is
    harmonised by the other four fifths. Errors after ComBat are those of harmonised values, which
    have the spread of an average site.

    A hypothesis on one label is tested on that label, all other hypotheses on each label and
    region. With more than twelve labels, only the first twelve, regions within them, and left,
    right and total are analysed; the last row of a method counts the labels left out. A site of
    fewer than three subjects has a reason instead of an estimate and a prediction.
    """
    hypotheses = _hypotheses(measured)
    rows = [
        row
        for hypothesis in hypotheses
        for method in measured.methods
        for row in _site_rows(measured, hypothesis, method, seed)
    ]
    if not hypotheses:
        why = "no hypothesis on anything but site, and no covariate age or TIV to use instead"
        rows = [
            _row(label, method=method, n=len(measured.covariates), reason=why)
            for method in measured.methods
            for label in measured.labels
        ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.rename(columns={name: measured.main.column(name) for name in ERRORS})


def harmonisation_table(measured: Measured, *, seed: int = 0) -> pd.DataFrame:
    """Return the share of variance between sites before and after ComBat, on held-out folds.

    Subjects are divided at random into five folds that are balanced over sites; ComBat is fitted on
    four of them and keeps the covariates of all hypotheses. The share is that of values adjusted
    for these covariates, computed within each fold: if the folds were pooled, errors of the sites'
    means would cancel and hide remaining site effects. It is corrected for chance (epsilon
    squared), so it can be below 0. Errors of the correction add to the share, but the F-test allows
    for them. So a small `p_site_combat` means that site effects beyond these errors remain,
    although with small sites it is small too often (see `multisite.site_shares`). Sites of fewer
    than three subjects are left out and named.

    Source: Kelley 1935, doi:10.1073/pnas.21.9.554 (epsilon squared); Okada 2013,
    doi:10.2333/bhmk.40.129 (the least biased of its kind).
    """
    rows = [row for method in measured.methods for row in _share_rows(measured, method, seed)]
    return pd.DataFrame(rows, columns=list(HARMONISATION_COLUMNS))


def _hypotheses(measured: Measured) -> tuple[Hypothesis, ...]:
    """Hypotheses on the main quantity, except on site; if there are none, slopes of age or TIV."""
    name = measured.main.name
    if on_main := [one for one in measured.target.hypotheses if one.measure == name]:
        return tuple(one for one in on_main if "site" not in one.covariate.split("*"))
    table = measured.covariates
    slopes = [name for name in ("age", find_tiv(table.columns)) if name in table]
    if not slopes:
        return ()
    others = [name for name in ("sex", *slopes[1:]) if name in table]
    slope = Hypothesis(f"{slopes[0]}_slope", "", slopes[0], None, 0, tuple(others), measure=name)
    return (slope,)


def _without_site(hypothesis: Hypothesis) -> Hypothesis:
    kept = (term for term in hypothesis.adjust if "site" not in term.split("*"))
    return replace(hypothesis, adjust=tuple(kept))


def _tested_labels(measured: Measured, hypothesis: Hypothesis) -> tuple[str, ...]:
    if hypothesis.label:
        return (hypothesis.label,)
    names = measured.measure.labels
    if len(names) <= MOST_LABELS:
        return measured.labels
    first = names[:MOST_LABELS]
    regions = measured.measure.regions.items()
    sums = ("left", "right", "total")
    return (*first, *(name for name, of in regions if name in sums or set(of) <= set(first)))


def _site_of_cases(table: pd.DataFrame) -> pd.Series:
    """Site of each case as text; NaN where unknown."""
    return table["site"].map(written, na_action="ignore").astype(object)


def _site_rows(
    measured: Measured, hypothesis: Hypothesis, method: str, seed: int
) -> Iterator[dict]:
    values, table = measured.values[method], measured.covariates
    labels = _tested_labels(measured, hypothesis)
    same = {"method": method, "hypothesis": hypothesis.name}
    if "site" not in table:
        nothing = same | {"n": len(table), "reason": "no covariate site"}
        yield from (_row(label, **nothing) for label in labels)
        return
    sites = _site_of_cases(table)
    predicted = _predicted(_without_site(hypothesis), values, table, sites, seed)
    for label in labels:
        number = values.columns.get_loc(label)
        for site, errors in predicted.items():
            unit = measured.main.unit
            cells = _effects(hypothesis, values[label], table, sites, site, unit=unit)
            if errors is not None and cells["n"] >= FEWEST:
                cells |= {name: float(errors[at][number]) for at, name in enumerate(ERRORS)}
                cells["reason"] = join_reasons(cells["reason"], errors.reason)
            yield _row(label, site=site, **same, **cells)
        if absent := int(sites.isna().sum()):
            yield _row(label, n=absent, reason="cases without a site", **same)
    if not hypothesis.label and (more := len(measured.labels) - len(labels)):
        why = f"{more} labels and regions are not analysed; declare a hypothesis on one of them"
        yield _row(f"{more} more", reason=why, **same)


def _predicted(
    hypothesis: Hypothesis,
    values: pd.DataFrame,
    table: pd.DataFrame,
    sites: pd.Series,
    seed: int,
) -> dict[str, Errors | None]:
    """Prediction errors by site, in alphabetical order; None without a model."""
    names = sorted(sites.dropna().unique())
    try:
        scans = gather_scans(hypothesis, values, table, sites)
    except NotEstimableError:  # the effects have the reason
        return dict.fromkeys(names)
    return {name: prediction_errors(scans, name, count=FOLDS, seed=seed) for name in names}


def _effects(
    hypothesis: Hypothesis,
    values: pd.Series,
    table: pd.DataFrame,
    sites: pd.Series,
    site: str,
    *,
    unit: str,
) -> dict:
    """The effect within a site and without it, as columns of the table."""
    others = sites.notna() & (sites != site)
    within = _effect(_without_site(hypothesis), values[sites == site], table, unit)
    without = _effect(hypothesis, values[others], table, unit)
    reasons = []
    if within.n < FEWEST:
        plural = "" if within.n == 1 else "s"
        reasons.append(f"{within.n} subject{plural}, wanted {FEWEST} or more")
    elif math.isnan(within.estimate):
        reasons.append(f"within: {within.reason}")
    if within.n_dropped:
        reasons.append(f"{within.n_dropped} cases lack {one_of(hypothesis.measure)} or a covariate")
    if not others.any():
        reasons.append("there is no other site")
    elif math.isnan(without.estimate):
        reasons.append(f"without: {without.reason}")
    return {
        "n": within.n,
        "estimate_within": within.estimate,
        "within_low": within.low,
        "within_high": within.high,
        "estimate_without": without.estimate,
        "without_low": without.low,
        "without_high": without.high,
        "verdict_without": without.verdict,
        "unit": without.unit,
        "reason": join_reasons(*reasons),
    }


def _effect(hypothesis: Hypothesis, values: pd.Series, table: pd.DataFrame, unit: str) -> Effect:
    used = [name for name in ("subject_id", *hypothesis.variables) if name in table]
    return estimate_effect(hypothesis, values, table.loc[values.index, used], unit=unit)


def _share_rows(measured: Measured, method: str, seed: int) -> Iterator[dict]:
    values, table = measured.values[method], measured.covariates
    nothing = dict.fromkeys(HARMONISATION_COLUMNS, math.nan)
    nothing |= {"method": method, "n": len(table), "n_sites": 0, "folds": FOLDS}
    notes: list[str] = []
    try:
        if "site" not in table:
            raise NotEstimableError("no covariate site")
        nothing["n_sites"] = _site_of_cases(table).nunique()
        scans = _all_scans(measured, values, notes)
        nothing["n_sites"] = len(set(scans.sites))
        before, after = site_shares(scans, count=FOLDS, seed=seed)
    except (NotEstimableError, DataError) as why:
        for label in measured.labels:
            yield nothing | {"label": label, "reason": join_reasons(str(why), *notes)}
        return
    for label in measured.labels:
        number = values.columns.get_loc(label)
        raw, combat = before[number], after[number]
        yield nothing | {
            "label": label,
            "n": raw.n,
            "site_share_raw": raw.value,
            "site_share_combat": combat.value,
            "p_site_raw": raw.p,
            "p_site_combat": combat.p,
            "reason": join_reasons(
                f"too few {measured.main.plural}, or they do not vary"
                if math.isnan(raw.value)
                else "",
                *notes,
            ),
        }


def _all_scans(measured: Measured, values: pd.DataFrame, notes: list[str]) -> Scans:
    """Scans with the covariates of all hypotheses, at sites of three subjects or more."""
    table, sites = measured.covariates, _site_of_cases(measured.covariates)
    _refuse_fewer_than_two((measured.subjects.groupby(sites).nunique() >= FEWEST).sum())
    terms = [
        term
        for hypothesis in map(_without_site, _hypotheses(measured))
        for term in hypothesis.terms
    ]
    absent = {
        name
        for term in terms
        for name in SPLINE.sub(r"\1", term).split("*")
        if name not in table or table[name].isna().all()
    }
    notes += [f"no covariate {name}" for name in sorted(absent)]
    kept = [term for term in terms if not absent & set(SPLINE.sub(r"\1", term).split("*"))]
    terms = tuple(dict.fromkeys(kept))
    hypothesis = Hypothesis("all", "", "", None, 0, terms, measure=measured.main.name)
    scans = gather_scans(hypothesis, values, table, sites)
    used = [name for name in table if name in hypothesis.variables]
    lost = int((sites.isna() | table[used].isna().any(axis=1)).sum())
    notes += [f"{lost} cases without a site or a covariate left out"] * bool(lost)
    names, counts = np.unique(scans.sites, return_counts=True)
    small = names[counts < FEWEST]
    _refuse_fewer_than_two(len(names) - len(small))
    if len(small):
        notes.append(f"left out with fewer than {FEWEST} subjects: {', '.join(small)}")
    return scans.only(~np.isin(scans.sites, small))


def _refuse_fewer_than_two(sites: int) -> None:
    if sites < 2:
        raise NotEstimableError(f"ComBat needs two sites of {FEWEST} subjects or more")


def _row(label: str, **cells: object) -> dict:
    """A row of the table of sites, with NaN for missing columns."""
    nothing = dict.fromkeys(COLUMNS, math.nan)
    nothing |= {"site": "", "hypothesis": "", "n": 0, "unit": "", "reason": ""}
    return nothing | {"label": label, "verdict_without": INCONCLUSIVE} | cells
