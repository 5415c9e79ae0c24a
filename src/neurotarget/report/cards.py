"""A card for each hypothesis: what was claimed, what each set of volumes says of it."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from neurotarget.hypothesis import Hypothesis
from neurotarget.report.text import p_value
from neurotarget.report.words import (
    asked_of,
    claim_sentence,
    conclusion,
    counted,
    declared,
    estimate,
    rows_of,
    same_conclusion,
    shown,
    title_of,
    unit_words,
    volumes_of,
)
from neurotarget.stats.influence import influence_note
from neurotarget.stats.study import Study
from neurotarget.stats.verdict import NO_CONCLUSION, NOT_ENOUGH, REPLICATED

ICONS = {REPLICATED: "yes", NOT_ENOUGH: "open", NO_CONCLUSION: "open"}  # anything else is "no"
ROOM = 0.06  # of the strip's width, free at both ends


class Result(NamedTuple):
    """One method's answer to a hypothesis."""

    method: str
    volumes: str
    verdict: str
    icon: str  # yes, no or open
    estimate: str
    interval: str
    unit: str
    facts: tuple[str, ...]
    reason: str


class Mark(NamedTuple):
    """A place, or an interval, on a strip, in % of its width."""

    text: str
    at: float
    low: float
    high: float
    number: int  # of the method


class Strip(NamedTuple):
    """Effects of one hypothesis on a common scale."""

    marks: tuple[Mark, ...]
    zero: float
    published: float | None
    ticks: tuple[tuple[float, str], ...]
    unit: str


class Card(NamedTuple):
    """A hypothesis with the answers of all methods."""

    name: str
    title: str
    claim: str
    published: str
    source: str
    results: tuple[Result, ...]
    strip: Strip | None
    differences: tuple[str, ...]
    conclusions: tuple[tuple[str, str], ...]  # same, other or open, and the sentence


def cards(study: Study) -> list[Card]:
    """A card for each hypothesis of the target that the tables speak of."""
    effects = declared(study)
    asked = {hypothesis.name: hypothesis for hypothesis in study.measured.target.hypotheses}
    return [_card(study, asked[name], rows) for name, rows in effects.items() if name in asked]


def _card(study: Study, hypothesis: Hypothesis, rows: Sequence[Mapping]) -> Card:
    first, others, what = rows[0], rows[1:], asked_of(hypothesis)
    kinds = {True: "same", False: "other", None: "open"}
    refused = {row["reason"] for row in rows if row["verdict"] == NO_CONCLUSION}
    published = ""
    if math.isfinite(expected := first["expected"]):
        figures = _decimals(float(f"{expected:.3g}"))
        published = f"{shown(expected, figures, sign=True)} {unit_words(first['unit'])}"
    return Card(
        hypothesis.name,
        title_of(hypothesis.name),
        claim_sentence(hypothesis, study.measured.target),
        published,
        hypothesis.source,
        tuple(_result(row, what, _influence(study, row)) for row in rows),
        _strip(rows),
        tuple(
            _difference(row, what)
            for row in _differences(study, hypothesis.name)
            if row["reason"] not in refused  # the conclusion says it
        ),
        tuple((kinds[same_conclusion(first, row)], conclusion(first, row, what)) for row in others),
    )


def _influence(study: Study, row: Mapping) -> str:
    """Whether the effect hangs on one person, in a few words."""
    asked = {key: row[key] for key in ("hypothesis", "label", "method")}
    found = rows_of(study, "influence", **asked).to_dict("records")
    return influence_note(found[0]) if found else ""


def _result(row: Mapping, what: str, influence: str) -> Result:
    facts = [counted(int(row["n"]), "person") if row["n"] >= 0 else ""]
    if math.isfinite(row["p"]):
        facts.append(f"p {p_value(row['p']) if row['p'] < 0.001 else '= ' + p_value(row['p'])}")
    if math.isfinite(row["size"]):
        size = {"value": row["size"], "low": row["size_low"], "high": row["size_high"]}
        facts.append(f"{row['size_kind'].replace('Hedges g', 'Hedges’ g')} "
                     f"{estimate(size, 'value', digits=2)}")  # fmt: skip
    if math.isfinite(row["power"]):
        facts.append(f"{math.floor(100 * row['power'])} % power to find the expected effect")
    if row["n_dropped"] > 0:
        facts.append(f"{counted(int(row['n_dropped']), 'case')} left out")
    facts.append(influence)
    known = math.isfinite(row["estimate"])
    value, _, rest = estimate(row, "estimate", sign=True).partition(" [")
    return Result(
        row["method"],
        volumes_of(row["method"], what),
        row["verdict"],
        ICONS.get(row["verdict"], "no"),
        value if known else "Not estimable",
        f"[{rest}" if rest else "",
        unit_words(row["unit"]) if known else "",
        tuple(fact for fact in facts if fact),
        _plain_reason(row["reason"]),
    )


def _plain_reason(text: str) -> str:
    """The reason of a verdict as a sentence for its card."""
    told = text.replace("it would find", "these data would find an effect of")
    return f"{told[:1].upper()}{told[1:]}." if told else ""


def _differences(study: Study, name: str) -> list[dict]:
    """Of every two methods; where there are further raters, of the first with each other."""
    rows = rows_of(study, "effect_differences", hypothesis=name, model="declared")
    if study.measured.raters and len(rows):
        rows = rows[rows["first"] == study.measured.methods[0]]
    return rows.to_dict("records")


def _difference(row: Mapping, what: str) -> str:
    """How far the effect moves when the second method measures."""
    whose = f"{row['second'][:1].upper()}{row['second'][1:]} minus {row['first']}"
    if not math.isfinite(row["difference"]):
        return f"{whose}: not estimable ({row['reason'] or 'no reason given'})."
    text = f"{whose}: {estimate(row, 'difference', sign=True)} {unit_words(row['unit'])}"
    if not (math.isfinite(row["low"]) and math.isfinite(row["high"])):
        return f"{text}."
    if row["low"] <= 0 <= row["high"]:
        return f"{text}. The interval includes 0: no difference is shown."
    return f"{text}. The interval excludes 0: the two sets of {what} measure different effects."


def _strip(rows: Sequence[Mapping]) -> Strip | None:
    known = [
        (number, row)
        for number, row in enumerate(rows)
        if all(math.isfinite(row[key]) for key in ("estimate", "low", "high"))
    ]
    if not known:
        return None
    expected = rows[0]["expected"]
    ends = [row[key] for _, row in known for key in ("low", "high")]
    ends += [0.0, *([expected] if math.isfinite(expected) else [])]
    low, high = min(ends), max(ends)
    width = (high - low) or 1.0

    def place(value: float) -> float:
        return round(100 * (ROOM + (1 - 2 * ROOM) * (value - low) / width), 2)

    marks = tuple(
        Mark(row["method"], *(place(row[key]) for key in ("estimate", "low", "high")), number)
        for number, row in known
    )
    return Strip(
        marks,
        place(0.0),
        place(expected) if math.isfinite(expected) else None,
        tuple((place(tick), shown(tick, _decimals(tick))) for tick in _ticks(low, high)),
        unit_words(known[0][1]["unit"]),
    )


def _ticks(low: float, high: float) -> list[float]:
    """Three to five round numbers between two ends."""
    step = 10 ** math.floor(math.log10((high - low) or 1.0))
    step = next(part * step for part in (1, 0.5, 0.25, 0.2) if (high - low) / (part * step) >= 2.5)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _decimals(value: float) -> int:
    text = f"{value:.12f}".rstrip("0")
    return len(text.partition(".")[2])
