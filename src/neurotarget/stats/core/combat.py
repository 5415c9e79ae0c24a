"""ComBat: remove the shift and scale of each site from values and keep covariate effects.

The model is fitted on training cases only and then applied to other cases. A site without training
cases is estimated from the values and covariates of its own cases; it needs no reference masks.

Source: Johnson, Li and Rabinovic 2007, doi:10.1093/biostatistics/kxj037; Fortin et al. 2018,
doi:10.1016/j.neuroimage.2017.11.024.

This is our own code because neuroCombat 0.2.12 (2021) harmonises only all cases at once,
neuroHarmonize 2.5.2 separates fitting from applying but requires numpy < 2, and combatlearn 2.3.0
refuses sites that are not in the training data and depends on scikit-learn, plotly and UMAP.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer, Real
from numpy import ndarray

from neurotarget.problems import DataError
from neurotarget.stats.core.interval import FEWEST

Measurements = Float[ndarray, "N F"]  # F features: labels and regions, mm³
Covariates = Real[ndarray, "N P"] | Sequence  # without a constant, as each site has its own
Features = Float[ndarray, " F"]
Sites = Sequence | ndarray  # the site of each row

STEPS = 1000  # most iterations of empirical Bayes; it usually needs about ten
TOLERANCE = 1e-8  # pooled SD; a step below it ends the iteration
ROUNDING = 1e-10  # a spread below this share of the values is rounding error


class Prior(NamedTuple):
    """Distribution of site effects: normal locations in pooled SD, inverse gamma scales."""

    location_mean: float
    location_variance: float
    scale_mean: float
    scale_variance: float


class Site(NamedTuple):
    """Effect of one site on each feature; NaN where it has fewer than two values."""

    location: Features  # added, in pooled SD
    scale: Features  # variance about the location, in pooled variances


@dataclass(frozen=True, slots=True)
class Combat:
    """Fitted site effects; `transform` removes them.

    `mean` and `sd` are the grand mean and the pooled SD of each feature. `slopes` are the effects
    of covariates on each feature, per unit of the covariate; `centre` are the covariates' means. A
    feature without residual variation has SD 0 and stays unchanged. `prior` is the distribution of
    site effects over the training sites, used for a new site; None without empirical Bayes.
    """

    centre: Float[ndarray, " P"]
    slopes: Float[ndarray, "P F"]
    mean: Features
    sd: Features
    sites: Mapping[str, Site]
    prior: Prior | None

    @classmethod
    def fit(
        cls,
        values: Measurements,
        sites: Sites,
        covariates: Covariates | None = None,
        *,
        empirical_bayes: bool = True,
    ) -> "Combat":
        """Estimate the offset that each site adds to values and the factor on their spread.

        Covariates are numbers whose effects stay in the values; categories come as columns of 0
        and 1. A NaN value is left out of its own feature only. Empirical Bayes shrinks the effects
        of a site towards their mean over features; with one feature nothing is shrunk. A site
        with fewer than three values gets the pooled scale (published ComBat requires two).

        Raises:
            DataError: there is one site only, a site has one case, a covariate is NaN, or
                covariates are confounded with the sites.
        """
        values, names, covariates = _checked("Combat.fit", values, sites, covariates)
        every = _sites_of(names)
        if len(every) < 2:
            raise DataError(
                f"Combat.fit: got {len(every)} site ({', '.join(every)}), wanted two or more; "
                "values of one site need no harmonisation"
            )
        bare = _model(values, names, covariates)
        standard = bare._standardised(values, covariates)
        raw = {name: _site(standard[names == name]) for name in every}
        if not empirical_bayes:
            return replace(bare, sites=raw)
        shrunk = {
            name: _shrunk(standard[names == name], site, _prior([site]))
            for name, site in raw.items()
        }
        return replace(bare, sites=shrunk, prior=_prior(list(raw.values())))

    def adapt(
        self, values: Measurements, sites: Sites, covariates: Covariates | None = None
    ) -> "Combat":
        """Return a copy with the effects of new sites added; nothing else changes.

        Locations and scales come from these cases, standardised as in training. With empirical
        Bayes they are shrunk towards the effects of the training sites, pooled over features.
        Unlike in `fit`, this also works with one feature.

        Raises:
            DataError: a site is known already or has one case, or a covariate is NaN.
        """
        values, names, covariates = _checked("Combat.adapt", values, sites, covariates)
        new = _sites_of(names)
        if known := sorted(set(new) & set(self.sites)):
            raise DataError(
                f"Combat.adapt: got the site {', '.join(known)}, which is known already; transform"
            )
        standard = self._standardised(values, covariates)
        parts = {name: standard[names == name] for name in new}
        added = {name: _shrunk(part, _site(part), self.prior) for name, part in parts.items()}
        return replace(self, sites={**self.sites, **added})

    def transform(
        self, values: Measurements, sites: Sites, covariates: Covariates | None = None
    ) -> Measurements:
        """Return values with the site effects removed.

        NaN stays NaN. A feature becomes NaN where its site had fewer than two values of it.

        Args:
            values: (N, F), the features of the fit in their order.
            sites: the site of each row, by names that `fit` or `adapt` knows.
            covariates: those of the fit, whose effects stay in the values.

        Raises:
            DataError: a site is unknown, or a covariate is NaN.
        """
        values, names, covariates = _checked("Combat.transform", values, sites, covariates)
        if unknown := sorted(set(names) - set(self.sites)):
            raise DataError(
                f"Combat.transform: got the site {', '.join(unknown)}, which the fit did not see; "
                "adapt to it first"
            )
        standard = self._standardised(values, covariates)
        for name in set(names):
            location, scale = self.sites[name]
            own = names == name
            standard[own] = (standard[own] - location) / np.sqrt(scale)
        harmonised = standard * self.sd + self.expected(covariates)
        return np.where(self.sd > 0, harmonised, values)

    def expected(self, covariates: Covariates) -> Measurements:
        """Return the values that the covariates predict for an average site, in mm³.

        Args:
            covariates: (N, P), the columns of the fit in their order and units.
        """
        return self.mean + (covariates - self.centre) @ self.slopes

    def _standardised(self, values: Measurements, covariates: Covariates) -> Measurements:
        """Deviations from the expected values, in pooled SD; NaN where there is no spread."""
        sd = np.where(self.sd > 0, self.sd, np.nan)
        return (values - self.expected(covariates)) / sd


def least_squares(design: Float[ndarray, "N P"], values: Measurements) -> Float[ndarray, "P F"]:
    """Coefficients per feature from the cases with a value, in mm³ per unit of the design's column.

    Linearly dependent columns share their effect (the minimum-norm solution).

    Args:
        design: (N, P), without NaN; an intercept needs a column of ones.
        values: (N, F); a NaN leaves its case out of that feature alone.
    """
    there = ~np.isnan(values)
    patterns, member = np.unique(there, axis=1, return_inverse=True)
    coefficients = np.empty((design.shape[1], values.shape[1]))
    for number, rows in enumerate(patterns.T):
        own = member.ravel() == number
        coefficients[:, own] = np.linalg.lstsq(design[rows], values[rows][:, own], rcond=None)[0]
    return coefficients


def _model(values: Measurements, names: ndarray, covariates: Covariates) -> Combat:
    """Slopes within sites, grand mean over cases and pooled SD; no site effects yet."""
    sites = (names[:, None] == np.array(_sites_of(names))).astype(float)
    centre = covariates.mean(axis=0)
    # in units of their SD, so that head volume (1.5 million mm³) and sex (0 or 1) are comparable
    spread = covariates.std(axis=0)
    varies = spread > ROUNDING * np.abs(covariates).max(axis=0)
    spread = np.where(varies, spread, np.inf)
    design = np.column_stack([sites, (covariates - centre) / spread])
    _refuse_confounded(design, sites.shape[1])
    fitted = least_squares(design, values)
    there = ~np.isnan(values)
    residuals = np.where(there, values - design @ fitted, 0.0)
    counts = sites.T @ there
    n = np.maximum(counts.sum(axis=0), 1)
    sd = np.sqrt((residuals**2).sum(axis=0) / n)
    largest = np.where(there, np.abs(values), 0.0).max(axis=0)
    slopes = fitted[sites.shape[1] :] / spread[:, None]
    mean = (counts * fitted[: sites.shape[1]]).sum(axis=0) / n
    return Combat(centre, slopes, mean, np.where(sd > ROUNDING * largest, sd, 0.0), {}, None)


def _site(standard: Measurements) -> Site:
    """Mean and variance of one site's standardised values, feature by feature."""
    there = ~np.isnan(standard)
    n = there.sum(axis=0)
    location = np.where(there, standard, 0.0).sum(axis=0) / np.maximum(n, 1)
    squares = (np.where(there, standard - location, 0.0) ** 2).sum(axis=0)
    scale = squares / np.maximum(n - 1, 1)
    # equal values give no estimate of the scale either
    scale = np.where((n >= FEWEST) & (scale > ROUNDING), scale, 1.0)
    known = n >= 2
    return Site(np.where(known, location, np.nan), np.where(known, scale, np.nan))


def _prior(sites: Sequence[Site]) -> Prior | None:
    """Moments of the site effects over features and sites; None for fewer than two values."""
    location = np.concatenate([site.location for site in sites])
    scale = np.concatenate([site.scale for site in sites])
    known = ~np.isnan(location)
    if known.sum() < 2:
        return None
    location, scale = location[known], scale[known]
    moments = (location.mean(), location.var(ddof=1), scale.mean(), scale.var(ddof=1))
    return Prior(*map(float, moments))


def _shrunk(standard: Measurements, raw: Site, prior: Prior | None) -> Site:
    """Location and scale of the posterior, estimated by alternating updates.

    Source: Johnson, Li and Rabinovic 2007, doi:10.1093/biostatistics/kxj037 (equations 3.1 and
    3.2; the prior's parameters by the method of moments).
    """
    if prior is None:
        return raw
    there = ~np.isnan(standard)
    n = there.sum(axis=0)
    is_free = n >= FEWEST
    location, scale = raw
    for _ in range(STEPS):
        before = location, scale
        weight = n * prior.location_variance
        location = (weight * raw.location + scale * prior.location_mean) / (weight + scale)
        squares = (np.where(there, standard - location, 0.0) ** 2).sum(axis=0)
        scale = np.where(is_free, _posterior_scale(squares, n, prior), raw.scale)
        steps = np.abs(np.subtract((location, scale), before))
        if np.where(np.isnan(steps), 0.0, steps).max(initial=0.0) < TOLERANCE:
            break
    return Site(location, scale)


def _posterior_scale(squares: Features, n: Integer[ndarray, " F"], prior: Prior) -> Features:
    """Mean of the inverse gamma posterior of a variance, given squares about the location."""
    mean, variance = prior.scale_mean, prior.scale_variance
    if variance <= ROUNDING * mean**2:  # all equal: the prior is a point
        return np.full(squares.shape, mean)
    shape = 2 + mean**2 / variance
    return (squares / 2 + mean * (shape - 1)) / (n / 2 + shape - 1)


def _checked(
    who: str, values: Measurements, sites: Sites, covariates: Covariates | None
) -> tuple[Measurements, ndarray, Covariates]:
    values = np.asarray(values, dtype=float)
    names = np.asarray([str(site) for site in sites], dtype=object)
    covariates = np.empty((len(values), 0)) if covariates is None else np.asarray(covariates)
    covariates = covariates.astype(float)
    if absent := int(np.isnan(covariates).any(axis=1).sum()):
        raise DataError(
            f"{who}: {absent} of {len(names)} cases lack a covariate; leave them out and count them"
        )
    return values, names, covariates


def _sites_of(names: ndarray) -> list[str]:
    """Sites in alphabetical order; each must have at least two cases."""
    sites, counts = np.unique(names, return_counts=True)
    if few := [str(name) for name, count in zip(sites, counts, strict=True) if count < 2]:
        raise DataError(
            f"Combat: got one case of {', '.join(few)}, wanted two or more per site; leave it out"
        )
    return [str(name) for name in sites]


def _refuse_confounded(design: Float[ndarray, "N P"], n_sites: int) -> None:
    """Refuse covariates that differ only between sites, as their effect cannot be estimated."""
    rank, constant = np.linalg.matrix_rank, np.ones((len(design), 1))
    covariates = design[:, n_sites:]
    alone = rank(np.column_stack([constant, covariates])) - 1
    if rank(design) < n_sites + alone:
        raise DataError(
            "Combat.fit: a covariate cannot be distinguished from the sites, as where each sex was "
            "scanned at another site; leave this covariate out"
        )
