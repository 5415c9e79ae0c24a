"""The linear model of a hypothesis: its columns and its fit.

N subjects, P columns.
"""

import math
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.linalg import qr
from scipy.special import stdtr
from statsmodels.regression.linear_model import OLS

from neurotarget.hypothesis import SPLINE, Hypothesis
from neurotarget.stats.cohort.subjects import (
    NotEstimableError,
    is_category,
    key,
    levels,
    quantities,
)
from neurotarget.stats.core.discrimination import welch
from neurotarget.stats.core.spline import knots, natural_spline

FEWEST = 3  # fewest subjects in a group, and fewest degrees of freedom, for an estimate
ROUNDING = 1e-10  # relative size of rounding errors

Values = Float[ndarray, " N"]


class Design(NamedTuple):
    """Columns of a linear model: the tested one, whose coefficient is the effect, and all others.

    `others` begins with the constant. `notes` lists terms that were left out, and the direction in
    which an interaction counts.
    """

    tested: Float[ndarray, " N"]
    others: Float[ndarray, "N P"]
    notes: tuple[str, ...] = ()

    @property
    def scale(self) -> float:
        """SD of the tested column."""
        return float(self.tested.std())

    @property
    def matrix(self) -> Float[ndarray, "N P"]:
        """All columns, the tested one first and centred, in units of its SD."""
        return np.column_stack([(self.tested - self.tested.mean()) / self.scale, self.others])


class Fit(NamedTuple):
    """An effect in the unit of its quantity per unit of its covariate.

    `error` allows for unequal spread (Welch's, or HC3). `spread` is the residual SD of the values,
    `spread_freedom` its degrees of freedom, and `leverage` the standard error of the effect at an
    equal residual SD of 1.
    """

    estimate: float
    error: float  # standard error
    freedom: float
    p: float
    spread: float
    spread_freedom: float
    leverage: float
    group_spread: float = math.nan  # pooled SD within two groups, without adjustment
    group_freedom: float = math.nan


def design(hypothesis: Hypothesis, terms: pd.DataFrame) -> Design:
    """Build the model columns of a hypothesis from complete covariates, one row per subject.

    Numbers are centred, and categories are coded against their first level. An interaction `a*b` is
    the product of both, centred, and adds its main effects. So the effect of `a` in a model with
    `a*b` is the effect at the cohort's mean of `b`. `spline(a)` is a natural cubic spline. Terms
    that do not vary are left out and noted.

    Raises:
        NotEstimableError: groups are too small, or the tested covariate does not vary or is
            collinear with the others.
    """
    tested, notes = _tested(hypothesis, terms)
    others, more = _others(hypothesis, terms)
    others = others[:, independent(others)]
    both = np.column_stack([others, (tested - tested.mean()) / tested.std()])
    if len(independent(both)) == others.shape[1]:
        rest = ", ".join(hypothesis.adjust) or "its main effects"
        raise NotEstimableError(f"it cannot be distinguished from {rest}")
    return Design(tested, others, (*notes, *more))


def term_columns(hypothesis: Hypothesis, terms: pd.DataFrame) -> Float[ndarray, "N P"]:
    """Return the constant and the independent columns of all terms (see `design`).

    Models that predict values use them: the tested covariate is a term like all others.
    """
    untested = replace(hypothesis, covariate="", groups=None, adjust=hypothesis.terms)
    columns, _ = _others(untested, terms)
    return columns[:, independent(columns)]


def fit(hypothesis: Hypothesis, columns: Design, values: Values, what: str = "") -> Fit:
    """Fit least squares with robust errors (HC3), or compare two groups by Welch's test.

    Welch's test is used for a group difference without other terms. `what` names the outcome in
    errors, by default the tested quantity.

    Source: Welch 1947, doi:10.1093/biomet/34.1-2.28; MacKinnon and White 1985,
    doi:10.1016/0304-4076(85)90158-7 (HC3).

    Raises:
        NotEstimableError: the values do not vary, or too few subjects are left.
    """
    what = what or quantities(hypothesis)
    if np.ptp(values) <= ROUNDING * np.abs(values).max():
        raise NotEstimableError(f"the {what} do not vary")
    if hypothesis.groups and not hypothesis.adjust:
        return _welch(values, columns.tested, what)
    return _least_squares(values, columns, what)


def independent(columns: Float[ndarray, "N P"]) -> Integer[ndarray, " Q"]:
    """Return the indices of linearly independent columns that span the same space as all.

    Columns must have similar scales; a cohort without subjects has no columns.
    """
    if not columns.size:
        return np.empty(0, dtype=int)
    _, triangle, order = qr(columns, mode="economic", pivoting=True)
    sizes = np.abs(np.diag(triangle))
    return np.sort(order[: len(sizes)][sizes > ROUNDING * sizes[0]])


def _tested(hypothesis: Hypothesis, terms: pd.DataFrame) -> tuple[ndarray, tuple[str, ...]]:
    name = hypothesis.covariate
    if hypothesis.groups:
        keys = terms[name].map(key)
        first, second = (keys == key(group) for group in hypothesis.groups)
        for group, members in zip(hypothesis.groups, (first, second), strict=True):
            _refuse_few(int(members.sum()), f"{name} {group}")
        return first.to_numpy(dtype=float), ()
    if len(terms) < FEWEST:
        raise NotEstimableError(f"{len(terms)} subjects, wanted more")
    if "*" in name:
        return _interaction(name.split("*"), terms)
    values = terms[name].to_numpy(dtype=float)
    if _constant(terms[name]):
        raise NotEstimableError("the covariate does not vary")
    return values, ()


def _refuse_few(count: int, who: str) -> None:
    if count < FEWEST:
        subjects = "subject" if count == 1 else "subjects"
        raise NotEstimableError(f"{count} {subjects} with {who}, wanted {FEWEST} or more")


def _interaction(names: list[str], terms: pd.DataFrame) -> tuple[ndarray, tuple[str, ...]]:
    """Product of two covariates in their units, and the direction of its categories."""
    column, notes = np.ones(len(terms)), []
    for name in names:
        values = terms[name]
        if _constant(values):
            raise NotEstimableError(f"{name} does not vary")
        if is_category(values):
            both = levels(values)
            if len(both) > 2:
                raise NotEstimableError(
                    f"{name} has {len(both)} categories; an interaction is one number for two"
                )
            for level in both:
                _refuse_few(int((values == level).sum()), f"{name} {level}")
            notes.append(f"{name} counts {both[1]} minus {both[0]}")
            values = (values == both[1]).astype(float)
        column = column * (values - values.mean()).to_numpy(dtype=float)
    if np.ptp(column) == 0:
        raise NotEstimableError(f"{'*'.join(names)} does not vary")
    return column, tuple(notes)


def _others(hypothesis: Hypothesis, terms: pd.DataFrame) -> tuple[ndarray, tuple[str, ...]]:
    """Constant and all columns but the tested one, scaled to about 1; notes on omitted terms."""
    names: list[str] = []
    for term in hypothesis.terms:
        names += [*term.split("*"), term] if "*" in term else [term]
    names = [name for name in dict.fromkeys(names) if name != hypothesis.covariate]
    columns, notes = [np.ones((len(terms), 1))], []
    for name in names:
        match = SPLINE.fullmatch(name)
        variables = [match[1]] if match else name.split("*")
        if any(_constant(terms[variable]) for variable in variables):
            if len(variables) == 1:  # for a product, its main effect has the note
                notes.append(f"{variables[0]} left out: it does not vary")
            continue
        if match:
            block, is_line = _spline(terms[match[1]])
            notes += [f"{name} is a straight line: too few values"] if is_line else []
        else:
            block = _product([_coded(terms[variable]) for variable in variables])
        columns.append(block)
    return np.column_stack(columns), tuple(dict.fromkeys(notes))


def _constant(values: pd.Series) -> bool:
    return values.nunique() < 2


def _coded(values: pd.Series) -> Float[ndarray, "N P"]:
    """A number in units of its SD; a category as indicators of its levels after the first."""
    if not is_category(values):
        return standard(values.to_numpy(dtype=float)[:, None])
    return np.column_stack([(values == level).astype(float) for level in levels(values)[1:]])


def _product(blocks: list[ndarray]) -> ndarray:
    if len(blocks) == 1:
        return blocks[0]
    first, second = (block - block.mean(axis=0) for block in blocks)
    pairs = product(first.T, second.T)
    return np.column_stack([one * other for one, other in pairs])


def _spline(values: pd.Series) -> tuple[Float[ndarray, "N P"], bool]:
    numbers = values.to_numpy(dtype=float)
    basis = natural_spline(numbers, knots(numbers))
    return standard(basis), basis.shape[1] == 1


def standard(columns: Float[ndarray, "N P"]) -> Float[ndarray, "N P"]:
    """Return columns minus their mean, in units of their SD; constant columns become 0.

    So the unit of a column has no influence on whether columns count as independent.
    """
    spread = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _welch(values: Values, tested: ndarray, what: str) -> Fit:
    a, b = values[tested == 1], values[tested != 1]
    spread, freedom = _within_groups(values, tested)
    if spread * math.sqrt(freedom) <= ROUNDING * np.abs(values).max():
        raise NotEstimableError(f"the {what} do not vary within the groups")
    return Fit(*welch(a, b), spread, freedom, math.sqrt(1 / len(a) + 1 / len(b)))


def _least_squares(values: Values, columns: Design, what: str) -> Fit:
    scale, model = columns.scale, OLS(values, columns.matrix)
    freedom = float(model.df_resid)
    if freedom < FEWEST:
        raise NotEstimableError(
            f"{len(values)} subjects for {model.exog.shape[1]} terms leave too few degrees of "
            "freedom"
        )
    fitted = model.fit()
    if fitted.ssr <= (ROUNDING * np.abs(values).max()) ** 2:
        raise NotEstimableError(f"the {what} do not vary about the model")
    estimate = float(fitted.params[0]) / scale
    error = robust_error(model.exog, fitted.resid) / scale
    spread, leverage = math.sqrt(fitted.scale), float(fitted.bse[0]) / scale
    p = float(2 * stdtr(freedom, -abs(estimate) / error))
    within = _within_groups(values, columns.tested)
    return Fit(estimate, error, freedom, p, spread, freedom, leverage / spread, *within)


def with_leverage(
    columns: Float[ndarray, "N P"],
) -> tuple[Float[ndarray, "P N"], Float[ndarray, " N"]]:
    """Return the pseudoinverse of a model's columns, and the leverage of each subject.

    The leverage is in [0, 1]. It is 1 for a subject with a term of their own, whose value the model
    fits exactly.
    """
    inverse = np.linalg.pinv(columns)
    return inverse, np.einsum("np,pn->n", columns, inverse)


def robust_error(columns: Float[ndarray, "N P"], residuals: Values) -> float:
    """Return the heteroscedasticity-robust (HC3) standard error of the first coefficient.

    A subject with a term of their own, such as the only subject of a site, contributes neither to
    the effect nor to its error.

    Source: MacKinnon and White 1985, doi:10.1016/0304-4076(85)90158-7; Long and Ervin 2000,
    doi:10.1080/00031305.2000.10474549 (for small samples).
    """
    inverse, leverage = with_leverage(columns)
    is_own = 1 - leverage < ROUNDING
    weighted = inverse[0] * np.where(is_own, 0.0, residuals / np.where(is_own, 1.0, 1 - leverage))
    return float(np.linalg.norm(weighted))


def _within_groups(values: Values, tested: ndarray) -> tuple[float, float]:
    """Pooled SD of values within the two groups in `tested`, and its degrees of freedom."""
    first = tested == 1
    if not (first | (tested == 0)).all():
        return math.nan, math.nan
    parts, freedom = (values[first], values[~first]), len(values) - 2
    squares = sum(float(np.square(part - part.mean()).sum()) for part in parts)
    return math.sqrt(squares / freedom), float(freedom)
