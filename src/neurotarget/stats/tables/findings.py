"""Detection of a finding by masks, where some cases have no finding: AUROC, sensitivity, Dice.

The score of a case is the size of its mask. A case without a predicted mask counts as predicted
negative in sensitivity and specificity and is left out of AUROC (Schuetz et al. 2012,
doi:10.1136/bmj.e6717). Intervals are 95 % intervals over people. `dice_positive` is over positive
cases; `dice_siim` is the score of SIIM-ACR 2019, which is 1 for a negative case with an empty mask
and so depends on the prevalence of the finding.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.core.clustered_auc import auc_of_cases
from neurotarget.stats.core.free_response import (
    RATES,
    Response,
    free_response,
    response,
    sensitivity_at,
)
from neurotarget.stats.core.interval import mean_interval
from neurotarget.stats.core.resample import BLOCK_ROWS
from neurotarget.stats.tables.agreement import NONE
from neurotarget.stats.tables.outcome_rows import (
    DELONG,
    FEW,
    OBUCHOWSKI,
    Value,
    from_estimate,
    resampled,
    share,
    unless_few,
)
from neurotarget.stats.tables.tables import T

COLUMNS = [
    *("label", "statistic", "sizes", "value", "low", "high", "interval"),
    *("n", "n_subjects", "n_missing", "reason"),
]
FREE_COLUMNS = [
    *("label", "false_per_film", "value", "low", "high", "interval"),
    *("n", "n_findings", "n_subjects", "n_missing", "reason"),
]
HIT_COLUMNS = [
    *("label", "statistic", "value", "low", "high", "interval"),
    *("n", "n_subjects", "n_missing", "reason"),
]
CURVE_COLUMNS = ["label", "threshold", "false_per_film", "sensitivity"]
ALL = "all"
THIRDS = ("smallest third", "middle third", "largest third")


class FilmMarks(NamedTuple):
    """Films with their number of findings, and marks with the finding under each mark."""

    films: pd.DataFrame  # case_id, subject, findings
    marks: pd.DataFrame  # case_id, probability, finding: its number in the film, 0 for none
    n_missing: int = 0  # films without a reference mask


def findings_table(measured: Measured) -> pd.DataFrame:
    """Return AUROC, sensitivity by size, specificity and Dice of each label.

    A label has no rows if there are no masks, if all cases have it, or if none has it.
    """
    rows = []
    network = measured.network
    has_masks = "metric" in measured.scores and (measured.scores["metric"] == "dice").any()
    if measured.reference is None or network is None or not has_masks:
        return pd.DataFrame(columns=COLUMNS)
    for label in measured.values[network].columns:
        cases = _cases(measured, label)
        if (cases["size"] > 0).any() and (cases["size"] == 0).any():
            rows += [{"label": label, **row} for row in _rows(cases)]
    return pd.DataFrame(rows, columns=COLUMNS)


def free_response_table(marks: FilmMarks, label: str, *, seed: int = 0) -> pd.DataFrame:
    """Return the share of findings that are marked at fixed numbers of false marks per film.

    Args:
        marks: films, also those without findings, and their marks.
        label: name of the finding, for the first column.
        seed: random seed of the bootstrap over people.

    Returns:
        One row per rate of `RATES`, with the interval over people.
    """
    known, rows = _response(marks), []
    n_subjects = len(known.cases)
    counts = {
        "n": len(marks.films),
        "n_findings": int(known.findings.sum()),
        "n_subjects": n_subjects,
        "n_missing": marks.n_missing,
    }
    for rate in RATES:
        value = resampled(
            lambda weights, rate=rate: _in_blocks(weights, known, rate), n_subjects, seed
        )
        rows.append({"label": label, "false_per_film": rate, **value._asdict(), **counts})
    return pd.DataFrame(rows, columns=FREE_COLUMNS)


def free_response_curve(marks: FilmMarks, label: str) -> pd.DataFrame:
    """Return the points of the free-response curve in descending threshold.

    Raises:
        ValueError: no film has a finding.
    """
    points = free_response(_response(marks))._asdict()
    curve = pd.DataFrame(points).rename(columns={"false_per_case": "false_per_film"})
    return curve.assign(label=label)[CURVE_COLUMNS]


def activation_hits_table(hits: pd.DataFrame, *, n_missing: int = 0) -> pd.DataFrame:
    """Return the share of activation maps with their maximum in a finding, and that by chance.

    Args:
        hits: one row per case and label: label, subject, hit, slice_hit, chance. `chance` is the
            probability that a random voxel lies in the finding.
        n_missing: number of cases whose maps could not be scored.
    """
    rows = []
    for label, own in hits.groupby("label", sort=False):
        people = own["subject"].nunique()
        counts = {"n": len(own), "n_subjects": people, "n_missing": n_missing}
        values = {
            name: unless_few(share(int(own[name].sum()), len(own), people, ""), people)
            for name in ("hit", "slice_hit")
        }
        values["chance"] = Value(float(own["chance"].mean()))
        rows += [
            {"label": label, "statistic": name, **value._asdict(), **counts}
            for name, value in values.items()
        ]
    return pd.DataFrame(rows, columns=HIT_COLUMNS)


def _response(marks: FilmMarks) -> Response:
    place = pd.Series(np.arange(len(marks.films)), index=marks.films["case_id"])
    return response(
        marks.marks["probability"].to_numpy(float),
        marks.marks["finding"].to_numpy(int),
        place.reindex(marks.marks["case_id"]).to_numpy(int),
        marks.films["findings"].to_numpy(int),
        _codes(marks.films["subject"]),
    )


def _in_blocks(weights: Float[ndarray, "R S"], marks: Response, rate: float) -> ndarray:
    """Sensitivity for each row of weights, in blocks of rows that fit into memory."""
    blocks = range(0, len(weights), BLOCK_ROWS)
    return np.concatenate(
        [sensitivity_at(weights[start : start + BLOCK_ROWS], marks, rate) for start in blocks]
    )


def _cases(measured: Measured, label: str) -> pd.DataFrame:
    """Subject, reference `size`, predicted `found` and scores of the cases with a reference."""
    scores = measured.scores[measured.scores["label"] == label]
    wide = scores.pivot(index="case_id", columns="metric", values="value")
    table = pd.DataFrame(
        {
            "subject": measured.subjects,
            "size": measured.values[measured.reference][label],
            "found": measured.values[measured.network][label],
            "dice": wide.get("dice", pd.Series(dtype=float)),
            "pieces": wide.get("pieces", pd.Series(dtype=float)),
        }
    )
    return table[table["size"].notna()]


def _rows(cases: pd.DataFrame) -> Iterator[dict]:
    positive, negative = cases[cases["size"] > 0], cases[cases["size"] == 0]
    known = cases[cases["found"].notna()]
    yield _row("auroc", ALL, known, _auroc(known), n_missing=len(cases) - len(known))
    thirds = np.digitize(positive["size"], np.quantile(positive["size"], [1 / 3, 2 / 3]))
    parts = [(ALL, positive)]
    parts += [(name, positive[thirds == place]) for place, name in enumerate(THIRDS)]
    for sizes, part in parts:
        hits = int((part["dice"] > 0).sum())
        value = share(hits, len(part), part["subject"].nunique(), "no case of this size")
        yield _row("sensitivity", sizes, part, value)
    rights = int((negative["found"] == 0).sum())  # a failed prediction is wrong
    value = share(rights, len(negative), negative["subject"].nunique(), "")
    yield _row("specificity", ALL, negative, value)
    for sizes, part in parts:
        yield _row("dice_positive", sizes, part, _mean(part["dice"].fillna(0.0), part["subject"]))
    credited = cases["dice"].where(cases["size"] > 0, (cases["found"] == 0).astype(float))
    yield _row("dice_siim", ALL, cases, _mean(credited.fillna(0.0), cases["subject"]))
    done = negative[negative["found"].notna()]
    pieces = _mean(done["pieces"].fillna(0.0), done["subject"])
    yield _row("false_pieces", ALL, done, pieces, n_missing=len(negative) - len(done))


def _row(statistic: str, sizes: str, part: pd.DataFrame, value: Value, n_missing: int = 0) -> dict:
    n_subjects = part["subject"].nunique()
    names = {"statistic": statistic, "sizes": sizes}
    counts = {"n": len(part), "n_subjects": n_subjects, "n_missing": n_missing}
    return names | unless_few(value, n_subjects)._asdict() | counts


def _auroc(cases: pd.DataFrame) -> Value:
    is_positive = (cases["size"] > 0).to_numpy()
    subject = _codes(cases["subject"])
    score = cases["found"].to_numpy(float)
    kind = DELONG if len(np.unique(subject)) == len(subject) else OBUCHOWSKI
    if not len(score):
        return Value(math.nan, reason="no mask was predicted")
    return from_estimate(auc_of_cases(score, is_positive, subject), kind)


def _mean(values: pd.Series, subjects: pd.Series) -> Value:
    """Mean over cases with Student's interval over people."""
    numbers: Float[ndarray, " N"] = values.to_numpy(float)
    codes = _codes(subjects)
    n_subjects = int(codes.max()) + 1 if len(codes) else 0
    if n_subjects < 2:
        return Value(float(numbers.mean()) if len(numbers) else math.nan, reason=FEW)
    low, high = mean_interval(numbers, codes, n_subjects)
    return Value(float(numbers.mean()), low, high, T if low < high else NONE)


def _codes(subjects: pd.Series) -> Integer[ndarray, " N"]:
    return np.unique(subjects.to_numpy(), return_inverse=True)[1]
