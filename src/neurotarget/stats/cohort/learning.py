"""Verdict whether a network has learnt its target, and effects that its masks cannot answer.

A Dice has a meaning only next to that of a trivial mask: 0 for an empty mask, 2 f / (1 + f) for a
mask of all voxels, where the label fills a share f of the volume that the network sees (the region
of interest, where the target has one). `gain` rescales Dice so that the better trivial mask has 0
and a perfect mask 1, as Cohen's kappa does for agreement.

Source: Cohen 1960, doi:10.1177/001316446002000104 (correction for chance).
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from neurotarget.number_text import number, unit_text
from neurotarget.quantity import SIZES
from neurotarget.stats.cohort.failures import failed_masks
from neurotarget.stats.cohort.measured import Measured, Quantity
from neurotarget.stats.cohort.outcome_skill import Skill, outcome_skill
from neurotarget.types import FAILED, FAILED_DICE, Target

LEARNT = "learnt"
NOT_LEARNT = "not learnt"
DOUBTFUL = "doubtful"
UNKNOWN = "not known"  # no mask could be scored

LEAST_GAIN = FAILED_DICE  # below: not learnt; for a small structure, a mean Dice below 0.1
SAFE_GAIN = 0.25  # below: doubtful
MOST_FAILED = 0.5  # share of failed masks; above: not learnt
SAFE_FAILED = 0.2  # share of failed masks; above: doubtful, and no effect is estimated from them
LEAST_STEPS = 0.5  # share of the expected steps; below: a warning
FEW_STEPS = 500  # a training limited by time only that has fewer steps: a warning

FEWEST = 3  # fewest cases for which equal volumes are suspicious
ROUNDING = 1e-10  # a spread below this share of the values is rounding error
PREDICTED = "predicted"  # method name of a network's masks in a study of rows


class Training(NamedTuple):
    """Facts about a training apart from its held-out masks; NaN, or "", where unknown.

    `expected_steps` is the number that the settings ask for, in steps or in epochs × steps. `dice`
    is the mean over labels in validation, `all_foreground_dice` the validation Dice of a mask of
    all voxels. `time_limit` is the setting that limits the training time, such as
    `trainer.max_time=00:00:05:00`.
    """

    steps: float = math.nan
    expected_steps: float = math.nan
    dice: float = math.nan
    all_foreground_dice: float = math.nan
    time_limit: str = ""

    @classmethod
    def read(cls, content: object) -> "Training":
        """Read a training from the `content` of summary.json.

        Absent and malformed values become unknown, as another version may have written the file.
        """
        known = content if isinstance(content, Mapping) else {}
        numbers = {key: as_number(known.get(key)) for key in cls._fields if key != "time_limit"}
        return cls(**numbers, time_limit=str(known.get("time_limit") or ""))


class Learning(NamedTuple):
    """One of four verdicts, its reasons as sentences, and warnings that do not change it."""

    verdict: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def gain(dice: float, all_foreground_dice: float) -> float:
    """Return the Dice rescaled to 0 for the better trivial mask and 1 for a perfect one.

    Negative where a trivial mask is better. An unknown (NaN) `all_foreground_dice` counts as 0, the
    Dice of an empty mask. NaN where a mask of all voxels is perfect.
    """
    trivial = 0.0 if math.isnan(all_foreground_dice) else max(all_foreground_dice, 0.0)
    return (dice - trivial) / (1 - trivial) if trivial < 1 else math.nan


def judge_learning(
    *,
    dice: float,
    n_failed: int,
    n_masks: int,
    n_scored: int | None = None,
    training: Training | None = None,
) -> Learning:
    """Return the verdict whether a network has learnt, from held-out masks or else validation.

    A mask is one label of one case.

    Args:
        dice: mean Dice of the held-out masks, where a missing mask has 0; NaN without masks.
        n_failed: number of held-out masks that failed (`types.has_failed`).
        n_masks: number of held-out masks that could be checked.
        n_scored: number of these masks with a Dice, which needs a reference; by default all.
        training: facts about the training, with its validation and its steps.
    """
    known = training or Training()
    n_scored = n_masks if n_scored is None else n_scored
    is_held_out = n_scored > 0 and not math.isnan(dice)
    value, trivial = (dice if is_held_out else known.dice), known.all_foreground_dice
    failed = n_failed / n_masks if n_masks else 0.0
    progress = gain(value, trivial)
    plural = "" if n_scored == 1 else "s"
    whose = f"{n_scored} held-out mask{plural}" if is_held_out else "validation"
    reasons = [*_dice_sentence(value, trivial, whose)]
    if n_failed:
        reasons.append(f"{n_failed} of {n_masks} held-out masks failed ({FAILED}).")
    if progress < LEAST_GAIN or failed > MOST_FAILED or (math.isnan(value) and known.steps == 0):
        verdict = NOT_LEARNT
    elif math.isnan(value):
        verdict, reasons = UNKNOWN, ["No mask could be scored."]
    else:
        verdict = DOUBTFUL if progress < SAFE_GAIN or failed > SAFE_FAILED else LEARNT
    if verdict == NOT_LEARNT and is_held_out and gain(known.dice, trivial) >= SAFE_GAIN:
        reasons.append(
            f"Validation reached a Dice of {known.dice:.3f}: the held-out scans differ from those "
            "of training, or were prepared differently."
        )
    warnings = tuple(_warnings(known))
    steps = () if warnings else _steps_done(known)  # a warning states the steps, too
    return Learning(verdict, (*reasons, *steps), warnings)


def judge_validation(values: Mapping[str, float], training: Training | None = None) -> Learning:
    """Return the verdict on a run without held-out scores, from its best validation values.

    Keys of `values` are `val/dice_mean`, `val/dice_all_foreground` and `val/failed_share`.
    """
    dice, trivial, failed = (
        float(values.get(f"val/{name}", math.nan))
        for name in ("dice_mean", "dice_all_foreground", "failed_share")
    )
    known = (training or Training())._replace(dice=dice, all_foreground_dice=trivial)
    judged = judge_learning(dice=math.nan, n_failed=0, n_masks=0, training=known)
    if not failed > SAFE_FAILED:
        return judged
    verdict = NOT_LEARNT if failed > MOST_FAILED or judged.verdict == NOT_LEARNT else DOUBTFUL
    why = f"{100 * failed:.0f} % of the masks in validation failed ({FAILED})."
    return judged._replace(verdict=verdict, reasons=(*judged.reasons, why))


def time_note(training: Training) -> str:
    """Return a note that a training limited by time depends on the machine; else ""."""
    if not training.time_limit:
        return ""
    known = training.steps >= 0
    done = f"; {number(training.steps, 0)} training steps were done here" if known else ""
    return (
        f"The result depends on the machine: {training.time_limit} limits the training time{done}. "
        "A slower or busy machine does fewer steps, a faster machine more."
    )


def study_learning(measured: Measured, training: Training | None) -> Learning | None:
    """Return the verdict on the network whose masks a study measures; None without a network.

    Only the method `predicted` is known to be a network; other masks may be a person's. Predicted
    outcomes get their verdict elsewhere.
    """
    if not measured.main.is_of_masks:
        return None
    is_lost = not measured.methods and "failed" in set(measured.scores.get("metric", ()))
    if PREDICTED not in measured.methods and not is_lost:
        return None
    rows = measured.scores
    if "label" in rows:  # a region has rows in addition to those of its labels
        rows = rows[~rows["label"].isin([*measured.target.all_regions])]
    return judge_rows(rows, training)


def judge_rows(rows: pd.DataFrame, training: Training | None, *keys: str) -> Learning:
    """Return the verdict on a network from rows.csv, of masks or of predicted outcomes.

    Args:
        rows: rows of one run, or of several runs.
        training: facts about the training; None if unknown.
        keys: columns that distinguish masks of the same case and label, such as `run`.
    """
    masks = failed_masks(rows, (*keys, "case_id", "label"))
    if (skill := outcome_skill(rows)) is not None:
        return _judge_outcomes(skill, masks, training or Training())
    scores = rows[rows["metric"] == "dice"] if len(rows) else pd.DataFrame(columns=["value"])
    means = scores.groupby("label")["value"].mean() if len(scores) else scores["value"]
    return judge_learning(
        dice=float(means.mean()),
        n_failed=int(masks.sum()),
        n_masks=len(masks),
        n_scored=int(scores["value"].notna().sum()),
        training=training,
    )


def _judge_outcomes(skill: Skill, failures: pd.Series, training: Training) -> Learning:
    """Return the verdict on a network from predicted outcomes; guessing has a skill of 0."""
    failed = float(failures.mean()) if len(failures) else 0.0
    reasons = [skill.sentence] if skill.sentence else []
    if failed:
        reasons.append(f"{int(failures.sum())} of {len(failures)} held-out predictions failed.")
    if failed > MOST_FAILED or skill.value <= 0:
        verdict = NOT_LEARNT
    elif math.isnan(skill.value):
        verdict, reasons = UNKNOWN, ["No prediction could be scored."]
    else:
        is_doubtful = skill.may_be_guessing or failed > SAFE_FAILED
        verdict = DOUBTFUL if is_doubtful else LEARNT
    warnings = tuple(_warnings(training))
    return Learning(verdict, (*reasons, *(() if warnings else _steps_done(training))), warnings)


def refusals(
    masks: pd.Series, target: Target, learning: Learning | None = None, *, whose: str = ""
) -> dict[str, str]:
    """Return the reason why a label or region allows no conclusion, for each unusable one.

    `masks` is True where a mask, or a prediction of an outcome, failed (index with a level
    `label`). A label is unusable where more than a fifth of its masks failed, a region where more
    than a fifth of its labels' masks failed; all are unusable where the network has not learnt.
    `whose` replaces the beginning of the sentence, which is about the network.
    """
    what = "masks" if target.labels else "predictions"
    is_failed = FAILED if target.labels else "no prediction"
    head = whose or f"the network’s {what} cannot answer"
    if learning is not None and learning.verdict == NOT_LEARNT:
        why = f"{head}: it has not learnt, and {int(masks.sum())} of {len(masks)} masks failed"
        return dict.fromkeys(_parts(target), why)
    reasons = {}
    labels = masks.index.get_level_values("label")
    for name, parts in _parts(target).items():
        own = masks[labels.isin(parts)]
        if len(own) and own.mean() > SAFE_FAILED:
            reasons[name] = f"{head}: {int(own.sum())} of {len(own)} failed ({is_failed})"
    return reasons


def study_refusals(measured: Measured, learning: Learning | None) -> dict[tuple[str, str], str]:
    """Return the `refusals` of every method of a study, by method and label.

    For a method without scores, a mask has failed if it is empty and the reference is not.
    """
    reasons: dict[tuple[str, str], str] = {}
    for method, masks in _judged(measured):
        is_network = method == PREDICTED
        what = "masks" if measured.main.is_of_masks else "predictions"
        head = "" if is_network else f"the {what} by {method} cannot answer"
        why = refusals(masks, measured.target, learning if is_network else None, whose=head)
        reasons |= {(method, label): reason for label, reason in why.items()}
    return reasons | _without_spread(measured)


def _without_spread(measured: Measured) -> dict[tuple[str, str], str]:
    """Return a reason for labels whose reference does not vary, so that no method can be tested."""
    if measured.reference is None:
        return {}
    table = measured.values[measured.reference].dropna(axis="columns", how="all")
    reasons = {}
    for label, values in table.items():
        known = values.dropna()
        if len(known) >= FEWEST and float(np.ptp(known)) <= ROUNDING * float(known.abs().max()):
            why = (
                f"no reference spread: {label} by {measured.reference} is "
                f"{_amount(known.iloc[0], measured.main)} in all {len(known)} cases"
            )
            reasons |= {(method, str(label)): why for method in measured.methods}
    return reasons


def without_failed(measured: Measured) -> tuple[Measured, dict[str, pd.DataFrame]]:
    """Return the cohort with NaN where masks or predictions failed, and tables of failures.

    An empty mask that failed does not mean a volume of 0 mm³. The tables of failures, by method,
    have one row per case and one column per label or region. A region fails if any of its labels
    fails.
    """
    failed = {
        method: failed_by_label(masks, measured)
        for method, masks in _judged(measured)
        if len(masks) and masks.any()
    }

    def known(method: str, table: pd.DataFrame) -> pd.DataFrame:
        if method not in failed:
            return table
        return table.mask(failed[method].reindex(columns=list(table), fill_value=False))

    quantities = {
        name: replace(one, tables={of: known(of, table) for of, table in one.tables.items()})
        for name, one in measured.quantities.items()
    }
    return replace(measured, quantities=quantities), failed


def _judged(measured: Measured) -> Iterator[tuple[str, pd.Series]]:
    """Yield which masks of each automatic method failed, by case and label."""
    for place, method in enumerate(measured.automatic):
        masks = failed_masks(measured.scores) if place == 0 else _empty(measured, method)
        yield method, masks if len(masks) else _empty(measured, method)


def failed_by_label(masks: pd.Series, measured: Measured) -> pd.DataFrame:
    """Return whether each case (row) failed in each label, or in any label of a region (column).

    A case or label that is absent from `masks` counts as not failed.
    """
    cases, parts = measured.covariates.index, _parts(measured.target)
    labels = list(dict.fromkeys(label for own in parts.values() for label in own))
    table = masks.unstack("label") if len(masks) else pd.DataFrame(index=cases)
    table = table.reindex(index=cases, columns=labels).eq(True)
    return pd.DataFrame({name: table[list(own)].any(axis=1) for name, own in parts.items()})


def _parts(target: Target) -> dict[str, tuple[str, ...]]:
    """Labels in which each label or region of any quantity can fail."""
    return {name: own for one in target.quantities.values() for name, own in one.parts.items()}


def _empty(measured: Measured, method: str) -> pd.Series:
    """Return True for sizes of 0 where the reference is larger; unknown sizes are absent."""
    if measured.reference is None or measured.main.name not in SIZES:
        return failed_masks(pd.DataFrame())
    labels = list(measured.measure.labels)
    own, truth = (measured.values[name][labels] for name in (method, measured.reference))
    wide = ((own == 0) & (truth > 0)).rename_axis(index="case_id", columns="label")
    return wide.stack()[(own.notna() & (truth > 0)).stack().to_numpy()]


def _amount(value: float, quantity: Quantity) -> str:
    return f"{value:.4g} {unit_text(quantity.unit)}".rstrip()


def _dice_sentence(dice: float, trivial: float, whose: str) -> Iterable[str]:
    if math.isnan(dice):
        return
    against = ""
    if not math.isnan(trivial):
        against = f"; an empty mask has 0, a mask of all that the network sees {trivial:.3f}"
    yield f"The mean Dice of {whose} is {dice:.3f}{against}."


def _steps_done(training: Training) -> Iterable[str]:
    if math.isnan(training.steps):
        return
    wanted = training.expected_steps
    of = f" of {number(wanted, 0)} that its settings require" if math.isfinite(wanted) else ""
    yield f"{number(training.steps, 0)} training steps were done{of}."


def _warnings(training: Training) -> Iterable[str]:
    steps, wanted = training.steps, training.expected_steps
    by_time = f" before {training.time_limit} ended the training" if training.time_limit else ""
    if math.isfinite(wanted) and steps < LEAST_STEPS * wanted:
        share = f"{100 * steps / wanted:.2g} %"
        yield (
            f"Only {number(steps, 0)} of {number(wanted, 0)} expected training steps ({share}) "
            f"were done{by_time}: train longer, or use a machine that is not busy."
        )
    elif training.time_limit and steps < FEW_STEPS and not steps >= wanted:
        yield (
            f"Only {number(steps, 0)} training steps were done{by_time}, wanted {FEW_STEPS} at "
            "least: set a longer time, or use a machine that is not busy."
        )


def as_number(value: object) -> float:
    """Return a value of a JSON file as a float; NaN if it is not a number, such as text or true."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else math.nan


def facts_of(training: Training) -> dict[str, Any]:
    """Return a training as JSON values for summary.json, without unknown and infinite values."""
    return {
        key: value
        for key, value in training._asdict().items()
        if isinstance(value, str) or math.isfinite(value)
    }
