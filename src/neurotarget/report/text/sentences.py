"""Sentences on the tables of a study: verdicts, comparisons, headlines.

Nothing is computed here: every number is read from a table, and missing results are left out.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from neurotarget.number_text import stated, unit_text
from neurotarget.report.text.claims import claim_of, measure_noun, target_noun
from neurotarget.report.text.numbers import counted, estimate, listed, percent
from neurotarget.stats.arms.comparison import Comparison
from neurotarget.stats.cohort.failures import FAILED, NEARLY_COMPLETE, NO_PREDICTION
from neurotarget.stats.cohort.measured import EXTERNAL, PARTS
from neurotarget.stats.effects.effect_differences import DIFFERENT, EQUIVALENT, SLIGHT, UNDECIDED
from neurotarget.stats.effects.variants import DECLARED, WITH_SITE
from neurotarget.stats.effects.verdict import NO_CONCLUSION, SHOWN, SHOWN_KINDS
from neurotarget.stats.study.results import Study
from neurotarget.types import FAILED as FAILED_IS

PREDICTED = "predicted"
ADJECTIVES = ("reference", PREDICTED, "measured")  # methods that qualify a noun
RATINGS = ((0.5, "poor"), (0.75, "moderate"), (0.9, "good"), (math.inf, "excellent"))
PLANTED = "planted in the generated cohort"  # source of the effects of a generated cohort
PLANTED_IN_TISSUE = "planted in the tissue of the generated cohort; a mean in a map shows less"
NO_VALUE = "no {}, or one of 0 where the reference is not 0"
FEWER_VALUES = "Round brackets hold the number of cases with both {}, if it differs."


def rows_of(study: Study | Comparison, name: str, **wanted: object) -> pd.DataFrame:
    """Return rows of a table with these values; empty where the table or a column is missing.

    Args:
        study: its `tables` are read.
        name: of the table, as in `study/<name>.tsv`.
        wanted: value by column.
    """
    table = study.tables.get(name)
    if table is None or set(wanted) - set(table):
        return pd.DataFrame()
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


def records(study: Study | Comparison, name: str, **wanted: object) -> list[dict]:
    """Return rows of a table with these values as dictionaries; none where `rows_of` is empty."""
    return rows_of(study, name, **wanted).to_dict("records")


def agreement_rows(study: Study, first: str, second: str) -> dict[tuple[str, str], dict]:
    """Return the agreement of two methods over the whole cohort, by label and statistic.

    Returns:
        Rows with `value`, `low`, `high`, `n` and `reason`; differences are `second` minus `first`.
    """
    rows = records(study, "agreement", first=first, second=second, stratum="all")
    return {(row["label"], row["statistic"]): row for row in rows}


def title_of(name: str) -> str:
    """Format a name from a file as a heading: `sex_difference` as `Sex difference`.

    Names whose second letter is a capital, such as eTIV, keep their first one.
    """
    text = name.replace("_", " ").strip()
    # names such as eTIV stay as they are
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]


def label_text(label: str) -> str:
    """Format the name of a label for a sentence: underscores become blanks."""
    return label.replace("_", " ")


def values_of(method: str, what: str) -> str:
    """Return the phrase for the volumes, masks or other values of a method.

    Reference, predicted and measured are adjectives (`predicted volumes`); others follow (`volumes
    by rater 2`).
    """
    return f"{method} {what}" if method in ADJECTIVES else f"{what} by {method}"


def verdict_sentence(row: Mapping, what: str) -> str:
    """State the verdict on one method's values, called `what`, with the effect and its interval.

    `row` is one of the table of effects. Without an estimate the reason follows.
    """
    text = f"{row['verdict']} on the {values_of(row['method'], what)}"
    if math.isfinite(row["estimate"]):
        text += f", {estimate(row, 'estimate', sign=True, unit=row['unit'])}"
    elif row["reason"]:
        text += f": {row['reason']}"
    return text


def paired_difference(study: Study, first: Mapping, second: Mapping) -> Mapping | None:
    """Return the row of the paired difference of two methods' effects, in the leading model.

    The leading model is the one whose verdict answers the hypothesis.

    A mixed model has no paired difference; the model with site, or else the declared model, is used
    instead. None if the table has no such row.
    """
    rows = rows_of(
        study,
        "effect_differences",
        hypothesis=first["hypothesis"],
        first=first["method"],
        second=second["method"],
    )
    for model in (first["model"], WITH_SITE, DECLARED):  # a mixed model has no paired difference
        if len(same := rows[rows["model"] == model] if len(rows) else rows):
            return same.iloc[0].to_dict()
    return None


def comparison_sentence(first: Mapping, second: Mapping, row: Mapping | None) -> tuple[str, str]:
    """Return whether two methods measure the same effect: the finding, and a sentence.

    Estimates are compared, not verdicts: two wide intervals do not show agreement.

    Args:
        first: row of the effect by the first method.
        second: row of the effect by the second method.
        row: of `paired_difference`; None, or one without an estimate, is undecided.
    """
    if why := _no_conclusion(first, second):
        return UNDECIDED, as_sentence(why)
    whose = "network" if second["method"] == PREDICTED else f"method {second['method']}"
    other = "the reference" if first["method"] == "reference" else first["method"]
    if row is None or not math.isfinite(row["difference"]):
        why = row["reason"] if row is not None and row["reason"] else "one is not estimable"
        return UNDECIDED, f"The two effects cannot be compared: {why}."
    unit = unit_text(row["unit"])
    apart = estimate(row, "difference", sign=True, unit=row["unit"])
    finding, matters = row["finding"] or UNDECIDED, row["matters"]
    small = f"the smallest effect of interest ({f'{stated(matters)} {unit}'.rstrip()})"
    same, another = f"measures the same effect as {other}", f"measures another effect than {other}"
    end = f"the interval of the difference, {apart}, reaches beyond {small}"
    if not math.isfinite(matters):
        end = f"the difference is {apart}, and no smallest effect of interest (matters) is stated"
    texts = {
        EQUIVALENT: f"The {whose} {same}: the difference, {apart}, lies within {small}.",
        SLIGHT: f"The {whose} {another}, by {apart}: less than {small}.",
        DIFFERENT: f"The {whose} {another}, by {apart}.",
        UNDECIDED: f"Whether the {whose} {same} is undecided: {end}.",
    }
    return finding, texts[finding]


def _no_conclusion(*rows: Mapping) -> str:
    """Return the reason why masks of a method allow no conclusion; "" if all allow one."""
    return next((row["reason"] for row in rows if row["verdict"] == NO_CONCLUSION), "")


def capital(text: str) -> str:
    """Return a text with a capital first letter."""
    return text[:1].upper() + text[1:]


def as_sentence(text: str) -> str:
    """Return a text as a sentence; "" stays."""
    return f"{capital(text)}." if text else ""


def leading(study: Study) -> dict[str, list[dict]]:
    """Return, for each hypothesis, the effects in its leading model, in the methods' order.

    The leading model is the one whose verdict counts; rows are those of the table of effects.
    """
    effects: dict[str, list[dict]] = {}
    for row in records(study, "effects", leads=True):
        effects.setdefault(row["hypothesis"], []).append(row)
    return effects


def cohort(study: Study) -> str:
    """Describe the cohort: numbers of cases, people and sites, and the methods.

    People are named if they differ from the cases, sites if known, and parts if they exist.
    """
    table = study.measured.covariates
    n, people = len(table), study.measured.subjects.nunique()
    text = counted(n, "case")
    if n != people:
        text += f" of {counted(people, 'person')}"
    if "site" in table and (sites := table["site"].nunique()):
        text += f" from {counted(sites, 'site')}"
    if parts := [f"{count} {part}" for part, count in part_counts(study).items()]:
        text += f", {listed(parts)}"
    methods = study.measured.methods
    if not methods:
        return f"{text}."
    return f"{text}. {capital(study.measured.main.plural)}: {listed(methods)}."


def part_counts(study: Study) -> dict[str, int]:
    """Return the number of cases by part, internal first; empty where no case is external."""
    parts = study.measured.parts
    counts = {part: int((parts == part).sum()) for part in PARTS.values()}
    return {part: n for part, n in counts.items() if n} if counts[EXTERNAL] else {}


def answer(study: Study) -> str:
    """Return the result of the study in a sentence; "" without hypotheses.

    It states how many expected effects each method shows, and for two methods how often they
    measure the same effect.
    """
    effects, measured = leading(study), study.measured
    what, parts = target_noun(measured.target), []
    for method in measured.methods:
        rows = [row for every in effects.values() for row in every if row["method"] == method]
        if rows and all(row["verdict"] == NO_CONCLUSION for row in rows):
            parts.append(f"the {values_of(method, what)} allow no conclusion")
        elif rows:
            is_first = not any(" show " in part for part in parts)
            parts.append(f"the {values_of(method, what)} {_shows(rows, is_first=is_first)}")
    if not parts:
        return ""
    pairs = [rows for rows in map(_without_raters(study), effects.values()) if len(rows) == 2]
    findings = [comparison_sentence(*rows, paired_difference(study, *rows))[0] for rows in pairs]
    if findings:
        names = (
            (EQUIVALENT, "the same"),
            (SLIGHT, "different by less than matters"),
            (DIFFERENT, "different"),
            (UNDECIDED, "undecided"),
        )
        counts = [f"{finding} in {n}" for name, finding in names if (n := findings.count(name))]
        both = listed(measured.methods[:2])
        one = f"in the comparison of {both} the effect is {counts[0].removesuffix(' in 1')}"
        several = f"in {len(findings)} comparisons of {both} the effect is {listed(counts)}"
        parts.append(one if len(findings) == 1 else several)
    text = listed(parts[:-1]) + f"; {parts[-1]}" if findings else listed(parts)
    return f"{capital(text)}."


def _shows(rows: Sequence[Mapping], *, is_first: bool) -> str:
    """Return how many effects a method shows; verdicts of other effects follow in brackets."""
    verdicts = [row["verdict"] for row in rows]
    count = sum(verdict in SHOWN_KINDS for verdict in verdicts)
    others = [one for one in dict.fromkeys(verdicts) if one != SHOWN]
    if len(rows) == 1:
        more = f" ({others[0].removeprefix('shown, ')})" if others else ""
        return f"{'show' if count else 'do not show'} the expected effect{more}"
    each = [f"{verdicts.count(one)} {one.removeprefix('shown, ')}" for one in others]
    shows = f"show {count or 'none'} of {len(rows)} expected effects" if is_first else count
    return f"{shows or 'none'}{f' ({listed(each)})' if each else ''}"


def headlines(study: Study) -> list[str]:
    """Return a line for each hypothesis, for agreement and for failures.

    These are the lines of the terminal; results that are missing have none.
    """
    hypotheses = {one.name: one for one in study.measured.target.hypotheses}
    lines = []
    for name, rows in leading(study).items():
        hypothesis = hypotheses.get(name)
        head = claim_of(study, hypothesis) if hypothesis else title_of(name)
        what = measure_noun(hypothesis) if hypothesis else study.measured.main.plural
        verdicts = "; ".join(verdict_sentence(row, what) for row in rows)
        lines.append(f"{head} {capital(verdicts)}.")
        if remark := rows[0]["remark"]:
            lines[-1] += f" {capital(remark)}."
        if len(two := _without_raters(study)(rows)) == 2 and not _no_conclusion(*two):
            lines[-1] += f" {comparison_sentence(*two, paired_difference(study, *two))[1]}"
    return lines + _agreement_lines(study) + _failure_lines(study)


def own_methods(study: Study) -> list[str]:
    """Return the methods except further raters."""
    return [name for name in study.measured.methods if name not in study.measured.raters]


def own_pairs(study: Study) -> list[tuple[str, str]]:
    """Return the pairs of methods except further raters, who have a section of their own."""
    raters = set(study.measured.raters)
    return [pair for pair in study.measured.pairs if not raters & {*pair}]


def case_counts(n: int, n_volumes: int) -> str:
    """Format the number of cases with a Dice, and in brackets with both volumes if different."""
    return str(n) if n == n_volumes else f"{n} ({n_volumes})"


def main_label(study: Study) -> str:
    """Return the sum of all labels, or else the first label."""
    labels = study.measured.labels
    return "total" if "total" in labels else labels[0]


def rating(low: float, high: float) -> str:
    """Return the rating of an ICC by its interval: `good to excellent`; "" without one.

    Below 0.5 is poor, below 0.75 moderate, below 0.9 good, and excellent from there on; both ends
    of the interval are rated.

    Source: Koo and Li 2016, doi:10.1016/j.jcm.2016.02.012.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    ends = [next(rating for edge, rating in RATINGS if value < edge) for value in (low, high)]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def main_failures(study: Study, method: str) -> dict | None:
    """Return the row of failed masks or predictions; None where no failure could be detected.

    It has `n_failed` of `n` cases, and `rate` with its interval.
    """
    rows = [row for row in records(study, "failures", method=method)
            if row["definition"] in (FAILED.name, NO_PREDICTION.name)]  # fmt: skip
    return next((row for row in rows if row["n"] > 0), None)


def failed_is(study: Study, method: str) -> str:
    """Return what counts as a failed case: if there are no masks to score, a missing value.

    It follows a count of failed cases, in brackets.
    """
    if not study.measured.main.is_of_masks:
        return "no prediction"
    rows = rows_of(study, "failures", method=method, definition=NEARLY_COMPLETE.name)
    has_no_masks = len(rows) and not (rows["n"] > 0).any()
    return NO_VALUE.format(study.measured.main.noun) if has_no_masks else FAILED_IS


def not_estimated(table: pd.DataFrame, value: str) -> dict[str, int]:
    """Return the reasons of rows without a value with their counts, most frequent first.

    Args:
        table: with a column `reason`; without it nothing is returned.
        value: column that is NaN in these rows.
    """
    if value not in table or "reason" not in table:
        return {}
    reasons = table.loc[table[value].isna(), "reason"].replace("", "no reason given")
    return {str(reason): int(count) for reason, count in reasons.value_counts().items()}


def _agreement_lines(study: Study) -> list[str]:
    lines, main = [], study.measured.main
    for first, second in own_pairs(study):
        label = main_label(study)
        rows = agreement_rows(study, first, second)
        icc, bias = (rows.get((label, name)) for name in ("icc_a1", "bias"))
        if icc is None or bias is None or not math.isfinite(icc["value"]):
            continue
        lines.append(
            f"{capital(main.plural)} of {label_text(label)}, {second} against {first}: ICC(A,1) "
            f"{estimate(icc, 'value', digits=3)}, bias "
            f"{estimate(bias, 'value', sign=True, unit=main.unit)} ({int(icc['n'])} cases)."
        )
    return lines


def _failure_lines(study: Study) -> list[str]:
    lines = []
    for method in study.measured.methods:
        row = main_failures(study, method)
        if row is not None and method != study.measured.reference:
            lines.append(
                f"Failed cases of {method}: {int(row['n_failed'])} of {int(row['n'])}, "
                f"{percent(row)} ({failed_is(study, method)})."
            )
    return lines


def _without_raters(study: Study) -> Callable[[Sequence[dict]], list[dict]]:
    raters = set(study.measured.raters)
    return lambda rows: [row for row in rows if row["method"] not in raters]
