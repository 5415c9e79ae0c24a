"""The models of a hypothesis: as declared, with site, and adjusted for head size."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy import ndarray

from neurotarget.hypothesis import Hypothesis
from neurotarget.quantity import VOLUME
from neurotarget.stats.cohort.head_size import CONTROLS, find_tiv, proportion, residual
from neurotarget.stats.cohort.subjects import Cohort, NotEstimableError, key
from neurotarget.stats.effects.confounding import SITE, explains

DECLARED = "declared"
WITH_SITE = "with_site"
SITE_RANDOM = "site_random"
ANCOVA = "tiv_ancova"
RESIDUAL = "tiv_residual"
PROPORTION = "tiv_proportion"


class Variant(NamedTuple):
    """A model of a hypothesis.

    It names the head-size covariate that is removed from the values beforehand, and the covariate
    whose groups have random intercepts.
    """

    name: str
    hypothesis: Hypothesis
    tiv: str | None = None
    random: str | None = None

    @property
    def numbers(self) -> tuple[str, ...]:
        """Numeric covariates that the model needs in addition to those of the hypothesis."""
        return (self.tiv,) if self.tiv else ()

    @property
    def needs(self) -> Hypothesis:
        """The hypothesis with all covariates that subjects need for this model."""
        more = (self.random,) if self.random else ()
        return replace(self.hypothesis, adjust=(*self.hypothesis.adjust, *more))


def variants(hypothesis: Hypothesis, covariates: pd.DataFrame) -> Iterator[Variant]:
    """Yield the declared model, models with site if it confounds, and models with head size.

    Where the cohort has a TIV that is not in the hypothesis, one model each removes it by ANCOVA,
    residual and proportion. Only volumes have such models, since other quantities do not grow with
    the head.
    """
    yield Variant(DECLARED, hypothesis)
    if explains(hypothesis, covariates):
        yield Variant(WITH_SITE, replace(hypothesis, adjust=(*hypothesis.adjust, SITE)))
        yield Variant(SITE_RANDOM, hypothesis, random=SITE)
    tiv = find_tiv(covariates.columns) if hypothesis.measure == VOLUME else None
    if tiv is None or find_tiv(hypothesis.variables) is not None:
        return
    yield Variant(ANCOVA, replace(hypothesis, adjust=(*hypothesis.adjust, tiv)))
    yield Variant(RESIDUAL, hypothesis, tiv)
    yield Variant(PROPORTION, hypothesis, tiv)


def adjusted_values(variant: Variant, cohort: Cohort) -> tuple[pd.DataFrame, str]:
    """Return the cohort's values adjusted for the variant, and a note where TIV was not usable.

    Raises:
        NotEstimableError: a TIV is 0 or less.
    """
    if not variant.tiv:
        return cohort.values, ""
    tiv = cohort.covariates[variant.tiv].to_numpy()
    if not (tiv > 0).all():
        raise NotEstimableError(f"{variant.tiv} is not positive (such as {tiv.min():g})")
    if np.ptp(tiv) == 0:
        return cohort.values, f"{variant.tiv} left out: it does not vary"
    among = controls(variant, cohort.covariates)
    table = {
        method: residual(values.to_numpy(), tiv, controls=among)
        if variant.name == RESIDUAL
        else proportion(values.to_numpy(), tiv)
        for method, values in cohort.values.items()
    }
    return pd.DataFrame(table, index=cohort.values.index), ""


def controls(variant: Variant, terms: pd.DataFrame) -> Bool[ndarray, " N"]:
    """Return the people on whom the TIV slope is fitted: controls if there are any, else all.

    A group is recognised as controls by its name, such as `CN` or `healthy`.
    """
    named = {key(name) for name in variant.hypothesis.groups or ()} & CONTROLS
    if len(named) != 1:
        return np.ones(len(terms), dtype=bool)
    return terms[variant.hypothesis.covariate].map(key).isin(named).to_numpy()
