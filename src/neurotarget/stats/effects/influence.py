"""Whether one person carries an effect: who is left out, what is then found, a robust estimate.

Each hypothesis, as declared and in the model that answers it, is put to the volumes without each of
the people who move it most, by least squares in closed form; the one whose absence changes the
verdict or the sign is named, else the one who moves the estimate furthest. Beside it stands an
estimate that single people hardly move, and who lies far from the rest by median and MAD, which
outliers do not hide as they do behind a mean and an SD that they have made themselves.

Source: Belsley et al. 1980, doi:10.1002/0471725153 (deletion); Leys et al. 2013,
doi:10.1016/j.jesp.2013.03.013 (median ± 3 MAD); Huber 1964, doi:10.1214/aoms/1177703732; Sen 1968,
doi:10.1080/01621459.1968.10480934 (slopes).
"""

import math
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.stats import norm, theilslopes
from statsmodels.robust.norms import HuberT
from statsmodels.robust.robust_linear_model import RLM

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.subjects import Cohort, NotEstimableError, gather
from neurotarget.stats.core.interval import LEVEL
from neurotarget.stats.effects.effects import Effect, estimate_effect, label_of
from neurotarget.stats.effects.model import Design, design
from neurotarget.stats.effects.variants import DECLARED, Variant, variants

FAR = 3.0  # scaled MADs from the median
NORMAL = 1.4826  # MAD times it is the SD of a normal distribution
FEWEST = 5  # values that have a median and a MAD worth the name
TRIED = 5  # people who move the estimate, and as many who lie far off, that are left out in turn
NAMED = 6  # outliers that a cell lists
HUBER, THEIL_SEN = "Huber", "Theil–Sen"
COLUMNS = (
    *("hypothesis", "label", "method", "model", "unit", "estimate", "low", "high", "verdict"),
    *("case_id", "estimate_without", "without_low", "without_high", "verdict_without", "changes"),
    *("robust", "robust_low", "robust_high", "robust_kind"),
    *("n", "n_outliers", "outliers", "reason"),
)
TEXTS = ("unit", "verdict", "case_id", "verdict_without", "changes", "robust_kind", "outliers")
NOTHING = dict.fromkeys(COLUMNS, math.nan) | dict.fromkeys((*TEXTS, "reason"), "")
SIGN, VERDICT = "sign", "verdict"


class _Asked(NamedTuple):
    """A hypothesis in one of its models; volumes are taken as they are in all that lead."""

    hypothesis: Hypothesis
    model: Variant
    unit: str  # of the volumes


class _Robust(NamedTuple):
    """An estimate that single people hardly move, and what the people differ from it by."""

    value: float
    low: float
    high: float
    kind: str
    left: Float[ndarray, " N"]


def far_off(values: Float[ndarray, " N"]) -> Bool[ndarray, " N"]:
    """Which values lie more than three scaled MADs from the median.

    NaN is never far off. Nobody is where fewer than five are known, or more than half are equal.

    Source: Leys et al. 2013, doi:10.1016/j.jesp.2013.03.013.
    """
    known = values[np.isfinite(values)]
    if len(known) < FEWEST:
        return np.zeros(len(values), dtype=bool)
    middle = float(np.median(known))
    spread = NORMAL * float(np.median(np.abs(known - middle)))
    if spread == 0:
        return np.zeros(len(values), dtype=bool)
    return np.nan_to_num(np.abs(values - middle), nan=0.0) > FAR * spread


def outlier_notes(measured: Measured) -> list[str]:
    """Sentences on volumes that lie far from the others', by method and label."""
    found = []
    for method, volumes in measured.volumes.items():
        for label in measured.target.label_names:
            values = volumes[label]
            cases = values.index[far_off(values.to_numpy(dtype=float))]
            if len(cases):
                far = [f"{case} ({values[case]:,.0f} mm³)" for case in cases[:NAMED]]
                rest = f" and {len(cases) - NAMED} more" if len(cases) > NAMED else ""
                lie, masks = ("lies", "this mask") if len(cases) == 1 else ("lie", "these masks")
                found.append(
                    f"{len(cases)} of {int(values.notna().sum())} {method} volumes of {label} "
                    f"{lie} more than {FAR:g} MAD from the median: {', '.join(far)}{rest}; look at "
                    f"{masks}."
                )
    return found


def influence_table(
    measured: Measured,
    effects: pd.DataFrame | None = None,
    *,
    refused: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> pd.DataFrame:
    """A row a hypothesis and method: with everybody, without the one who matters most, robust.

    A model that leads in `effects`, the study's table, has rows beside those as declared.

    `changes` says whether the sign of the estimate or the verdict is another without that person
    ("sign", "verdict", "sign and verdict", else empty). `outliers` are people far from the robust
    model. Methods and labels that are `refused` have no numbers, for the reason given.
    """
    rows = []
    for hypothesis in measured.target.hypotheses:
        label = label_of(hypothesis, measured)
        for method, volumes in measured.asked(hypothesis).items():
            for model in _models(hypothesis, measured.covariates, effects):
                row = NOTHING | {"hypothesis": hypothesis.name, "label": label, "method": method}
                row |= {"model": model.name}
                if why := refused.get((method, label)):
                    rows.append(row | {"reason": why})
                    continue
                case = _Asked(hypothesis, model, measured.unit_of(hypothesis))
                rows.append(row | _row(case, volumes[label], measured.covariates))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def influence_note(row: Mapping) -> str:
    """What a reader must know where an effect hangs on one person; else empty."""
    if not row.get("changes"):
        return ""
    without = _words(row["estimate_without"], row["without_low"], row["without_high"])
    note = f"without {row['case_id']} alone it is {without}"
    if VERDICT in row["changes"]:
        note += f", {row['verdict_without']} instead of {row['verdict']}"
    elif SIGN in row["changes"]:
        note += ", of the other sign"
    robust = _words(row["robust"], row["robust_low"], row["robust_high"])
    return f"{note}; a robust estimate ({row['robust_kind']}) is {robust}"


def _words(value: float, low: float, high: float) -> str:
    digits = max(0, 1 - math.floor(math.log10(abs(value) or 1.0)))
    texts = (f"{round(number, digits) + 0.0:.{digits}f}" for number in (value, low, high))
    return "{} [{}, {}]".format(*(text.replace("-", "−") for text in texts))


def _models(
    hypothesis: Hypothesis, covariates: pd.DataFrame, effects: pd.DataFrame | None
) -> list[Variant]:
    """The declared model, and the one that leads where that is another."""
    if effects is None:
        return [Variant(DECLARED, hypothesis)]
    own = effects[(effects["hypothesis"] == hypothesis.name) & effects["leads"].astype(bool)]
    names = {DECLARED, *own["model"]}
    return [model for model in variants(hypothesis, covariates) if model.name in names]


def _row(asked: _Asked, volumes: pd.Series, covariates: pd.DataFrame) -> dict:
    """What one model finds; random sites are taken as fixed ones to find who matters."""
    needs = asked.model.needs
    try:
        cohort = gather(needs, volumes.to_frame("volume"), covariates)
        columns = design(needs, cohort.covariates)
    except NotEstimableError as why:
        return {"reason": str(why)}
    whole = _effect(asked, cohort)
    row = {"unit": whole.unit, "n": whole.n}
    if math.isnan(whole.estimate):
        return row | {"reason": whole.reason}
    values = cohort.volumes["volume"].to_numpy()
    robust = _robust(asked.hypothesis, columns, values)
    far = cohort.volumes.index[far_off(robust.left)]
    named = ", ".join(map(str, far[:NAMED])) + (" …" if len(far) > NAMED else "")
    return row | {
        **{"estimate": whole.estimate, "low": whole.low, "high": whole.high},
        "verdict": whole.verdict,
        **_without(asked, cohort, columns, whole),
        **{"robust": robust.value, "robust_low": robust.low, "robust_high": robust.high},
        "robust_kind": robust.kind,
        **{"n_outliers": len(far), "outliers": named},
    }


def _effect(asked: _Asked, cohort: Cohort, out: object | None = None) -> Effect:
    """The effect on the people of a cohort, without one of them."""
    values, terms = cohort.volumes["volume"], cohort.covariates
    if out is not None:
        values, terms = values.drop(out), terms.drop(out)
    return estimate_effect(asked.hypothesis, values, terms, unit=asked.unit, model=asked.model)


def _without(asked: _Asked, cohort: Cohort, columns: Design, whole: Effect) -> dict:
    """Who changes the verdict or the sign, or else moves the estimate most, and what is left.

    A sign counts where the person moves the estimate by more than its standard error: one near 0
    changes it by chance (Belsley's DFBETAS above 1).
    """
    found = []
    for place in _candidates(columns, cohort.volumes["volume"].to_numpy()):
        case = cohort.volumes.index[place]
        effect = _effect(asked, cohort, out=case)
        if math.isnan(effect.estimate):
            continue
        moved = abs(effect.estimate - whole.estimate)
        error = (effect.high - effect.low) / (2 * float(norm.ppf((1 + LEVEL) / 2)))
        is_turned = effect.estimate * whole.estimate < 0 and moved > error
        changed = [SIGN] if is_turned else []
        changed += [VERDICT] if effect.verdict != whole.verdict else []
        found.append((len(changed), moved, case, effect, changed))
    if not found:
        return {}
    _, _, case, effect, changed = max(found, key=lambda one: (bool(one[0]), one[1]))
    return {
        "case_id": str(case),
        **{"estimate_without": effect.estimate, "without_low": effect.low},
        **{"without_high": effect.high, "verdict_without": effect.verdict},
        "changes": " and ".join(changed),
    }


def _candidates(columns: Design, values: Float[ndarray, " N"]) -> list[int]:
    """Places of those who move the estimate most, and of those who lie furthest from the model."""
    model = _model(columns)
    inverse = np.linalg.pinv(model)
    left = values - model @ (inverse @ values)
    free = 1 - np.einsum("np,pn->n", model, inverse)
    free = np.where(free > np.sqrt(np.finfo(float).eps), free, np.nan)  # one who has a term alone
    moved, apart = np.abs(inverse[0] * left / free), np.abs(left) / np.sqrt(free)
    orders = (np.argsort(-np.nan_to_num(one))[:TRIED].tolist() for one in (moved, apart))
    return list(dict.fromkeys(place for order in orders for place in order))


def _model(columns: Design) -> Float[ndarray, "N P"]:
    """All columns of a model, the tested one first and centred, in units of its SD."""
    tested = columns.tested - columns.tested.mean()
    return np.column_stack([tested / columns.tested.std(), columns.others])


def _robust(hypothesis: Hypothesis, columns: Design, values: Float[ndarray, " N"]) -> _Robust:
    """Theil and Sen's slope where a covariate stands alone, else Huber's M-estimate."""
    if hypothesis.groups is None and columns.others.shape[1] == 1:
        slope, intercept, low, high = theilslopes(values, columns.tested, alpha=LEVEL)
        left = values - intercept - slope * columns.tested
        return _Robust(float(slope), float(low), float(high), THEIL_SEN, left)
    model, scale = _model(columns), float(columns.tested.std())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of iterations that find nothing more to change
        found = RLM(values, model, M=HuberT()).fit()
    value, error = float(found.params[0]) / scale, float(found.bse[0]) / scale
    half = float(norm.ppf((1 + LEVEL) / 2)) * error
    return _Robust(value, value - half, value + half, HUBER, np.asarray(found.resid))
