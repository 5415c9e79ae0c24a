"""Read a cohort from tables of volumes that were measured elsewhere (`table=`)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from neurotarget.data.tables.volume_columns import AREA_UNITS, NUMBERS
from neurotarget.data.tables.volume_table import read_volume_table
from neurotarget.outcome import Outcome
from neurotarget.problems import DataError
from neurotarget.quantity import NUMBER
from neurotarget.size_units import PIXELS, VOLUMES, SizeUnits
from neurotarget.stats.cohort.measured import Measured, Quantity, with_regions
from neurotarget.studies.study_inputs import Material, sentence
from neurotarget.target_relations import NAME
from neurotarget.types import Row, Target

SIDES = tuple(
    (re.compile(pattern), right)
    for pattern, right in (
        ("Left", "Right"),
        ("left", "right"),
        ("LEFT", "RIGHT"),
        (r"(?<![a-z])lh(?![a-z])", "rh"),
        ("^L", "R"),
        ("^l(?=[_.-])", "r"),
        ("(?<=[_.-])L$", "R"),
        ("(?<=[_.-])l$", "r"),
    )
)


def from_table(
    paths: Sequence[Path],
    *,
    target: Target | None,
    labels: Sequence[str] | None,
    reading: Mapping[str, Any],
    reference: str | None = None,
) -> Material:
    """Read volumes, areas or other numbers of one or more methods from tables, without images.

    Args:
        paths: tables, one per method, or one table with several methods.
        target: target whose labels are read; None makes a target with the columns as labels, whose
            names are changed where they are not valid.
        labels: columns to read; None takes all, or those of the target.
        reading: further arguments of `read_volume_table`, such as `unit`.
        reference: method that counts as truth; None takes the only one, or one called reference.

    Returns:
        A cohort without cases and predictions, so that its report has no pictures.

    Raises:
        DataError: lists all problems of the tables; or the reference or a label is unknown.
    """
    stated = str(reading.get("unit", VOLUMES.unit)).casefold()
    is_number = stated == NUMBERS
    if is_number and target:
        raise DataError(
            f"unit: found number with target {target.name}, whose labels have sizes, "
            "wanted a unit of volume or area; leave out target="
        )
    units = target.size_units if target else AREA_UNITS.get(stated, VOLUMES)
    if target and target.is_flat:
        reading = {**reading, "unit": units.unit}
    if target and labels and (strange := [name for name in labels if name not in target.labels]):
        raise DataError(
            f"labels: found {', '.join(strange)}, which target {target.name} does not have, wanted "
            f"some of {', '.join(target.label_names)}; leave out labels= or target="
        )
    names = labels or (target.label_names if target else None)
    read = read_volume_table(paths, labels=names, target=target, **reading)
    columns = list(next(iter(read.volumes.values())).columns)
    if target is None:
        fit = _fit_names(columns)
        name = _fit_names([paths[0].stem])[0]
        target = number_target(name, fit) if is_number else table_target(name, fit, units)
        named = dict(zip(columns, fit, strict=True))
        read = read._replace(
            volumes={name: table.rename(columns=named) for name, table in read.volumes.items()}
        )
    volumes = read.volumes
    if not is_number:
        volumes = {name: with_regions(table, target) for name, table in volumes.items()}
    reference, volumes = _reference_first(volumes, reference)
    no_scores = pd.DataFrame(columns=list(Row._fields))
    noun, unit = (NUMBER, "") if is_number else (units.noun, units.unit)
    measured = Measured(
        target, {noun: Quantity(noun, unit, volumes)}, read.covariates, no_scores, reference
    )
    notes = [sentence(problem) for problem in read.problems]
    return Material(measured, {}, None, None, tuple(notes), {})


def _reference_first(
    volumes: Mapping[str, pd.DataFrame], reference: str | None
) -> tuple[str | None, dict[str, pd.DataFrame]]:
    """Tables by method with the reference first: the named one, the only one, or `reference`."""
    if reference is None and (len(volumes) == 1 or "reference" in volumes):
        reference = "reference" if "reference" in volumes else next(iter(volumes))
    if reference is None:
        return None, dict(volumes)
    if reference not in volumes:
        raise DataError(
            f"reference: got {reference!r}, wanted one of the methods {', '.join(volumes)}"
        )
    rest = {name: table for name, table in volumes.items() if name != reference}
    return reference, {reference: volumes[reference], **rest}


def _fit_names(names: Sequence[str]) -> list[str]:
    """Unique names that are valid for files, for any names of columns and tables."""
    fit: list[str] = []
    for name in names:
        plain = name if NAME.fullmatch(name) else re.sub(r"[^\w.-]+", "_", name).strip("._")
        plain = plain or "volume"
        plain = f"{plain}_column" if plain == "total" else plain
        taken = [plain, *(f"{plain}_{number}" for number in range(2, len(names) + 2))]
        fit.append(next(one for one in taken if one not in fit))
    return fit


def table_target(name: str, labels: Sequence[str], units: SizeUnits = VOLUMES) -> Target:
    """Return a target for a table's columns; left and right are recognised by their names.

    Args:
        name: of the target.
        labels: columns, numbered from 1 in this order.
        units: of their sizes: volumes, areas in mm² or in px.
    """
    numbered = {label: number for number, label in enumerate(labels, start=1)}
    return Target(
        name,
        ("table",),
        numbered,
        (1.0, 1.0, 1.0),
        (1, 1, 1),
        pairs=tuple(_sides(labels)),
        dimensions=3 if units == VOLUMES else 2,
        spacing_px=(1.0, 1.0) if units == PIXELS else None,
    )


def number_target(name: str, columns: Sequence[str]) -> Target:
    """Return a target for columns of numbers that are no sizes, such as features of images."""
    numbers = tuple(Outcome(column, "number") for column in columns)
    return Target(name, ("table",), {}, (1.0, 1.0, 1.0), (1, 1, 1), outcomes=numbers)


def _sides(labels: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of left and right labels: Left-X and Right-X, lh_X and rh_X, LX and RX."""
    known, pairs = set(labels), []
    for label in labels:
        for pattern, other in SIDES:
            right = pattern.sub(other, label, count=1)
            if right != label and right in known:
                pairs.append((label, right))
                break
    return pairs
