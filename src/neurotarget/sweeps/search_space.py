"""The space of a search, parsed from Hydra's own syntax of overrides.

`model=unet,segresnet`, `model=choice(…)`, `model=glob(*)`, `data.batch_size=range(2,9)`,
`optimizer.lr='tag(log, interval(1e-4, 1e-2))'` and `model.levels='int(interval(3, 6))'`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from neurotarget.problems import DataError

if TYPE_CHECKING:
    import optuna

LOG = "log"
EXAMPLE = "optimizer.lr='tag(log, interval(1e-4, 1e-2))'"
OWN = ("sweep.", "hydra.", "hydra/")  # prefixes of settings that cannot be searched


@dataclass(frozen=True, slots=True)
class Dimension:
    """One searched setting, by its key on the command line.

    Either `choices` (texts as on the command line) or numbers from `low` to `high`, both included,
    in steps of `step` if given.
    """

    key: str
    text: str  # the override as written
    choices: tuple[str, ...] = ()
    low: float = math.nan
    high: float = math.nan
    step: float | None = None
    is_log: bool = False
    is_whole: bool = False

    def suggest(self, trial: "optuna.Trial") -> str:
        """Return the override for one trial; a resumed trial keeps its sampled value."""
        if self.choices:
            return f"{self.key}={trial.suggest_categorical(self.key, self.choices)}"
        if self.is_whole:
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            sampled = trial.suggest_int(self.key, low, high, step=step, log=self.is_log)
            return f"{self.key}={sampled}"
        sampled = trial.suggest_float(
            self.key, self.low, self.high, step=self.step, log=self.is_log
        )
        return f"{self.key}={sampled!r}"

    @property
    def first_values(self) -> tuple[str, ...]:
        """Return overrides that test if the setting exists: every choice, or the lowest number."""
        if self.choices:
            return tuple(f"{self.key}={choice}" for choice in self.choices)
        return (f"{self.key}={int(self.low) if self.is_whole else self.low}",)


def read_space(
    overrides: Sequence[str], loader: ConfigLoader
) -> tuple[list[str], tuple[Dimension, ...]]:
    """Split overrides into settings with one value and searched settings.

    If a key is repeated, the later override counts, as in Hydra.

    Args:
        overrides: overrides as on the command line.
        loader: Hydra's config loader, which resolves `glob`.

    Returns:
        The overrides with one value as they were written, and the searched settings, in their
        order.

    Raises:
        DataError: an override cannot be parsed, or cannot be searched.
    """
    read = {override.get_key_element(): override for override in map(_parser(loader), overrides)}
    fixed = [str(one.input_line) for one in read.values() if not one.is_sweep_override()]
    space = tuple(dimension(one) for one in read.values() if one.is_sweep_override())
    return fixed, space


def _parser(loader: ConfigLoader):  # noqa: ANN202
    parser = OverridesParser.create(loader)

    def parse(text: str) -> Override:
        """Parse one override, or raise a DataError with an example."""
        try:
            (override,) = parser.parse_overrides([text])
        except HydraException as error:
            raise DataError(
                f"{text}: the values to search cannot be read; write them like {EXAMPLE}"
            ) from error
        return override

    return parse


def dimension(override: Override) -> Dimension:
    """Parse one swept override: choices, an interval or a range.

    Raises:
        DataError: the key is a setting of the search itself, or has an unknown tag or no usable
            values.
    """
    key, text = override.get_key_element(), str(override.input_line)
    if override.key_or_group.startswith(OWN):
        raise DataError(
            f"{text}: found several values for a setting of the search itself, wanted one; "
            "search settings of the training"
        )
    value, tags = override.value(), getattr(override.value(), "tags", set())
    if unknown := tags - {LOG}:
        raise DataError(
            f"{text}: found the tag {', '.join(sorted(unknown))}, wanted log; write {EXAMPLE}"
        )
    if isinstance(value, IntervalSweep):
        return _interval(key, text, value)
    if isinstance(value, RangeSweep):
        return _range(key, text, value)
    return _choice(key, text, override, is_tagged=bool(tags))


def _choice(key: str, text: str, override: Override, *, is_tagged: bool) -> Dimension:
    if is_tagged:
        raise DataError(
            f"{text}: found a logarithmic scale over named values, wanted it over an interval; "
            "leave tag(log, …) out"
        )
    choices = tuple(dict.fromkeys(override.sweep_string_iterator()))
    if not choices:
        raise DataError(f"{text}: found no choice of that name; see the files in conf/{key}")
    return Dimension(key, text, choices)


def _interval(key: str, text: str, value: IntervalSweep) -> Dimension:
    is_whole = isinstance(value.start, int) and isinstance(value.end, int)
    low, high = float(value.start), float(value.end)
    _check_ends(text, low, high, is_log=LOG in value.tags)
    return Dimension(key, text, (), low, high, None, LOG in value.tags, is_whole)


def _check_ends(text: str, low: float, high: float, *, is_log: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(
            f"{text}: found an end that is not a finite number, wanted two; write {EXAMPLE}"
        )
    if low >= high:
        raise DataError(
            f"{text}: found {low:g} up to {high:g}, wanted the lower end first and a higher one "
            "after it; correct the ends, or give one value instead of an interval"
        )
    if is_log and low <= 0:
        raise DataError(
            f"{text}: found {low:g} as the lower end of a logarithmic scale, wanted more than 0; "
            f"write {high / 1000:g}, or leave tag(log, …) out"
        )


def _range(key: str, text: str, value: RangeSweep) -> Dimension:
    """Return the numbers from start to stop, which is excluded as in Python."""
    start, stop, step = (Decimal(str(end)) for end in (value.start, value.stop, value.step))
    count = math.ceil((stop - start) / step) if step else 0
    if count < 1:
        raise DataError(
            f"{text}: found no number from {start} before {stop} in steps of {step}; write range"
            "(start, stop, step) with the stop beyond the last number"
        )
    ends = sorted((start, start + (count - 1) * step))
    is_whole = all(isinstance(end, int) for end in (value.start, value.stop, value.step))
    is_log = LOG in value.tags
    if is_log and not (is_whole and abs(step) == 1):
        raise DataError(
            f"{text}: found steps on a logarithmic scale, wanted an interval; write {EXAMPLE}, or "
            "name the values"
        )
    if count == 1:
        return Dimension(key, text, (str(value.start),))
    low, high = (float(end) for end in ends)
    _check_ends(text, low, high, is_log=is_log)
    return Dimension(key, text, (), low, high, float(abs(step)), is_log, is_whole)
