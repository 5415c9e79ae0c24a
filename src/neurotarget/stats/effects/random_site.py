"""Mixed model of a hypothesis with a random intercept for each site."""

import warnings

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import t
from statsmodels.regression.mixed_linear_model import MixedLM

from neurotarget.stats.cohort.subjects import NotEstimableError
from neurotarget.stats.effects.model import FEWEST, Design, Fit

FEWEST_SITES = 3  # fewest sites for a variance between sites


def fit_random(columns: Design, values: Float[ndarray, " N"], sites: ndarray) -> Fit:
    """Fit by REML with a random intercept for each site; `spread` is the SD within sites.

    The interval is Student's, with the degrees of freedom of the model with fixed sites. It is
    wider than lme4's interval where sites differ little.

    Source: Laird and Ware 1982, doi:10.2307/2529876.

    Raises:
        NotEstimableError: there are too few sites or subjects, or the search finds no optimum.
    """
    n_sites = len(np.unique(sites))
    if n_sites < FEWEST_SITES:
        raise NotEstimableError(f"{n_sites} sites, wanted {FEWEST_SITES} or more")
    scale, size, model = columns.scale, float(np.std(values)), columns.matrix
    freedom = len(values) - model.shape[1] - n_sites + 1
    if freedom < FEWEST:
        raise NotEstimableError("too few degrees of freedom with a volume for each site")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a variance of 0, which is a valid estimate
        try:
            fitted = MixedLM(values / size, model, groups=sites).fit(reml=True)
            first = float(fitted.fe_params[0]), float(fitted.bse_fe[0])
        except (np.linalg.LinAlgError, ValueError) as error:
            raise NotEstimableError("the mixed model of sites has no solution") from error
    estimate, error = (value * size / scale for value in first)
    if not (np.isfinite(estimate) and error > 0):
        raise NotEstimableError("the mixed model of sites has no solution")
    p = float(2 * t.sf(abs(estimate) / error, freedom))
    spread = float(np.sqrt(fitted.scale)) * size
    return Fit(estimate, error, freedom, p, spread, freedom, error / spread)
