"""Quantities that are measured for each case: name, unit, metric, and noun in texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

VOLUME, AREA, NUMBER, PROBABILITY = "volume", "area", "number", "probability"
SIZES = (VOLUME, AREA)  # of masks: an empty mask has 0, a region has the sum of its labels
MEAN = "mean_"  # before a contrast: its mean inside a mask
NOUNS = {NUMBER: "value"}  # of quantities that are not called by their name in sentences
PLURALS = {PROBABILITY: "probabilities"}


@dataclass(frozen=True, slots=True)
class Measure:
    """A quantity that a target has: its name in hypotheses, its unit, and its metric in rows.

    `regions` maps each region to its labels. `owners` maps labels to the label
    that has their rows of failures, where it differs: several classes to their outcome.

    Attributes:
        name: name such as `volume` or `mean_qsm`.
        unit: "" for a ratio.
        metric: name in rows of scores, such as `volume_mm3`.
        labels: labels that have the quantity.
    """

    name: str
    unit: str
    metric: str
    labels: tuple[str, ...]
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """Labels in which each label (itself) and each region can fail.

        A case counts as failed for a region if one of the region's labels failed.
        """
        own = {label: (self.owners.get(label, label),) for label in self.labels}
        return own | dict(self.regions)


def contrast_of(name: str) -> str:
    """Return the contrast whose mean a quantity is; "" for other quantities."""
    return name.removeprefix(MEAN) if name.startswith(MEAN) else ""


def is_of_masks(name: str) -> bool:
    """Return whether a quantity is measured from masks: a size, or the mean of a contrast."""
    return name in SIZES or bool(contrast_of(name))


def noun_of(name: str) -> str:
    """Return a quantity in a sentence: `volume`, `mean of qsm`, `value`, `probability`."""
    contrast = contrast_of(name)
    return f"mean of {contrast}" if contrast else NOUNS.get(name, name.replace("_", " "))


def one_of(name: str) -> str:
    """Return a quantity with its article: `a volume`, `an area`."""
    noun = noun_of(name)
    return f"{'an' if noun[:1].casefold() in 'aeiou' else 'a'} {noun}"


def plural_of(name: str) -> str:
    """Return the plural of a quantity: `volumes`, `means of qsm`, `values`, `probabilities`."""
    contrast = contrast_of(name)
    return f"means of {contrast}" if contrast else PLURALS.get(name, f"{noun_of(name)}s")


def with_unit(name: str, unit: str) -> str:
    """Return the name of a column with its unit at the end: `bias_mm3`, `bias_years`, `bias`."""
    return f"{name}_{unit}" if unit else name
