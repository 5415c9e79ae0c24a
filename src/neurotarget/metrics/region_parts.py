"""The maps that are scored in a case: the map of the labels, and one map per region."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer
from numpy import ndarray

from neurotarget.metrics.masks.label_boxes import ClassMap
from neurotarget.metrics.rater_rows import Further
from neurotarget.types import Target


class Part(NamedTuple):
    """A part of a whole target that is scored like a target: its labels, or one region."""

    target: Target
    classes: Integer[ndarray, " L"] | None  # new class of each class, the ignored one last

    def of(self, classes: ClassMap | None) -> ClassMap | None:
        """Return a class map of the whole target as a class map of this part; None stays None."""
        return classes if classes is None or self.classes is None else self.classes[classes]

    def further(self, further: Further) -> Further:
        """Return the further raters' maps as maps of this part, and unchanged scans."""
        raters = {name: self.of(classes) for name, classes in further.raters.items()}
        return Further(raters, further.scans)


def merged(target: Target, name: str, members: Collection[str]) -> Target:
    """Return a target whose only label `name` joins some labels, with any number of pieces.

    Pairs, hypotheses, published values and ranges of sizes are dropped, as they hold for the
    original labels. If `name` is a region of the target, the new target has this region.
    """
    ids = tuple(number for label in members for number in target.labels[label])
    no_ranges: Mapping[str, object] = {target.size_units.range_field: {}}
    return replace(
        target,
        labels={name: ids},
        pieces={name: None},
        pairs=(),
        sides="labels",
        hypotheses=(),
        published=(),
        regions={name: (name,)} if name in target.regions else {},
        **no_ranges,
    )


def parts_of(target: Target) -> list[Part]:
    """Return the target itself, then one part for each region that is not also a label.

    The maps of the first part do not change.
    """
    parts = [Part(target, None)]
    for name, members in target.regions.items():
        if name not in target.labels:
            inside = [label in members for label in target.labels]
            classes = np.array([0, *inside, 2], dtype=np.uint8)  # 2 is the ignored class
            parts.append(Part(merged(target, name, members), classes))
    return parts
