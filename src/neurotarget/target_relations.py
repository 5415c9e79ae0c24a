"""Errors in the relations between the fields of a target.

Each function lists the possible errors of some fields as pairs of a clause and whether it occurs;
a target is read field by field first (`target_fields`).
"""

import re
from collections.abc import Iterator
from typing import Any

from neurotarget.derived import sources_of
from neurotarget.hypothesis import Hypothesis
from neurotarget.image_score import misfits
from neurotarget.label_regions import faults_of
from neurotarget.problems import nearest
from neurotarget.quantity import NUMBER, with_unit
from neurotarget.size_units import AREAS, PIXELS, VOLUMES

IGNORE = "ignore"  # nnU-Net's reserved label name
NAME = re.compile(r"(?!\.)[\w.-]+")  # valid in a file name and as a column
LIMITS = "limits"  # first part of a key of `acceptable`; the unit of the quantity follows
ACCEPTABLE = {  # limits that a target may set in advance, before its data are seen
    "limits_mm3": "half width of the limits of agreement; the key ends in the unit: limits_years",
    "limits_percent": "the same, in % of the mean volume",
    "dice_margin": "how much lower than a second rater's Dice still counts as not inferior",
}

Target = Any  # of `types`, which imports this module
Errors = Iterator[tuple[str, object]]  # a clause, and whether it is true of the target


def relation_errors(target: Target) -> Errors:
    """Yield clauses on relations between valid fields; a truthy second item marks an error."""
    yield from _label_errors(target)
    yield from _name_errors(target)
    yield from _contrast_errors(target)
    yield from _outcome_errors(target)
    yield from _grid_errors(target)
    yield from ((why, why) for why in (_why_open(target, one) for one in target.hypotheses))


def _label_errors(target: Target) -> Errors:
    ids = [value for many in target.labels.values() for value in many]
    twice = sorted({value for value in ids if ids.count(value) > 1})
    doubled = sorted({0, *ids, *target.background_ids} & {*target.ignore_ids})
    both = sorted({*ids} & {*target.background_ids})
    sided = [name for pair in target.pairs for name in pair]
    yield (
        "labels: found total, which is the name of the sum of all labels",
        "total" in target.labels,
    )
    yield (
        f"labels: found {IGNORE}, nnU-Net's name of voxels that no rater labelled; give its id "
        "as ignore_ids",
        IGNORE in target.labels,
    )
    yield f"ignore_ids: found {doubled}, which are also ids of labels or background", doubled
    yield f"background_ids: found {both}, which are ids of labels, wanted other ids", both
    yield f"labels: found the ids {twice} in two labels, wanted one label per id", twice
    yield from ((fault, True) for fault in faults_of(target.regions, target.labels))
    yield (
        "pairs: found one label in two pairs, wanted one pair per label",
        len({*sided}) < 2 * len({*target.pairs}),
    )
    yield (
        f"needs sides: labels or split, got {target.sides!r}",
        target.sides not in ("labels", "split"),
    )
    yield "needs pairs for sides: split", target.sides == "split" and not target.pairs


def _name_errors(target: Target) -> Errors:
    names = (target.name, *target.labels, *target.regions, *target.outcome_labels)
    unfit = [name for name in names if not NAME.fullmatch(name)]
    used = {name for pair in target.pairs for name in pair} | {*target.size_ranges, *target.pieces}
    asked = {item.label for item in (*target.hypotheses, *target.published)}
    used |= asked - {"", *target.all_regions, *target.outcome_labels}
    unknown = used - {*target.labels}
    yield f"needs names of letters, digits, _, - and ., with no . in front, got {unfit}", unfit
    yield f"names unknown labels {sorted(unknown)}", unknown


def _contrast_errors(target: Target) -> Errors:
    measured = {hypothesis.contrast for hypothesis in target.hypotheses} - {""}
    unitless = sorted(measured - {*target.units})
    foreign = sorted({*target.units} - {*target.contrasts})
    unknown = sorted(sources_of(target.derived) - {*target.contrasts})
    again = sorted({*target.derived} & target.roles)
    yield f"derived: found {unknown}, wanted sums of {', '.join(target.contrasts)}", unknown
    yield f"derived: found {again}, which are other columns, wanted new names", again
    yield f"hypotheses: found means of {unitless}, wanted their units in `units`", unitless
    yield f"units: found {foreign}, which are no contrasts of the target", foreign


def _outcome_errors(target: Target) -> Errors:
    taken = sorted({*target.labels, *target.all_regions} & {one.name for one in target.outcomes})
    own = [name for one in target.outcomes for name in one.columns if name in target.roles]
    units = sorted({one.unit for one in target.outcomes if one.quantity == NUMBER})
    main = next(iter(target.quantities.values()), None)
    limits = (with_unit(LIMITS, main.unit if main else ""), *list(ACCEPTABLE)[1:])
    yield (
        "labels: found none and no outcomes, wanted at least one of them",
        not target.labels and not target.outcomes,
    )
    yield f"outcomes: found {taken}, which are also labels, wanted other names", taken
    yield f"outcomes: found the columns {own} of files, ids or splits, wanted others", own
    yield f"outcomes: found numbers in {', '.join(units)}, wanted one unit", len(units) > 1
    yield (
        f"acceptable: found {', '.join(target.acceptable)}, wanted {', '.join(limits)}",
        {*target.acceptable} - {*limits},
    )
    yield from ((misfit, True) for misfit in misfits(target))


def _grid_errors(target: Target) -> Errors:
    wanted, is_sized = target.size_units.range_field, target.size_vox is not None
    fields = [one.range_field for one in (VOLUMES, AREAS, PIXELS)]
    foreign = [name for name in fields if getattr(target, name) and name != wanted]
    patch = list(target.patch_vox)
    yield f"{', '.join(foreign)}: found sizes of another unit, wanted {wanted}", foreign
    yield (
        f"patch_vox: found {patch} for pictures, wanted two sides",
        target.is_flat and patch[2] != 1,
    )
    yield (
        "derived: found some with size_vox, whose series have grids of their own",
        target.derived and is_sized,
    )
    yield (
        "size_vox: found it for a target with labels, whose sizes in mm it loses, wanted a spacing",
        is_sized and target.labels,
    )
    yield "slices_last: found it without size_vox, wanted both", target.slices_last and not is_sized
    yield (
        "size_vox: found it with a region of interest, which needs a spacing",
        is_sized and target.roi is not None,
    )
    yield (
        f"patch_vox: found {patch}, larger than size_vox",
        is_sized and any(a > b for a, b in zip(patch, target.size_vox, strict=True)),
    )


def _why_open(target: Target, hypothesis: Hypothesis) -> str:
    """Return why the target cannot answer a hypothesis; "" if it can."""
    measure, name = target.quantities.get(hypothesis.measure), hypothesis.measure
    if measure is None and hypothesis.contrast:
        return ""  # has a message of its own
    if measure is None:
        close = nearest(name, target.quantities)
        meant = f", did you mean {close}?" if close else ""
        return f"asks about {name}, wanted {', '.join(target.quantities)}{meant}"
    labels = ", ".join(measure.parts)
    if hypothesis.label and hypothesis.label not in measure.parts:
        return f"asks about {name} of {hypothesis.label}, wanted {name} of {labels}"
    if not (hypothesis.label or measure.regions or len(measure.labels) == 1):
        return f"asks about {name} without a label, wanted {name}[label], one of {labels}"
    stated = hypothesis.matters.stated if hypothesis.matters else ""
    if stated not in ("", measure.unit):
        unit = measure.unit or "a number without a unit"
        return f"{hypothesis.name}: found matters in {stated}, wanted {unit}"
    return ""
