"""Tables of predicted outcomes, and of the marks of a finding on films."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from neurotarget.data.scans.geometry import Grid, image_to_native
from neurotarget.files.writing import table_text, write_text
from neurotarget.inference.ledger import CaseResult, Form, Ledger
from neurotarget.metrics.film_scores import Mark, film_score, marks_of
from neurotarget.types import Target

FILE = "outcomes.tsv"
MARK_COLUMNS = ("i", "j", "k", "probability")


class Finding(NamedTuple):
    """Probability of the outcome of a film, and marks with voxel indices of the scan as stored."""

    probability: float
    marks: Sequence[Mark]


def outcome_form(target: Target) -> Form:
    """Form of outcomes.tsv, with one column per label, such as `<outcome>_probability`.

    Numbers may be negative; all values have six decimals.
    """
    columns = {
        label: f"{label}_{outcome.quantity}"
        for outcome in target.outcomes
        for label in outcome.labels
    }
    return Form(FILE, columns, digits=6, least=-math.inf)


def finding_of(
    probabilities: Float[ndarray, "L I J K"], grid: Grid, target: Target
) -> Finding | None:
    """Probability of the target's outcome, and marks, from the map of its label.

    Args:
        probabilities: of background and the only label, on the working box.
        grid: the working box in the film.
        target: its `image_score` turns the map into the probability; without one, None is returned.
    """
    if target.image_score is None:
        return None
    own = probabilities[1]
    return Finding(film_score(own, target.image_score), marks_of(image_to_native(own, grid)))


def marks_path(folder: Path, case_id: str) -> Path:
    """Table of the marks of a case, `<case_id>_marks.tsv`."""
    return folder / f"{case_id}_marks.tsv"


def write_finding(case_id: str, finding: Finding, target: Target, folder: Path) -> None:
    """Write the line of the outcome, and the table of marks, atomically.

    Args:
        case_id: of the film.
        finding: probability, and marks in voxels of the scan.
        target: with one binary outcome, whose label is the column of outcomes.tsv.
        folder: of the predictions.
    """
    (label,) = (label for one in target.outcomes for label in one.labels)
    lines = [[*mark.place, f"{mark.probability:.6f}"] for mark in finding.marks]
    table = pd.DataFrame(lines, columns=list(MARK_COLUMNS))
    write_text(marks_path(folder, case_id), table_text(table))
    result = CaseResult(case_id, "done", {label: finding.probability}, "", "")
    Ledger(folder, outcome_form(target)).record(result)
