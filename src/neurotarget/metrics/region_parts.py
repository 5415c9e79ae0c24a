"""The maps that a case is scored by: that of the labels, and one of each region."""

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
    """A target whose classes are those of another one, or several of them as one."""

    target: Target
    classes: Integer[ndarray, " L"] | None  # new class of each class, ignored ones last

    def of(self, classes: ClassMap | None) -> ClassMap | None:
        """A class map of the whole target as one of this part; None stays None."""
        return classes if classes is None or self.classes is None else self.classes[classes]

    def further(self, further: Further) -> Further:
        """Maps of further raters as those of this part; scans stay."""
        raters = {name: self.of(classes) for name, classes in further.raters.items()}
        return Further(raters, further.scans)


def merged(target: Target, name: str, members: Collection[str]) -> Target:
    """The target with some of its labels as its only one, of any number of pieces.

    Pairs, hypotheses, published values and ranges of sizes are dropped, as they are about the
    labels alone. `name` may be that of a region, which the new target then has.
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
    """The labels of a target, and each of its regions that is no label, as a target of its own.

    The first part is the target itself, whose maps stay as they are.
    """
    parts = [Part(target, None)]
    for name, members in target.regions.items():
        if name not in target.labels:
            inside = [label in members for label in target.labels]
            classes = np.array([0, *inside, 2], dtype=np.uint8)  # 2: ignored, after one label
            parts.append(Part(merged(target, name, members), classes))
    return parts
