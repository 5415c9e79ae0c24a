"""Confounding by site: the share of the tested covariate's variance that site explains."""

import math

import numpy as np
import pandas as pd

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.cohort.subjects import key

SITE = "site"
LEAST_SHARE = 0.1  # of the tested covariate's variance; below, site is left out of the model


def site_share(hypothesis: Hypothesis, covariates: pd.DataFrame) -> float:
    """Return the share of the tested covariate's variance between sites, corrected for chance.

    For a group difference the covariate is membership, 0 or 1; for an interaction the larger share
    of its two covariates is returned. NaN with fewer than two sites, or where nothing varies.

    Source: Kelley 1935, doi:10.1073/pnas.21.9.554 (epsilon squared).
    """
    if SITE not in covariates:
        return math.nan
    names = [name for name in hypothesis.covariate.split("*") if name in covariates]
    shares = [_share(_numbers(hypothesis, covariates[name]), covariates[SITE]) for name in names]
    known = [share for share in shares if math.isfinite(share)]
    return max(known) if known else math.nan


def explains(hypothesis: Hypothesis, covariates: pd.DataFrame) -> bool:
    """Return whether site explains a tenth or more of the tested covariate and is no model term.

    False where the share is unknown, as with a single site.
    """
    if SITE in hypothesis.variables:
        return False
    return site_share(hypothesis, covariates) >= LEAST_SHARE


def people_per_site(covariates: pd.DataFrame) -> float:
    """Return the mean number of people per site; cases without a site are left out.

    Raises:
        KeyError: there is no column of sites.
    """
    known = covariates[covariates[SITE].notna()]
    people = known["subject_id"] if "subject_id" in known else known.index.to_series()
    return people.nunique() / known[SITE].map(key).nunique()


def _numbers(hypothesis: Hypothesis, values: pd.Series) -> pd.Series:
    if hypothesis.groups:
        keys = values.map(key, na_action="ignore")
        groups = [key(group) for group in hypothesis.groups]
        return (keys == groups[0]).astype(float).where(keys.isin(groups))
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.notna().any():
        return numbers.astype(float)
    return pd.Series(pd.factorize(values)[0], values.index).where(values.notna()).astype(float)


def _share(values: pd.Series, sites: pd.Series) -> float:
    known = values.notna() & sites.notna()
    values, sites = values[known], sites[known].map(key)
    n, n_sites = len(values), sites.nunique()
    if n_sites < 2 or n <= n_sites + 1:
        return math.nan
    total = float(((values - values.mean()) ** 2).sum())
    within = float(((values - values.groupby(sites).transform("mean")) ** 2).sum())
    if total <= np.finfo(float).eps * float((values**2).sum()):
        return math.nan
    return 1 - (within / (n - n_sites)) / (total / (n - 1))
