"""Cox's proportional hazards: coefficients, baseline, predictions, and test of proportionality.

N people, P terms. Newton's method over sorted sums maximises the likelihood in milliseconds, so the
model can be fitted again in every fold and draw; statsmodels' PHReg gives the same numbers.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import chi2, norm, rankdata

Cases = Float[ndarray, " N"]
Terms = Float[ndarray, "N P"]
Ties = Literal["efron", "breslow"]

STEPS, HALVINGS, CLOSE = 50, 20, 1e-9
FLAT = 1e-7  # least information of an event on a standardised term
LARGEST = 30.0  # a larger coefficient of a standardised term means that there is no maximum


class NoFitError(ValueError):
    """A model has no finite coefficients; the message is the reason."""


class Cox(NamedTuple):
    """Fitted hazards: coefficients of P terms (log hazard ratio per unit), and the baseline.

    `cumulative` is the cumulative hazard of a person with average terms, just after each of the
    `days` with an event.
    """

    coefficients: Float[ndarray, " P"]
    covariance: Float[ndarray, "P P"]
    log_likelihood: float
    null_log_likelihood: float
    centre: Float[ndarray, " P"]
    days: Float[ndarray, " T"]
    cumulative: Float[ndarray, " T"]

    @property
    def errors(self) -> Float[ndarray, " P"]:
        """Standard errors of the coefficients."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def p(self) -> Float[ndarray, " P"]:
        """Wald's p of each coefficient."""
        return 2 * norm.sf(np.abs(self.coefficients) / self.errors)

    def score(self, terms: Float[ndarray, "M P"]) -> Float[ndarray, " M"]:
        """Return the log hazard ratio of each person to a person with average terms.

        Higher is worse. `terms` are in the units of the fit; the average is over the training
        people.
        """
        return (terms - self.centre) @ self.coefficients

    def risk(self, terms: Float[ndarray, "M P"], day: float) -> Float[ndarray, " M"]:
        """Return the probability of the event by a day; 0 before the first training event."""
        return 1 - np.exp(-self.hazard_at(day) * np.exp(self.score(terms)))

    def hazard_at(self, day: float) -> float:
        """Return the baseline's cumulative hazard at a day; constant after the last event."""
        place = int(np.searchsorted(self.days, day, side="right")) - 1
        return float(self.cumulative[place]) if place >= 0 else 0.0


class _Deaths(NamedTuple):
    """Sums over people at risk at each of D events, in the order of time.

    `share` is the share of the tied events that is no longer at risk; 0 with Breslow's ties.
    """

    order: ndarray  # people by time
    starts: ndarray  # first place in that order that is at risk
    ends: ndarray  # first place after the tied people
    share: Float[ndarray, " D"]
    dead: ndarray  # places of the people with an event


def fit_cox(
    days: Cases, event: Cases, terms: Terms, *, ties: Ties = "efron", ridge: float = 0.0
) -> Cox:
    """Fit the hazards of N people by partial likelihood.

    The log likelihood is reduced by `ridge` / 2 times the sum of squared coefficients of
    standardised terms, so that many correlated terms have finite coefficients. Then standard errors
    are too small.

    Source: Cox 1972, doi:10.1111/j.2517-6161.1972.tb00899.x; ties: Efron 1977,
    doi:10.1080/01621459.1977.10480613, or Breslow 1974, doi:10.2307/2529620; ridge: Verweij and
    Van Houwelingen 1994, doi:10.1002/sim.4780132307.

    Raises:
        NoFitError: there is no event, or a term does not vary, depends on other terms, or separates
            people with the event.
    """
    if not event.any():
        raise NoFitError("no person has the event")
    centre, scale = terms.mean(axis=0), terms.std(axis=0)
    if terms.shape[1] and not (scale > 0).all():
        raise NoFitError(f"term {int(np.flatnonzero(~(scale > 0))[0]) + 1} does not vary")
    plain, deaths = (terms - centre) / scale, _deaths(days, event, ties)
    value, found, hessian = _maximised(plain, deaths, ridge)
    null = _likelihood(np.zeros(terms.shape[1]), plain, deaths)[0]
    try:
        covariance = np.linalg.inv(hessian) / np.outer(scale, scale)
    except np.linalg.LinAlgError as wrong:
        raise NoFitError("a term depends on the others") from wrong
    where, cumulative = _baseline(days, event, plain @ found)
    return Cox(found / scale, covariance, value, null, centre, where, cumulative)


def _maximised(terms: Terms, deaths: _Deaths, ridge: float) -> tuple[float, ndarray, ndarray]:
    """Log likelihood at its maximum, coefficients, and the negative second derivative."""
    found = np.zeros(terms.shape[1])
    value, slope, hessian = _penalised(found, terms, deaths, ridge)
    for _ in range(STEPS):
        if not len(found) or np.abs(slope).max() < CLOSE * max(1.0, len(deaths.dead)):
            if _is_flat(hessian, deaths):
                break
            return value, found, hessian
        if np.linalg.cond(hessian) > 1 / CLOSE:
            raise NoFitError("a term depends on the others, or separates those with the event")
        step = np.linalg.solve(hessian, slope)
        for _ in range(HALVINGS):
            tried = _penalised(found + step, terms, deaths, ridge)
            if tried[0] >= value - CLOSE * abs(value):
                break
            step = step / 2
        found, (value, slope, hessian) = found + step, tried
        if np.abs(found).max() > LARGEST or not math.isfinite(value):
            break
    raise NoFitError("a term separates those with the event from the others: no finite hazard")


def _is_flat(hessian: ndarray, deaths: _Deaths) -> bool:
    """Return True if the likelihood is nearly flat: it has no maximum at a finite coefficient."""
    return len(hessian) > 0 and np.linalg.eigvalsh(hessian).min() < FLAT * len(deaths.dead)


def _deaths(days: Cases, event: Cases, ties: Ties) -> _Deaths:
    order = np.lexsort((-event, days))  # at equal times, people with the event come first
    times, happened = days[order], event[order] == 1
    dead = np.flatnonzero(happened)
    starts = np.searchsorted(times, times[dead], side="left")
    tied = np.searchsorted(dead, starts)
    counts = np.bincount(tied, minlength=len(dead))[tied]
    share = (np.arange(len(dead)) - tied) / counts if ties == "efron" else np.zeros(len(dead))
    return _Deaths(order, starts, starts + counts, share, dead)


def _penalised(
    found: ndarray, terms: Terms, deaths: _Deaths, ridge: float
) -> tuple[float, ndarray, ndarray]:
    value, slope, hessian = _likelihood(found, terms, deaths)
    value -= ridge / 2 * float(found @ found)
    return value, slope - ridge * found, hessian + ridge * np.eye(len(found))


def _likelihood(found: ndarray, terms: Terms, deaths: _Deaths) -> tuple[float, ndarray, ndarray]:
    """Log partial likelihood with its first and negative second derivative."""
    x = terms[deaths.order]
    score = x @ found
    weight = np.exp(score - score.max(initial=0.0))
    products = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    columns = weight[:, None] * np.column_stack([np.ones(len(x)), x, products])
    # summed from the last person: differences of total sums would lose digits of the last people
    behind = np.vstack([np.cumsum(columns[::-1], axis=0)[::-1], np.zeros(columns.shape[1])])
    at_risk = behind[deaths.starts]
    tied = at_risk - behind[deaths.ends]
    sums = at_risk - deaths.share[:, None] * tied
    count = x.shape[1]
    if not (sums[:, 0] > 0).all():  # a step so long that weights are rounded to 0
        return -math.inf, np.full(count, np.nan), np.full((count, count), np.nan)
    means = sums[:, 1 : 1 + count] / sums[:, :1]
    value = float(score[deaths.dead].sum() - np.log(sums[:, 0]).sum())
    value -= len(deaths.dead) * float(score.max(initial=0.0))
    squares = (sums[:, 1 + count :] / sums[:, :1]).sum(axis=0).reshape(count, count)
    return value, (x[deaths.dead] - means).sum(axis=0), squares - means.T @ means


def _baseline(days: Cases, event: Cases, score: Cases) -> tuple[ndarray, ndarray]:
    """Days of events, and Breslow's cumulative hazard of a score of 0 after each."""
    times = np.unique(days[event == 1])
    order = np.argsort(days, kind="stable")
    weight = np.exp(score[order])
    behind = np.cumsum(weight[::-1])[::-1]
    at_risk = behind[np.searchsorted(days[order], times, side="left")]
    counts = np.bincount(np.searchsorted(times, days[event == 1]), minlength=len(times))
    return times, np.cumsum(counts / at_risk)


def proportionality(days: Cases, event: Cases, terms: Terms, fit: Cox) -> ndarray:
    """Return p (P,) of the test whether each term's hazard ratio is the same at all times.

    The test correlates scaled Schoenfeld residuals with the rank of the event's time: 1 plus the
    number of earlier events.

    Source: Schoenfeld 1982, doi:10.1093/biomet/69.1.239; Grambsch and Therneau 1994,
    doi:10.1093/biomet/81.3.515.
    """
    deaths = _deaths(days, event, "efron")
    x = terms[deaths.order]
    weight = np.exp((x - fit.centre) @ fit.coefficients)
    columns = weight[:, None] * np.column_stack([np.ones(len(x)), x])
    before = np.vstack([np.zeros(columns.shape[1]), np.cumsum(columns, axis=0)])
    tied = before[deaths.ends] - before[deaths.starts]
    sums = before[-1] - before[deaths.starts] - deaths.share[:, None] * tied
    means = sums[:, 1:] / sums[:, :1]
    times = days[deaths.order][deaths.dead]
    for start in np.unique(deaths.starts):  # tied events share the mean of their sums
        means[deaths.starts == start] = means[deaths.starts == start].mean(axis=0)
    residuals = len(times) * (x[deaths.dead] - means) @ fit.covariance
    ranks = rankdata(times, method="min")
    ranks = ranks - ranks.mean()
    spread = len(times) * np.diag(fit.covariance) * float(ranks @ ranks)
    if not (spread > 0).all():
        return np.full(terms.shape[1], math.nan)
    return chi2.sf((ranks @ residuals) ** 2 / spread, 1)
