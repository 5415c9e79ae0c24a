"""The models in which a hypothesis is put to volumes: as declared, by site, at equal head size."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy import ndarray

from neurotarget.hypothesis import Hypothesis
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
    """A hypothesis, the covariate of head size that is taken out of its volumes before, and the
    one whose groups have intercepts of their own (random effects).
    """

    name: str
    hypothesis: Hypothesis
    tiv: str | None = None
    random: str | None = None

    @property
    def numbers(self) -> tuple[str, ...]:
        """Numbers that are needed beside those of the hypothesis."""
        return (self.tiv,) if self.tiv else ()

    @property
    def needs(self) -> Hypothesis:
        """The hypothesis with all covariates that subjects must have."""
        more = (self.random,) if self.random else ()
        return replace(self.hypothesis, adjust=(*self.hypothesis.adjust, *more))


def variants(hypothesis: Hypothesis, covariates: pd.DataFrame) -> Iterator[Variant]:
    """As declared; with site, fixed and random, where site explains what is tested; by head size.

    Where there is a TIV that the hypothesis lacks, it is taken out by ANCOVA, residual and
    proportion. The mean of a contrast does not grow with the head, so it is tested without.
    """
    yield Variant(DECLARED, hypothesis)
    if explains(hypothesis, covariates):
        yield Variant(WITH_SITE, replace(hypothesis, adjust=(*hypothesis.adjust, SITE)))
        yield Variant(SITE_RANDOM, hypothesis, random=SITE)
    tiv = None if hypothesis.contrast else find_tiv(covariates.columns)
    if tiv is None or find_tiv(hypothesis.variables) is not None:
        return
    yield Variant(ANCOVA, replace(hypothesis, adjust=(*hypothesis.adjust, tiv)))
    yield Variant(RESIDUAL, hypothesis, tiv)
    yield Variant(PROPORTION, hypothesis, tiv)


def adjusted_volumes(variant: Variant, cohort: Cohort) -> tuple[pd.DataFrame, str]:
    """Volumes of a cohort as the variant wants them, and a note where TIV could not be used.

    Raises:
        NotEstimableError: a TIV is 0 or less.
    """
    if not variant.tiv:
        return cohort.volumes, ""
    tiv = cohort.covariates[variant.tiv].to_numpy()
    if not (tiv > 0).all():
        raise NotEstimableError(f"{variant.tiv} is not positive (such as {tiv.min():g})")
    if np.ptp(tiv) == 0:
        return cohort.volumes, f"{variant.tiv} left out: it does not vary"
    among = controls(variant, cohort.covariates)
    table = {
        method: residual(values, tiv, controls=among)
        if variant.name == RESIDUAL
        else proportion(values, tiv)
        for method, values in cohort.volumes.items()
    }
    return pd.DataFrame(table, index=cohort.volumes.index), ""


def controls(variant: Variant, terms: pd.DataFrame) -> Bool[ndarray, " N"]:
    """Who the TIV slope is taken from: the control group where two groups are one, else all."""
    named = {key(name) for name in variant.hypothesis.groups or ()} & CONTROLS
    if len(named) != 1:
        return np.ones(len(terms), dtype=bool)
    return terms[variant.hypothesis.covariate].map(key).isin(named).to_numpy()
