"""Choice of the leading model of a hypothesis, the one whose verdict counts, and remarks on it."""

import math
from collections.abc import Sequence

import pandas as pd

from neurotarget.hypothesis import Hypothesis
from neurotarget.number_text import digits_for, number
from neurotarget.problems import join_reasons
from neurotarget.quantity import VOLUME, is_of_masks
from neurotarget.stats.cohort.head_size import find_tiv
from neurotarget.stats.cohort.subjects import SEX, key, written
from neurotarget.stats.effects.confounding import people_per_site, site_share
from neurotarget.stats.effects.variants import (
    ANCOVA,
    DECLARED,
    PROPORTION,
    RESIDUAL,
    SITE_RANDOM,
    WITH_SITE,
)

FEWEST_A_SITE = 5  # with fewer people per site, sites are random effects
OF_HEAD = {DECLARED: "without it", ANCOVA: "as a covariate", RESIDUAL: "regressed out"}
OF_HEAD |= {PROPORTION: "as a share of it"}


def with_lead(rows: Sequence[dict], hypothesis: Hypothesis, covariates: pd.DataFrame) -> list[dict]:
    """Mark the leading model of one hypothesis in `leads` and give the reason in `remark`.

    Where site explains the tested covariate, the model with site leads: with fixed effects of site,
    or random effects if sites have fewer than five people on average. Where the sign depends on the
    adjustment for head size, the model with head size as a covariate leads. Otherwise the declared
    model leads. All methods have the same leading model; the first method's estimates decide.
    """
    own = [row for row in rows if row["method"] == rows[0]["method"]]
    by_model = {row["model"]: row for row in own}
    lead, remarks = DECLARED, []
    if WITH_SITE in by_model:
        is_sparse = people_per_site(covariates) < FEWEST_A_SITE
        is_random = is_sparse and math.isfinite(by_model[SITE_RANDOM]["estimate"])
        lead = SITE_RANDOM if is_random else WITH_SITE
        remarks.append(_site_remark(hypothesis, covariates, is_random=is_random))
    signs = {
        model: by_model[model]["estimate"]
        for model in OF_HEAD
        if model in by_model and math.isfinite(by_model[model]["estimate"])
    }
    if len({estimate > 0 for estimate in signs.values()}) > 1:
        lead = ANCOVA if lead == DECLARED else lead
        digits = digits_for(*signs.values())
        each = ", ".join(
            f"{number(value, digits, sign=True)} {OF_HEAD[model]}" for model, value in signs.items()
        )
        decides = ""
        if lead == ANCOVA:
            decides = ", so the verdict is that of the model with head size as a covariate"
        remarks.append(f"the sign depends on the correction for head size ({each}){decides}")
    elif _needs_head_size(hypothesis, covariates):
        remarks.append(
            "head size is not corrected for, and men have larger heads than women: a column eTIV "
            "in mm3, brain masks or skull-stripped scans would show how much of the difference is "
            "due to head size"
        )
    return [
        row | {"leads": row["model"] == lead} | {"remark": join_reasons(*remarks, row["remark"])}
        for row in rows
    ]


def _site_remark(hypothesis: Hypothesis, covariates: pd.DataFrame, *, is_random: bool) -> str:
    share = 100 * site_share(hypothesis, covariates)
    how = "a fixed effect"
    if is_random:
        how = f"a random effect (sites have fewer than {FEWEST_A_SITE} people on average)"
    return (
        f"site explains {share:.0f} % of the variance of {hypothesis.covariate}, so the verdict is "
        f"that of the model with site as {how}"
    )


def failed_remark(hypothesis: Hypothesis, lost: pd.Index, covariates: pd.DataFrame) -> str:
    """Return a sentence that counts the failures left out, per group in a group comparison."""
    if not len(lost):
        return ""
    what = "mask" if is_of_masks(hypothesis.measure) else "prediction"
    masks = f"1 {what} failed and is" if len(lost) == 1 else f"{len(lost)} {what}s failed and are"
    if not hypothesis.groups or hypothesis.covariate not in covariates:
        return f"{masks} left out"
    keys = covariates.loc[lost, hypothesis.covariate].map(key, na_action="ignore")
    counts = (f"{written(name)} {int((keys == key(name)).sum())}" for name in hypothesis.groups)
    return f"{masks} left out ({', '.join(counts)})"


def _needs_head_size(hypothesis: Hypothesis, covariates: pd.DataFrame) -> bool:
    tests_sex = hypothesis.covariate.casefold() in SEX
    known = find_tiv(covariates.columns) or find_tiv(hypothesis.variables)
    return tests_sex and hypothesis.measure == VOLUME and not known
