"""Failed cases by several definitions: the rate of each definition, and a list of the cases.

Masks have several definitions of failure; predicted outcomes have one, a missing prediction. A case
has failed by a definition if any of its labels has. Where a definition cannot be applied (no
scores, no plausible range) its row gives the reason. Reference masks are checked by the
definitions that need no reference.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from neurotarget.number_text import number, unit_text
from neurotarget.pieces import unusual_pieces
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.core.interval import LEVEL
from neurotarget.types import FAILED as FAILED_IS
from neurotarget.types import FAILED_DICE, has_failed

FEWEST_CASES = 10  # fewest reference masks for a usual range of volumes
WIDE_SD = 3.0
POOR = 0.5
NO_SCORES = "no scores of masks"
ROUNDING = 1e-10  # a spread below this share of the volumes is rounding error
OWN = "reference_"  # prefix of the metrics of reference masks

COLUMNS = ("method", "definition", "n", "n_failed", "rate", "low", "high", "reason")
CASE_COLUMNS = (
    *("case_id", "subject_id", "method", "label", "definition"),
    *("value", "unit", "detail", "severity"),
)


class Definition(NamedTuple):
    """One definition of failure; lists of cases begin with the highest `severity`."""

    name: str
    description: str
    severity: int
    needs_reference: bool = False


FAILED = Definition("failed", f"A mask failed: {FAILED_IS}.", 8, needs_reference=True)
CRASH = Definition(
    "crash_or_empty",
    "There is no mask, or the mask is empty and the reference is not known to be empty too.",
    7,
)
NEARLY_COMPLETE = Definition(
    "dice_below_0.1", "Dice is below 0.1: the masks hardly overlap.", 6, needs_reference=True
)
SWAPPED = Definition("swapped", "The masks of left and right are swapped.", 5)
BELOW_HALF = Definition(
    "dice_below_0.5",
    "A poor mask, failed or not: Dice is below 0.5, so the masks overlap by less than half.",
    4,
    needs_reference=True,
)
IMPLAUSIBLE = Definition(
    "implausible_size",
    "The size lies outside the plausible range of the target or, with ten reference masks or more, "
    "further than 3 SD from the mean size of the reference masks.",
    3,
)
EDGE = Definition(
    "touches_edge", "The mask touches the edge of the scan: it may have been cut off.", 2
)
PIECES = Definition(
    "unusual_pieces",
    "The number of connected pieces is not the number that the target expects; unless the target "
    "states a number, it expects one.",
    1,
)
NO_PREDICTION = Definition("no_prediction", "There is no prediction of the case.", 8)
OF_MASKS = (FAILED, CRASH, NEARLY_COMPLETE, SWAPPED, BELOW_HALF, IMPLAUSIBLE, EDGE, PIECES)
DEFINITIONS = (*OF_MASKS, NO_PREDICTION)


class _View(NamedTuple):
    """One method's masks; `prefix` begins the names of the metrics that describe them."""

    measured: Measured
    method: str
    volumes: pd.DataFrame  # or areas, cases × labels
    prefix: str
    is_reference: bool
    is_scored: bool

    def scores(self, metric: str) -> pd.DataFrame:
        """Return a metric as cases × labels, NaN where it has no row."""
        table = self.measured.scores
        rows = table[table["metric"] == metric] if self.is_scored and len(table) else table[:0]
        wide = rows.pivot(index="case_id", columns="label", values="value") if len(rows) else None
        shape = {"index": self.volumes.index, "columns": self.volumes.columns}
        return pd.DataFrame(math.nan, **shape) if wide is None else wide.reindex(**shape)

    def is_cut(self) -> pd.DataFrame:
        """Return True where a structure may extend into ignored voxels: its mask is incomplete."""
        return self.scores("reference_borders_on_ignored") == 1

    def truth(self) -> pd.DataFrame:
        """Return the sizes of the reference; NaN where there is no reference."""
        known = self.measured.values.get(self.measured.reference or "")
        labels = self.volumes.columns
        return self.volumes * math.nan if known is None else known[labels]


class _Verdicts(NamedTuple):
    """Result of a definition for each case (row) and label (column)."""

    value: pd.DataFrame
    is_judged: pd.DataFrame
    is_failed: pd.DataFrame
    badness: pd.DataFrame  # sort key of the failures of one definition; the worst have the highest
    unit: str
    describe: Callable[[object, str], str]  # case and label → text on the failure
    reason: str = ""  # why the definition cannot be applied


def failures_table(measured: Measured) -> pd.DataFrame:
    """Return the rate of failed cases by method and definition, with Wilson's 95 % interval.

    `n` counts the cases to which the definition applies. Where subjects have several cases, the
    interval is computed for the number of subjects. Where no case counts, the rate is NaN and
    `reason` explains why.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    rows = []
    for view, definition, verdicts in _judged(measured):
        cases = verdicts.is_judged.any(axis=1)
        failed = (verdicts.is_failed & verdicts.is_judged).any(axis=1)
        n, n_failed = int(cases.sum()), int(failed.sum())
        rate = low = high = math.nan
        if n:
            rate, people = n_failed / n, measured.subjects[cases].nunique()
            ends = proportion_confint(rate * people, people, 1 - LEVEL, method="wilson")
            low, high = (min(max(round(float(end), 12), 0.0), 1.0) for end in ends)
        reason = "" if n else verdicts.reason
        rows.append((view.method, definition.name, n, n_failed, rate, low, high, reason))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def failed_cases_table(measured: Measured) -> pd.DataFrame:
    """Return one row per case, label and definition that failed, the worst first.

    The definition `failed` is left out, as its two kinds (no mask, Dice below 0.1) have rows of
    their own. Rows are ordered by the severity of the definition, then by the lowest Dice, the size
    furthest outside its range, or the number of pieces furthest from the expected number.
    """
    rows = []
    for view, definition, verdicts in _judged(measured):
        if definition is FAILED:
            continue
        failed = (verdicts.is_failed & verdicts.is_judged).to_numpy()
        for row, column in np.argwhere(failed):
            case_id, label = view.volumes.index[row], view.volumes.columns[column]
            finding = (
                verdicts.value.iat[row, column],
                verdicts.unit,
                verdicts.describe(case_id, label),
            )
            place = (definition.severity, verdicts.badness.iat[row, column])
            subject_id = measured.subjects[case_id]
            names = (case_id, subject_id, view.method, label, definition.name)
            rows.append((*names, *finding, *place))
    table = pd.DataFrame(rows, columns=[*CASE_COLUMNS, "badness"])
    order = ["severity", "badness", "case_id", "label", "method"]
    table = table.sort_values(order, ascending=[False, False, True, True, True])
    return table[list(CASE_COLUMNS)].reset_index(drop=True)


def failed_masks(scores: pd.DataFrame, keys: Sequence[str] = ("case_id", "label")) -> pd.Series:
    """Return whether each mask failed (`types.has_failed`), from rows, indexed by `keys`.

    Masks without rows are absent from the result, and so are labels that are empty in both
    reference and prediction (an undefined Dice). A mask without a reference has no Dice, and fails
    only if it is missing.
    """
    rows = scores[scores["metric"].isin(["failed", "dice"])] if len(scores) else scores
    if not len(rows):
        return pd.Series(dtype=bool, index=pd.MultiIndex.from_tuples([], names=list(keys)))
    grouped = rows.groupby([*keys, "metric"], sort=False)["value"]
    wide = grouped.min().unstack("metric").reindex(columns=["failed", "dice"])
    failed = has_failed(wide["dice"], is_lost=wide["failed"] > 0)
    is_scored = grouped.size().unstack("metric").reindex(columns=["dice"])["dice"] > 0
    return failed[failed | wide["dice"].notna() | ~is_scored]


def _judged(measured: Measured) -> Iterator[tuple[_View, Definition, _Verdicts]]:
    if not measured.main.is_of_masks:
        yield from _predictions(measured)
        return
    for view in _views(measured):
        for definition in OF_MASKS:
            if not (view.is_reference and definition.needs_reference):
                yield view, definition, CHECKS[definition.name](view)


def _predictions(measured: Measured) -> Iterator[tuple[_View, Definition, _Verdicts]]:
    """Yield the missing predictions of each method, from its rows if it has any."""
    owners = {label: own[0] for label, own in measured.measure.parts.items()}
    names, cases = list(dict.fromkeys(owners.values())), measured.covariates.index
    nothing = pd.DataFrame(math.nan, cases, list(owners))
    methods = list(measured.automatic) or (["predicted"] if _has_rows(measured) else [])
    for place, method in enumerate(methods):
        values = measured.values.get(method, nothing)
        known = values.rename(columns=owners).T.groupby(level=0).first().T.reindex(columns=names)
        view = _View(measured, method, known, "", False, place == 0)
        flags = view.scores("failed")
        is_failed = (flags == 1) | (flags.isna() & known.isna())
        reason = f"no {measured.main.plural} by {method}"
        yield (
            view,
            NO_PREDICTION,
            _Verdicts(known, is_failed | known.notna(), is_failed, is_failed.astype(float),
                      measured.main.unit, lambda *_: "no prediction", reason),
        )  # fmt: skip


def _has_rows(measured: Measured) -> bool:
    """Return True if a network has rows, even without a mask or prediction."""
    return "failed" in set(measured.scores.get("metric", ()))


def _views(measured: Measured) -> Iterator[_View]:
    """Yield the methods, then the reference; scores belong to the first method.

    Further raters are left out: their masks are not checked.
    """
    labels, cases = list(measured.measure.labels), measured.covariates.index
    methods = list(measured.automatic)
    if not methods and _has_rows(measured):
        methods = ["predicted"]  # none of its masks has a volume
    nothing = pd.DataFrame(math.nan, index=cases, columns=labels)
    for place, method in enumerate(methods):
        volumes = measured.values.get(method, nothing)[labels]
        yield _View(measured, method, volumes, "", False, place == 0)
    if measured.reference is not None:
        volumes = measured.values[measured.reference][labels]
        yield _View(measured, measured.reference, volumes, OWN, True, True)


def _crash_or_empty(view: _View) -> _Verdicts:
    volumes, truth, crashed = view.volumes, view.truth(), view.scores("failed")
    unit = view.measured.main.unit
    is_equal = view.measured.reference is None and not crashed.notna().any(axis=None)
    if view.is_reference or is_equal:  # a case without a rater's mask is missing, not failed
        is_judged, is_failed = volumes.notna(), volumes == 0
    else:
        is_failed = volumes.isna() | ((volumes == 0) & (truth != 0))
        has_label = volumes.notna().any() | crashed.notna().any()  # labels that the method segments
        is_judged = volumes.notna() | volumes.isna() & has_label

    def describe(case_id: object, label: str) -> str:
        if math.isnan(volumes.at[case_id, label]):
            return "no mask"
        known = "" if view.is_reference else truth.at[case_id, label]
        size = f"empty, the reference has {_amount(known, unit)}" if known and known > 0 else ""
        return size or "empty"

    reason = f"no {view.measured.main.plural} by {view.method}"
    return _Verdicts(volumes, is_judged, is_failed, truth.fillna(0), unit, describe, reason)


def _failed(view: _View) -> _Verdicts:
    """Find missing masks, empty masks and, from scores, masks with nearly no overlap."""
    lost, dice = _crash_or_empty(view), view.scores("dice")
    is_failed = has_failed(dice, is_lost=lost.is_failed & lost.is_judged)
    return lost._replace(is_failed=is_failed, is_judged=lost.is_judged | dice.notna())


def _dice_below(least: float) -> Callable[[_View], _Verdicts]:
    def check(view: _View) -> _Verdicts:
        dice = view.scores("dice")

        def describe(case_id: object, label: str) -> str:
            return f"Dice {dice.at[case_id, label]:.2f}"

        return _Verdicts(dice, dice.notna(), dice < least, -dice, "", describe, NO_SCORES)

    return check


def _flagged(metric: str, text: str) -> Callable[[_View], _Verdicts]:
    """Return a check by a metric of the mask itself that is 1 for a failure."""

    def check(view: _View) -> _Verdicts:
        values = view.scores(f"{view.prefix}{metric}")
        is_pairless = metric == "swapped" and not view.measured.target.pairs
        reason = "the target has no pairs of left and right" if is_pairless else NO_SCORES
        return _Verdicts(values, values.notna(), values > 0, values, "", lambda *_: text, reason)

    return check


def _unusual_pieces(view: _View) -> _Verdicts:
    """Find masks whose number of pieces is not the expected one; empty masks do not fail."""
    values, expected = view.scores(f"{view.prefix}pieces"), view.measured.target.expected_pieces
    numbers = pd.Series({label: expected.get(label) for label in values}, dtype=float)
    apart = (values - numbers).abs()

    def describe(case_id: object, label: str) -> str:
        return unusual_pieces(int(values.at[case_id, label]), expected[label])

    is_known = numbers.notna()
    reason = NO_SCORES if is_known.any() else "the target expects no number of pieces"
    is_judged = values.notna() & is_known & ~view.is_cut()
    is_failed = (values > 0) & (apart > 0)
    return _Verdicts(values, is_judged, is_failed, apart, "", describe, reason)


def _implausible_size(view: _View) -> _Verdicts:
    """Find sizes outside the target's plausible range, or outside mean ± 3 SD of the reference.

    Both limits apply where both are known. Without a reference, mean and SD are those of the
    method's own sizes. Empty masks do not count for mean and SD. An empty mask is not checked if
    the reference is empty, too. Where mean ± 3 SD include the case itself, they find no outlier
    among ten cases: one of n values is at most (n − 1) / √n SD from the mean.
    """
    volumes, truth = view.volumes, view.truth()
    limits = {label: _limits(view, label) for label in volumes}
    outside = pd.DataFrame(-math.inf, index=volumes.index, columns=volumes.columns)
    for label, known in limits.items():
        for low, high, _ in known:
            beyond = np.maximum(low - volumes[label], volumes[label] - high) / (high - low)
            outside[label] = np.maximum(outside[label], beyond)

    def describe(case_id: object, label: str) -> str:
        volume = volumes.at[case_id, label]
        broken = next(one for one in limits[label] if not one[0] <= volume <= one[1])
        low, high = (_size(max(end, 0)) for end in broken[:2])
        return f"{_amount(volume, unit)}, {broken[2]} are {low}–{high}"

    is_known = pd.Series({label: bool(known) for label, known in limits.items()})
    is_judged = volumes.notna() & ((volumes != 0) | (truth != 0)) & is_known & ~view.is_cut()
    sizes, unit = view.measured.main.plural, view.measured.main.unit
    reason = f"no plausible range, and fewer than {FEWEST_CASES} {sizes} for a usual range"
    return _Verdicts(volumes, is_judged, outside > 0, outside, unit, describe, reason)


def _limits(view: _View, label: str) -> list[tuple[float, float, str]]:
    """Return the ranges of size of a label: lowest and highest size, and the range's name."""
    target, reference = view.measured.target, view.measured.reference
    ranges = []
    if label in target.size_ranges:
        ranges.append((*target.size_ranges[label], "plausible"))
    whose = view.measured.values[reference] if reference else view.volumes
    usual = whose[label][whose[label] > 0]
    if len(usual) >= FEWEST_CASES and (sd := float(usual.std())) > ROUNDING * float(usual.max()):
        name = "the reference's" if reference else "its own"
        ends = (float(usual.mean()) - WIDE_SD * sd, float(usual.mean()) + WIDE_SD * sd)
        ranges.append((*ends, f"usual (mean ± 3 SD of {name})"))
    return ranges


def _size(size: float) -> str:
    return number(size, 0 if abs(size) >= 10 else None)


def _amount(size: float, unit: str) -> str:
    return f"{_size(size)} {unit_text(unit)}"


CHECKS: dict[str, Callable[[_View], _Verdicts]] = {
    FAILED.name: _failed,
    CRASH.name: _crash_or_empty,
    NEARLY_COMPLETE.name: _dice_below(FAILED_DICE),
    BELOW_HALF.name: _dice_below(POOR),
    SWAPPED.name: _flagged("swapped", "left and right are swapped"),
    IMPLAUSIBLE.name: _implausible_size,
    EDGE.name: _flagged("touches_edge", "touches the edge of the scan"),
    PIECES.name: _unusual_pieces,
}
