"""Cards of a report: each hypothesis with the verdict by each method."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from neurotarget.hypothesis import Hypothesis
from neurotarget.number_text import stated, unit_text
from neurotarget.report.text.claims import claim_of, measure_noun
from neurotarget.report.text.numbers import counted, estimate, p_equals
from neurotarget.report.text.sentences import (
    as_sentence,
    comparison_sentence,
    label_text,
    leading,
    paired_difference,
    records,
    rows_of,
    title_of,
    values_of,
)
from neurotarget.stats.effects.effect_differences import DIFFERENT, EQUIVALENT
from neurotarget.stats.effects.influence import influence_note
from neurotarget.stats.effects.verdict import ABSENT, OPPOSITE, SHOWN_KINDS
from neurotarget.stats.study.results import Study

ICONS = dict.fromkeys(SHOWN_KINDS, "yes") | dict.fromkeys((ABSENT, OPPOSITE), "no")  # else "open"
KINDS = {EQUIVALENT: "same", DIFFERENT: "other"}  # else "open"
ROOM = 0.06  # share of the strip's width that stays free at each end


class Result(NamedTuple):
    """Verdict on a hypothesis by one method, as texts of a page; "" where nothing is known."""

    method: str
    values: str
    verdict: str
    icon: str  # yes, no or open
    estimate: str
    interval: str
    unit: str
    facts: tuple[str, ...]
    reason: str


class Mark(NamedTuple):
    """A position or an interval on a strip, in % of the strip's width from the left.

    `text` is the name of the method in the legend; `number` selects the colour of the method.
    """

    text: str
    at: float
    low: float
    high: float
    number: int  # of the method


class Strip(NamedTuple):
    """Effects of one hypothesis on a common scale.

    `zero`, `published` and the positions of `ticks` are in % of the width, as in `Mark`;
    `published` is None where no effect was published.
    """

    marks: tuple[Mark, ...]
    zero: float
    published: float | None
    ticks: tuple[tuple[float, str], ...]
    unit: str


class Card(NamedTuple):
    """A hypothesis with the verdicts of all methods, as the template of the page reads it.

    `conclusions` compare every other method with the first; `published` and `source` are "" where
    no effect was published.
    """

    name: str
    title: str
    claim: str
    published: str
    source: str
    results: tuple[Result, ...]
    strip: Strip | None
    conclusions: tuple[tuple[str, str], ...]  # same, other or open, and the sentence
    remarks: tuple[str, ...]  # on the leading model, and on each label


def cards(study: Study) -> list[Card]:
    """Return a card for each hypothesis of the target with rows in the tables.

    Results of the leading model of each method are shown, the reference first; a card's strip is
    None where no effect has an interval.

    The cards read the tables `effects`, `effect_differences` (whether two methods measure the same
    effect), `label_effects` and `influence`.
    """
    effects = leading(study)
    known = {one.name: one for one in study.measured.target.hypotheses}
    return [_card(study, known[name], rows) for name, rows in effects.items() if name in known]


def _card(study: Study, hypothesis: Hypothesis, rows: Sequence[Mapping]) -> Card:
    first, others, what = rows[0], rows[1:], measure_noun(hypothesis)
    published = ""
    if math.isfinite(expected := first["expected"]):
        published = f"{stated(expected, sign=True)} {unit_text(first['unit'])}".rstrip()
    both = (comparison_sentence(first, row, paired_difference(study, first, row)) for row in others)
    # rows of different methods repeat the remarks on the model that they share
    remarks = dict.fromkeys(part for row in rows for part in row["remark"].split("; ") if part)
    return Card(
        hypothesis.name,
        title_of(hypothesis.name),
        claim_of(study, hypothesis),
        published,
        hypothesis.source,
        tuple(_result(row, what, _influence(study, row)) for row in rows),
        _strip(rows),
        tuple((KINDS.get(finding, "open"), sentence) for finding, sentence in both),
        (*map(as_sentence, remarks), *_by_label(study, hypothesis.name)),
    )


def _by_label(study: Study, name: str) -> list[str]:
    """Return one sentence per method on the effects by label, with corrected p values."""
    rows, sentences = rows_of(study, "label_effects", hypothesis=name), []
    for method, own in rows.groupby("method", sort=False) if len(rows) else ():
        each = [
            f"{label_text(row['label'])} {estimate(row, 'estimate', sign=True)} "
            f"({p_equals(row['p_holm'])})"
            for row in own.to_dict("records")
            if math.isfinite(row["estimate"])
        ]
        unit = unit_text(own["unit"].iloc[0])
        where = f"{method}, in {unit}" if unit else str(method)
        if each:
            count = int(own["n_tests"].iloc[0])
            sentences.append(
                f"By label, {where}, p corrected for {count} tests (Holm): {', '.join(each)}."
            )
    return sentences


def _influence(study: Study, row: Mapping) -> str:
    """Return a short text on whether the effect depends on one person."""
    wanted = {key: row[key] for key in ("hypothesis", "label", "method", "model")}
    rows = records(study, "influence", **wanted)
    return influence_note(rows[0]) if rows else ""


def _result(row: Mapping, what: str, influence: str) -> Result:
    facts = [counted(int(row["n"]), "person") if row["n"] >= 0 else ""]
    if math.isfinite(row["p"]):
        facts.append(p_equals(row["p"]))
    if math.isfinite(row["size"]):
        facts.append(f"{row['size_kind'].replace('Hedges g', 'Hedges’ g')} "
                     f"{estimate(row, 'size', stem='size', digits=2)}")  # fmt: skip
    if math.isfinite(row["power"]):
        facts.append(f"{math.floor(100 * row['power'])} % power to find the published effect")
    if row["share"] < 1 and math.isfinite(row["estimate"]):
        facts.append(f"follows {row['share']:.2f} of the reference’s differences")
    if row["n_dropped"] > 0:
        facts.append(f"{counted(int(row['n_dropped']), 'case')} left out")
    facts.append(influence)
    known = math.isfinite(row["estimate"])
    value, _, rest = estimate(row, "estimate", sign=True).partition(" [")
    return Result(
        row["method"],
        values_of(row["method"], what),
        row["verdict"],
        ICONS.get(row["verdict"], "open"),
        value if known else "Not estimable",
        f"[{rest}" if rest else "",
        unit_text(row["unit"]) if known else "",
        tuple(fact for fact in facts if fact),
        as_sentence(row["reason"]),
    )


def _strip(rows: Sequence[Mapping]) -> Strip | None:
    known = [
        (order, row)
        for order, row in enumerate(rows)
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
        """Return the position of an effect on the strip, in % of the strip's width."""
        return round(100 * (ROOM + (1 - 2 * ROOM) * (value - low) / width), 2)

    marks = tuple(
        Mark(row["method"], *(place(row[key]) for key in ("estimate", "low", "high")), order)
        for order, row in known
    )
    return Strip(
        marks,
        place(0.0),
        place(expected) if math.isfinite(expected) else None,
        tuple((place(tick), stated(tick)) for tick in _ticks(low, high)),
        unit_text(known[0][1]["unit"]),
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return two to ten round numbers between two limits."""
    step = 10 ** math.floor(math.log10((high - low) or 1.0))
    step = next(part * step for part in (1, 0.5, 0.25, 0.2) if (high - low) / (part * step) >= 2.5)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [count * step for count in range(first, last + 1)]
