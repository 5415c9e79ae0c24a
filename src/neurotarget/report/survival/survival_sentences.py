"""Sentences of the page of a survival study: the answer, who was left out, and the cautions."""

import math
from collections.abc import Mapping, Sequence

from neurotarget.number_text import interval, number
from neurotarget.report.text.numbers import counted, estimate, listed
from neurotarget.stats.survival.survival_study import BOTH, CLINICAL, SurvivalStudy, corrected_c

GAINS = {
    "better": "Images add to the clinical terms",
    "worse": "Images add nothing, and with them the prediction is worse",
    "no gain that matters": "Images add nothing that matters",
    "undecided": "Images are not shown to add anything",
}


SETS = {BOTH: "clinical and image"}


def set_name(name: str) -> str:
    """Return a set of terms in a sentence: `clinical`, `image`, `clinical and image`."""
    return SETS.get(name, name)


def answer(study: SurvivalStudy) -> str:
    """State the main result of the study in one or two sentences.

    The result is whether images add to clinical terms, or else C of the leading set of terms.
    """
    if study.lead is None:
        return "No model could be fitted; the notes state why."
    scores = scores_of(study)
    if gain := gain_sentence(study, scores):
        return gain
    lead = study.lead
    return (
        f"Held-out concordance (C) of the {set_name(lead.terms)} terms is "
        f"{estimate(scores[lead.terms], digits=3)}, where 0.5 is chance and 1 is perfect."
    )


def scores_of(study: SurvivalStudy, statistic: str = "c") -> dict[str, Mapping]:
    """Return the row of a statistic of the main model, by set of terms.

    `statistic` is c, or that of a horizon such as auc_12m; a row has `value`, `low` and `high`.
    Sets whose model could not be fitted are absent.
    """
    table = study.tables["scores"]
    model, kind = table["model"] == study.settings.model, table["statistic"] == statistic
    return {str(row["terms"]): row for row in table[model & kind].to_dict("records")}


def gain_sentence(study: SurvivalStudy, scores: Mapping[str, Mapping]) -> str:
    """State whether images add to clinical terms, with the interval; "" if not compared.

    `scores` are those of `scores_of`. An undecided verdict states the largest gain that the
    interval allows.
    """
    table = study.tables["differences"]
    if not len(table):
        return ""
    kind = (table["statistic"] == "c") & (table["terms"] == BOTH) & (table["against"] == CLINICAL)
    rows = table[kind].to_dict("records")
    if not rows:
        return ""
    (row,) = rows
    gap, ends = float(row["difference"]), interval(row["low"], row["high"], 3)
    where = "above" if gap >= 0 else "below"
    text = (
        f"{GAINS[row['verdict']]}: C of held-out people is {number(scores[BOTH]['value'], 3)} with "
        f"images and clinical terms, {number(abs(gap), 3)} {where} that of the clinical terms "
        f"alone, {number(scores[CLINICAL]['value'], 3)} (95 % interval of the difference {ends})."
    )
    if row["verdict"] == "undecided" and math.isfinite(row["high"]):
        text += (
            f" The data leave a gain of up to {number(row['high'], 3)} open, more than the "
            f"{study.settings.matters:g} that matters."
        )
    return text


def optimism_sentence(study: SurvivalStudy) -> str:
    """State C on the people whom the model was fitted to, and its optimism.

    "" if no model could be fitted, or without the bootstrap.
    """
    apparent, corrected = corrected_c(study)
    if study.lead is None or not math.isfinite(corrected):
        return ""
    held = scores_of(study)[study.lead.terms]["value"]
    return (
        f"On the people that the model was fitted to, C is {number(apparent, 3)}. Of this, "
        f"{number(apparent - corrected, 3)} is optimism by the bootstrap, which leaves "
        f"{number(corrected, 3)}; held-out people have {number(held, 3)}."
    )


def median_sentence(study: SurvivalStudy) -> str:
    """State the median survival, and why it is not the median of the times.

    The median is Kaplan and Meier's in days; the median of the times counts the end of follow-up as
    the event.
    """
    row = study.tables["people"].to_dict("records")[0]
    median = estimate(row, "median_days", stem="median", digits=0, unit="days")
    if not math.isfinite(row["median_days"]):
        return "Median survival was not reached during follow-up."
    text = f"Median survival is {median}."
    if row["censored"]:
        naive = number(row["naive_median_days"], 0)
        text += (
            f" The median of all times, {naive} days, counts the end of follow-up of "
            f"{counted(int(row['censored']), 'person')} as the event, and is no survival."
        )
    return text


def cohort_sentence(study: SurvivalStudy, left_out: Mapping[str, int]) -> str:
    """State the numbers of people, of events and of rows left out.

    `left_out` counts rows of the table by reason.
    """
    n, events = len(study.cohort.days), int(study.cohort.event.sum())
    text = f"{counted(n, 'person')}, {events} with the event"
    total = sum(left_out.values())
    return f"{text}; {counted(total, 'row')} of the table left out." if total else f"{text}."


def proportional_sentence(study: SurvivalStudy) -> str:
    """Name terms of the leading set whose hazard ratio changes with time; "" without hazards."""
    table = study.tables["hazards"]
    if study.lead is None or not len(table):
        return ""
    own = table[table["terms"] == study.lead.terms]
    changing = own.loc[own["p_proportional"] < 0.05, "term"].map(str).tolist()
    if not changing:
        return "No term's hazard ratio is shown to change with time."
    return (
        f"The hazard ratio of {listed(changing)} changes with time (p below 0.05): the ratio is "
        "then a mean over follow-up."
    )


def transport_sentence(study: SurvivalStudy) -> str:
    """State C of the leading model in the other cohort and in people here; "" without one."""
    if study.other is None or study.lead is None:
        return ""
    table = study.tables["transport"]
    if not len(table):
        return "The other cohort has no set of terms of this one."
    (row, *_) = table[table["statistic"] == "c"].to_dict("records")[::-1]
    here = scores_of(study)[row["terms"]]
    return (
        f"In the other cohort of {counted(len(study.other.days), 'person')}, C of the "
        f"{set_name(row['terms'])} terms is {estimate(row, digits=3)}, against "
        f"{number(here['value'], 3)} of held-out people here. Nothing was fitted anew."
    )


def reading_notes(problems: Sequence[object], filled: Mapping[str, int]) -> list[str]:
    """Return warnings of the tables, and on empty cells that count as another value.

    Args:
        problems: as sentences.
        filled: number of people by column.
    """
    notes = [str(one) for one in problems]
    return notes + [
        f"{name}: an empty cell counts as another value ({counted(n, 'person')})."
        for name, n in filled.items()
    ]
