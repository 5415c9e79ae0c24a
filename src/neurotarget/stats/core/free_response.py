"""Free-response curve: share of findings that are marked against false marks per case.

M marks, C cases, S subjects, R rows of weights over subjects, T points of the curve. The mark of
the highest probability on a finding is its hit; further marks on it count neither as hit nor false.

Source: Bunch et al. 1978, doi:10.1117/12.955926; rates of LUNA16, Setio et al. 2017,
doi:10.1016/j.media.2017.06.015.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)  # false marks per case at which sensitivity is reported
ROUNDING = 1e-9  # of sums of weights

Weights = Float[ndarray, "R S"]


class Response(NamedTuple):
    """Marks of all cases in descending probability, and each person's cases and findings."""

    probability: Float[ndarray, " M"]
    is_hit: Bool[ndarray, " M"]  # the first mark on a finding
    is_false: Bool[ndarray, " M"]  # on no finding
    subject: Integer[ndarray, " M"]  # number of the person, from 0
    cases: Float[ndarray, " S"]  # number of each person's cases
    findings: Float[ndarray, " S"]  # number of findings in each person's cases


class FreeResponse(NamedTuple):
    """Points of the curve in descending threshold; a mark at the threshold counts."""

    threshold: Float[ndarray, " T"]
    false_per_case: Float[ndarray, " T"]
    sensitivity: Float[ndarray, " T"]


def response(
    probability: Float[ndarray, " M"],
    finding: Integer[ndarray, " M"],
    case: Integer[ndarray, " M"],
    findings: Integer[ndarray, " C"],
    subject: Integer[ndarray, " C"],
) -> Response:
    """Sort marks by descending probability and count the findings per person.

    Args:
        probability: of each mark.
        finding: number of the finding under each mark, within its case; 0 for a false mark.
        case: number of each mark's case, from 0.
        findings: number of findings in each case, also in cases without marks.
        subject: number of each case's person, from 0.
    """
    order = np.argsort(-probability, kind="stable")
    probability, finding, case = probability[order], finding[order], case[order]
    first = np.zeros(len(order), dtype=bool)
    if len(order):
        first[np.unique(np.stack([case, finding]), axis=1, return_index=True)[1]] = True
    people = int(subject.max(initial=-1)) + 1
    return Response(
        probability,
        first & (finding > 0),
        finding == 0,
        subject[case],
        np.bincount(subject, minlength=people).astype(float),
        np.bincount(subject, weights=findings, minlength=people).astype(float),
    )


def free_response(marks: Response) -> FreeResponse:
    """Return the curve of all cases; at its first point no mark counts.

    Raises:
        ValueError: no case has a finding.
    """
    if not marks.findings.sum():
        raise ValueError("free_response: found no finding, wanted one or more; leave the curve out")
    false, hits = _sums(np.ones((1, len(marks.cases))), marks)
    lasts = _lasts(marks.probability)
    return FreeResponse(
        np.r_[np.inf, marks.probability[lasts]],
        np.r_[0.0, false[0, lasts] / marks.cases.sum()],
        np.r_[0.0, hits[0, lasts] / marks.findings.sum()],
    )


def sensitivity_at(weights: Weights, marks: Response, rate: float) -> Float[ndarray, " R"]:
    """Sensitivity at the lowest threshold with at most `rate` false marks per case, for each row.

    NaN where the subjects of a row have no finding.
    """
    lasts = _lasts(marks.probability)
    false, hits = (sums[:, lasts] for sums in _sums(weights, marks))
    n_cases, n_findings = weights @ marks.cases, weights @ marks.findings
    allowed = (false <= rate * n_cases[:, None] + ROUNDING).sum(axis=1)
    found = np.concatenate([np.zeros((len(weights), 1)), hits], axis=1)
    number = np.take_along_axis(found, allowed[:, None], axis=1)[:, 0]
    return np.divide(number, n_findings, out=np.full(len(weights), np.nan), where=n_findings > 0)


def _sums(weights: Weights, marks: Response) -> tuple[Float[ndarray, "R M"], Float[ndarray, "R M"]]:
    """Weighted numbers of false marks and of hits down to each mark."""
    own = weights[:, marks.subject]
    return (own * marks.is_false).cumsum(axis=1), (own * marks.is_hit).cumsum(axis=1)


def _lasts(probability: Float[ndarray, " M"]) -> Integer[ndarray, " T"]:
    """Last marks of equal probability, which a threshold does not separate."""
    if not len(probability):
        return np.zeros(0, dtype=int)
    return np.flatnonzero(np.r_[np.diff(probability) != 0, True])
