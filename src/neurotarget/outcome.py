"""Outcomes: values that a network predicts for a whole case, such as diagnosis, grade or age."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from neurotarget.levels import level_key

OutcomeKind = Literal["binary", "classes", "number", "time_to_event"]
KINDS = get_args(OutcomeKind)
KEYS = ("kind", "classes", "column", "unit", "event", "is_ordered")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome of a target; its value for a case is in a column of the manifest.

    `classes` are the names of classes in order; a binary outcome has two, and the second
    class is positive. The target's `levels` name the codes of a column. `unit` belongs to a
    number or to the time of a `time_to_event`, whose `event` is the column that is 1 where the
    event was observed and 0 where the follow-up ended before. `is_ordered`: the classes are grades.
    """

    name: str
    kind: OutcomeKind
    classes: tuple[str, ...] = ()
    column: str = ""  # by default the outcome's name
    unit: str = ""
    event: str = ""
    is_ordered: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "column", self.column or self.name)
        object.__setattr__(self, "classes", tuple(map(str, self.classes)))
        if wrong := next((text for text, occurs in self._errors().items() if occurs), None):
            raise ValueError(f"outcome {self.name}: {wrong}")

    def _errors(self) -> dict[str, bool]:
        """Return possible errors, and whether each error occurs."""
        has_classes = self.kind in ("binary", "classes")
        keys = {level_key(one, self.column) for one in self.classes}
        listed = ", ".join(self.classes) or "none"
        return {
            f"kind: found {self.kind!r}, wanted {', '.join(KINDS)}": self.kind not in KINDS,
            f"classes: found {listed}, wanted two, the positive one second": self.kind == "binary"
            and len(self.classes) != 2,
            f"classes: found {listed}, wanted three or more (two make it binary)": self.kind
            == "classes"
            and len(self.classes) < 3,
            f"classes: found {listed}, wanted distinct names": len(keys) < len(self.classes),
            f"classes: found {listed} for a {self.kind}, wanted none": not has_classes
            and bool(self.classes),
            "event: found no column, wanted the one that is 1 where the event was observed and 0 "
            "where the follow-up ended before": self.kind == "time_to_event" and not self.event,
            f"event: found {self.event!r} for a {self.kind}, wanted none": self.kind
            != "time_to_event"
            and bool(self.event),
            f"unit: found {self.unit!r} for a {self.kind}, wanted none": has_classes
            and bool(self.unit),
        }

    @property
    def is_class(self) -> bool:
        """Whether the outcome's values are classes, predicted as probabilities."""
        return self.kind in ("binary", "classes")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the manifest that the outcome needs.

        These are the column of the value and, for a time to an event, the column that states
        whether the event was observed.
        """
        return (self.column, self.event) if self.event else (self.column,)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the outcome's rows: its name, or `<name>.<class>` for several classes."""
        if self.kind != "classes":
            return (self.name,)
        return tuple(f"{self.name}.{one}" for one in self.classes)

    @property
    def quantity(self) -> str:
        """Name of the predicted quantity: `probability`, `number` or `risk`."""
        if self.is_class:
            return "probability"
        return "number" if self.kind == "number" else "risk"

    def code(self, value: object) -> float:
        """Convert a value of the column to the class from 0, or to the number; NaN if missing.

        Raises:
            ValueError: the value is neither a class nor a finite number.
        """
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return math.nan
        if self.is_class:
            keys = [level_key(one, self.column) for one in self.classes]
            key = level_key(value, self.column)
            if key in keys:
                return float(keys.index(key))
            raise ValueError(f"{value!r} is none of the classes {', '.join(self.classes)}")
        try:
            number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"{value!r} is no number")
        return number


def outcomes(value: object) -> tuple[Outcome, ...]:
    """Read outcomes by name from their fields; parsed outcomes are kept.

    Raises:
        ValueError: a field is unknown, or the fields do not fit together.
    """
    if value is None:
        return ()
    if isinstance(value, tuple) and all(isinstance(one, Outcome) for one in value):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"found {value!r}, wanted a mapping from names to {', '.join(KEYS)}")
    read = []
    for name, fields in value.items():
        unknown = set(fields) - {*KEYS} if isinstance(fields, Mapping) else {str(fields)}
        if unknown or "kind" not in fields:
            found = f"the keys {', '.join(map(str, unknown))}" if unknown else "no kind"
            raise ValueError(f"outcome {name}: found {found}, wanted kind of {', '.join(KEYS)}")
        read.append(Outcome(str(name), **fields))
    return tuple(read)
