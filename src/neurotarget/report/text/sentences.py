"""Sentences on the tables of a study: verdicts, comparisons, headlines.

Nothing is computed here: every number is read from a table, and missing results are left out.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from neurotarget.report.text.claims import VOLUMES, all_asked, asked_of, claim_of
from neurotarget.report.text.numbers import listed, number, unit_text
from neurotarget.stats.arms.comparison import Comparison
from neurotarget.stats.cohort.failures import FAILED, NEARLY_COMPLETE
from neurotarget.stats.cohort.measured import EXTERNAL, PARTS
from neurotarget.stats.effects.effect_differences import DIFFERENT, EQUIVALENT, SLIGHT, UNDECIDED
from neurotarget.stats.effects.variants import DECLARED, WITH_SITE
from neurotarget.stats.effects.verdict import NO_CONCLUSION, SHOWN, SHOWN_KINDS
from neurotarget.stats.study.results import Study
from neurotarget.types import FAILED as FAILED_IS

MINUS, DASH, NARROW = "\N{MINUS SIGN}", "\N{EN DASH}", "\N{NARROW NO-BREAK SPACE}"
PREDICTED = "predicted"
ADJECTIVES = ("reference", PREDICTED, "measured")  # methods that qualify a noun
RATINGS = ((0.5, "poor"), (0.75, "moderate"), (0.9, "good"), (math.inf, "excellent"))
PLANTED = "planted in the generated cohort"  # source of the effects of a generated cohort
PLANTED_IN_TISSUE = "planted in the tissue of the generated cohort; a mean in a map shows less"
NO_VOLUME = "no volume, or one of 0 where the reference is not 0"
FEWER_VOLUMES = "Round brackets hold the number of cases with both volumes, where it is another."


def rows_of(study: Study | Comparison, name: str, **wanted: object) -> pd.DataFrame:
    """Return rows of a table with these values; empty where the table or a column is missing."""
    table = study.tables.get(name)
    if table is None or set(wanted) - set(table):
        return pd.DataFrame()
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


def shown(value: object, digits: int | None = None, *, sign: bool = False) -> str:
    """Format a number with a typographic minus; a dash for a missing one."""
    if value is None or not math.isfinite(value):
        return DASH
    text = number(float(value), digits, sign=sign)
    if float(text) == 0:
        text = text.lstrip("+-")
    whole, _, decimals = text.partition(".")
    if len(whole.lstrip("+-")) > 4:
        whole = f"{int(whole):{'+' if sign else ''},}".replace(",", NARROW)
    return (f"{whole}.{decimals}" if decimals else whole).replace("-", MINUS)


def digits_for(*values: float) -> int:
    """Return decimals that suit the largest of these values; small ones keep two digits."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if 0 < largest < 0.01:
        return 1 - math.floor(math.log10(largest))
    return next((count for edge, count in ((100, 0), (10, 1), (1, 2)) if largest >= edge), 3)


def unit_words(unit: str) -> str:
    """Format a unit for a sentence: `mm³ per year`."""
    return unit_text(unit).replace("/", " per ")


def estimate(row: Mapping, key: str, *, digits: int | None = None, sign: bool = False) -> str:
    """Format a value with its interval in square brackets, in equal decimals, without unit."""
    value, low, high = (float(row.get(name, math.nan)) for name in (key, "low", "high"))
    if not math.isfinite(value):
        return DASH
    digits = digits_for(value, low, high) if digits is None else digits
    if not (math.isfinite(low) and math.isfinite(high)):
        return shown(value, digits, sign=sign)
    ends = f"[{shown(low, digits)}, {shown(high, digits)}]"
    return f"{shown(value, digits, sign=sign)} {ends}"


def title_of(name: str) -> str:
    """Format a name from a file as a heading: `sex_difference` as `Sex difference`."""
    text = name.replace("_", " ").strip()
    # names such as eTIV stay as they are
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]


def volumes_of(method: str, what: str = VOLUMES) -> str:
    """Return the phrase for the volumes, or masks, of a method."""
    return f"{method} {what}" if method in ADJECTIVES else f"{what} by {method}"


def verdict_sentence(row: Mapping, what: str = VOLUMES) -> str:
    """State the verdict by one method's volumes, or masks, with the effect and its interval."""
    text = f"{row['verdict']} on the {volumes_of(row['method'], what)}"
    if math.isfinite(row["estimate"]):
        text += f", {estimate(row, 'estimate', sign=True)} {unit_words(row['unit'])}"
    elif row["reason"]:
        text += f": {row['reason']}"
    return text


def compared(study: Study, first: Mapping, second: Mapping) -> Mapping | None:
    """Return the row of the paired difference of two methods' effects, by the leading model."""
    rows = rows_of(
        study,
        "effect_differences",
        hypothesis=first["hypothesis"],
        first=first["method"],
        second=second["method"],
    )
    for model in (first["model"], WITH_SITE, DECLARED):  # a mixed model has no paired difference
        if len(found := rows[rows["model"] == model] if len(rows) else rows):
            return found.iloc[0].to_dict()
    return None


def comparison_sentence(first: Mapping, second: Mapping, row: Mapping | None) -> tuple[str, str]:
    """Return whether two methods measure the same effect: the finding, and a sentence.

    Estimates are compared, not verdicts: two wide intervals do not show agreement.
    """
    if why := _no_conclusion(first, second):
        return UNDECIDED, f"{_capital(why)}."
    whose = "network" if second["method"] == PREDICTED else f"method {second['method']}"
    other = "the reference" if first["method"] == "reference" else first["method"]
    if row is None or not math.isfinite(row["difference"]):
        why = row["reason"] if row is not None and row["reason"] else "one is not estimable"
        return UNDECIDED, f"The two effects cannot be compared: {why}."
    unit = unit_words(row["unit"])
    apart = f"{estimate(row, 'difference', sign=True)} {unit}"
    finding, matters = row["finding"], row["matters"]
    figures = f"{matters:.3g}"
    margin = shown(float(figures), len(figures.partition(".")[2]))
    small = f"the smallest effect of interest ({margin} {unit})"
    if finding == EQUIVALENT:
        text = f"The {whose} measures the same effect as {other}: the difference, {apart}, "
        return finding, f"{text}lies within {small}."
    if finding == SLIGHT:
        text = f"The {whose} measures another effect than {other}, by {apart}: less than "
        return finding, f"{text}{small}."
    if finding == DIFFERENT:
        return finding, f"The {whose} measures another effect than {other}, by {apart}."
    end = f"the interval of the difference, {apart}, reaches beyond {small}"
    if not math.isfinite(matters):
        end = f"the difference is {apart}, and no smallest effect of interest (matters) is stated"
    return (
        UNDECIDED,
        f"Whether the {whose} measures the same effect as {other} is undecided: {end}.",
    )


def _no_conclusion(*rows: Mapping) -> str:
    """Reason why the masks of a method allow no conclusion; "" where all do."""
    return next((row["reason"] for row in rows if row["verdict"] == NO_CONCLUSION), "")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def leading(study: Study) -> dict[str, list[dict]]:
    """Return the rows of effects by the leading model, by hypothesis, in the methods' order."""
    found: dict[str, list[dict]] = {}
    for row in rows_of(study, "effects", leads=True).to_dict("records"):
        found.setdefault(row["hypothesis"], []).append(row)
    return found


def cohort(study: Study) -> str:
    """Describe the cohort: numbers of cases, people and sites, and the methods."""
    table = study.measured.covariates
    n, people = len(table), study.measured.subjects.nunique()
    text = counted(n, "case")
    if n != people:
        text += f" of {counted(people, 'person')}"
    if "site" in table and (sites := table["site"].nunique()):
        text += f" from {counted(sites, 'site')}"
    if parts := [f"{number} {part}" for part, number in part_counts(study).items()]:
        text += f", {listed(parts)}"
    methods = study.measured.methods
    if not methods:
        return f"{text}."
    return f"{text}. Volumes: {listed(methods)}."


def part_counts(study: Study) -> dict[str, int]:
    """Return the number of cases by part, internal first; empty where no case is external."""
    parts = study.measured.parts
    found = {part: int((parts == part).sum()) for part in PARTS.values()}
    return {part: n for part, n in found.items() if n} if found[EXTERNAL] else {}


def answer(study: Study) -> str:
    """Return the result of the study in a sentence; "" without hypotheses."""
    effects, measured = leading(study), study.measured
    what, parts = all_asked(measured.target), []
    for method in measured.methods:
        rows = [row for every in effects.values() for row in every if row["method"] == method]
        if rows and all(row["verdict"] == NO_CONCLUSION for row in rows):
            parts.append(f"the {volumes_of(method, what)} allow no conclusion")
        elif rows:
            is_first = not any(" show " in part for part in parts)
            parts.append(f"the {volumes_of(method, what)} {_shows(rows, is_first=is_first)}")
    if not parts:
        return ""
    pairs = [rows for rows in map(_without_raters(study), effects.values()) if len(rows) == 2]
    findings = [comparison_sentence(*rows, compared(study, *rows))[0] for rows in pairs]
    if findings:
        names = (
            (EQUIVALENT, "the same"),
            (SLIGHT, "different by less than matters"),
            (DIFFERENT, "different"),
            (UNDECIDED, "undecided"),
        )
        counts = [f"{word} in {n}" for name, word in names if (n := findings.count(name))]
        both = listed(measured.methods[:2])
        one = f"in the comparison of {both} the effect is {counts[0].removesuffix(' in 1')}"
        several = f"in {len(findings)} comparisons of {both} the effect is {listed(counts)}"
        parts.append(one if len(findings) == 1 else several)
    text = listed(parts[:-1]) + f"; {parts[-1]}" if findings else listed(parts)
    return f"{_capital(text)}."


def _shows(rows: Sequence[Mapping], *, is_first: bool) -> str:
    """What one method's effects show, with the other verdicts: not shown is not absent."""
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
    """Return a line for each hypothesis, for agreement and for failures."""
    named = {hypothesis.name: hypothesis for hypothesis in study.measured.target.hypotheses}
    lines = []
    for name, rows in leading(study).items():
        asked = named.get(name)
        head = claim_of(study, asked) if asked else title_of(name)
        what = asked_of(asked) if asked else VOLUMES
        verdicts = "; ".join(verdict_sentence(row, what) for row in rows)
        lines.append(f"{head} {_capital(verdicts)}.")
        if remark := rows[0]["remark"]:
            lines[-1] += f" {_capital(remark)}."
        if len(two := _without_raters(study)(rows)) == 2 and not _no_conclusion(*two):
            lines[-1] += f" {comparison_sentence(*two, compared(study, *two))[1]}"
    return lines + _agreement_lines(study) + _failure_lines(study)


def own_methods(study: Study) -> list[str]:
    """Return the methods without further raters."""
    return [name for name in study.measured.methods if name not in study.measured.raters]


def own_pairs(study: Study) -> list[tuple[str, str]]:
    """Return every two methods without further raters, who have a section of their own."""
    raters = set(study.measured.raters)
    return [pair for pair in study.measured.pairs if not raters & {*pair}]


def cases_told(n: int, n_volumes: int) -> str:
    """Format the number of cases with a Dice, and with both volumes where it differs."""
    return str(n) if n == n_volumes else f"{n} ({n_volumes})"


def main_label(study: Study) -> str:
    """Return the sum of all labels, or the only label."""
    labels = study.measured.labels
    return "total" if "total" in labels else labels[0]


def rating(low: float, high: float) -> str:
    """Return the rating of an ICC by its interval: `good to excellent`.

    Source: Koo and Li 2016, doi:10.1016/j.jcm.2016.02.012.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    ends = [next(word for edge, word in RATINGS if value < edge) for value in (low, high)]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def main_failures(study: Study, method: str) -> dict | None:
    """Return the row of failed masks; None where nothing could be judged."""
    rows = rows_of(study, "failures", method=method, definition=FAILED.name).to_dict("records")
    return next((row for row in rows if row["n"] > 0), None)


def failed_is(study: Study, method: str) -> str:
    """Return what counts as a failed case; without masks to score, that is a missing volume."""
    rows = rows_of(study, "failures", method=method, definition=NEARLY_COMPLETE.name)
    has_no_masks = len(rows) and not (rows["n"] > 0).any()
    return NO_VOLUME if has_no_masks else FAILED_IS


def percent(row: Mapping) -> str:
    """Format a rate with its interval, in %."""
    scaled = {name: 100 * float(row.get(name, math.nan)) for name in ("rate", "low", "high")}
    return f"{estimate(scaled, 'rate', digits=1)} %"


def not_estimated(table: pd.DataFrame, value: str) -> dict[str, int]:
    """Return the reasons of rows without a value with their counts, most frequent first."""
    if value not in table or "reason" not in table:
        return {}
    reasons = table.loc[table[value].isna(), "reason"].replace("", "no reason given")
    return {str(reason): int(count) for reason, count in reasons.value_counts().items()}


def _agreement_lines(study: Study) -> list[str]:
    lines = []
    for first, second in own_pairs(study):
        label = main_label(study)
        rows = rows_of(
            study, "agreement", first=first, second=second, label=label, stratum="all"
        ).to_dict("records")
        found = {row["statistic"]: row for row in rows}
        if not {"icc_a1", "bias"} <= set(found) or not math.isfinite(found["icc_a1"]["value"]):
            continue
        icc, bias = found["icc_a1"], found["bias"]
        lines.append(
            f"Volumes of {label}, {second} against {first}: ICC(A,1) "
            f"{estimate(icc, 'value', digits=3)}, bias {estimate(bias, 'value', sign=True)} mm³ "
            f"({int(icc['n'])} cases)."
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


def counted(n: int, what: str) -> str:
    """Format a count with its noun: `1 case`, `2 people`."""
    irregular = {"person": "people"}
    return f"{n} {what}" if n == 1 else f"{n} {irregular.get(what, what + 's')}"


def _without_raters(study: Study) -> Callable[[Sequence[dict]], list[dict]]:
    raters = set(study.measured.raters)
    return lambda rows: [row for row in rows if row["method"] not in raters]
