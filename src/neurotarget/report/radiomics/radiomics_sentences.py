"""Sentences of the page of a radiomics study: what images add, and what the self-tests say."""

from collections.abc import Mapping

import numpy as np

from neurotarget.number_text import interval, number
from neurotarget.report.survival.survival_sentences import GAINS, set_name
from neurotarget.report.text.numbers import counted, estimate, listed, p_equals
from neurotarget.stats.radiomics.radiomics_study import RadiomicsStudy
from neurotarget.stats.radiomics.single_features import LEVEL as ALONE


def radiomics_headlines(study: RadiomicsStudy) -> list[str]:
    """Return the sentences at the top: people, answer, errors, claims, self-tests, other cohort.

    Sentences that do not apply are absent.
    """
    sentences = [
        radiomics_people(study),
        radiomics_answer(study),
        errors_sentence(study),
        claims_sentence(study),
        permutation_sentence(study),
        leakage_sentence(study),
        other_cohort_sentence(study),
    ]
    return [one for one in sentences if one]


def radiomics_people(study: RadiomicsStudy) -> str:
    """How many people, positive cases and features there are; of numbers, mean ± SD."""
    outcome = study.material.outcome
    n = int(outcome.subject.max()) + 1
    positive = 0 if outcome.is_number else int(outcome.y.sum())
    name = study.material.positive_is
    what = "with the event" if outcome.is_survival else f"with {name}" if name else "positive"
    rows = f" in {len(outcome.y)} rows" if n < len(outcome.y) else ""
    features = counted(study.material.image.shape[1], "image feature")
    if outcome.is_number:
        return (f"{counted(n, 'person')}{rows}; {name}: {number(outcome.y.mean())} ± "
                f"{number(outcome.y.std(ddof=1))} (mean ± SD); {features}.")  # fmt: skip
    return f"{counted(n, 'person')}{rows}, {positive} {what}; {features}."


def score_name(study: RadiomicsStudy) -> str:
    """Return AUC of classes; of times and numbers C, the share of pairs in the right order."""
    return "AUC" if study.material.outcome.is_class else "C"


def scores_by_set(study: RadiomicsStudy) -> dict[str, Mapping]:
    """Row of the AUC or C of people left out, by set: clinical, image or both.

    A row has `value`, `low` and `high`; sets whose model could not be fitted are absent.
    """
    table = study.tables["scores"]
    rows = table[table["statistic"] == study.statistic].to_dict("records")
    return {str(row["terms"]): row for row in rows}


def radiomics_answer(study: RadiomicsStudy) -> str:
    """Whether images add to clinical terms, or how well they do alone, with intervals.

    The verdict is that of the paired difference of both to the clinical terms alone. "Undecided"
    names the largest gain that the data leave open.
    """
    scores, name = scores_by_set(study), score_name(study)
    if not study.scored:
        return "No model could be fitted; the notes state why."
    table = study.tables["differences"]
    if len(table):
        (row,) = [one for one in table.to_dict("records")
                  if (one["terms"], one["against"]) == ("both", "clinical")] or [None]  # fmt: skip
        if row is not None:
            return _gain(study, row, scores)
    only = study.scored[-1]
    return (f"{name} of people left out is {estimate(scores[only], digits=3)} with the {only} "
            "terms, where 0.5 is chance and 1 is perfect.")  # fmt: skip


def _gain(study: RadiomicsStudy, row: Mapping, scores: Mapping[str, Mapping]) -> str:
    name, gap = score_name(study), float(row["difference"])
    where = "above" if gap >= 0 else "below"
    text = (
        f"{GAINS[row['verdict']]}: {name} of people left out is "
        f"{number(scores['both']['value'], 3)} with images and clinical terms, "
        f"{number(abs(gap), 3)} {where} that of the clinical terms alone, "
        f"{number(scores['clinical']['value'], 3)} (95 % interval of the difference "
        f"{interval(row['low'], row['high'], 3)}); images alone have "
        f"{number(scores['image']['value'], 3)}."
    )
    if row["verdict"] == "undecided" and np.isfinite(row["high"]):
        text += (f" The data leave a gain of up to {number(row['high'], 3)} open, more than the "
                 f"{study.settings.matters:g} that matters.")  # fmt: skip
    return text


def errors_sentence(study: RadiomicsStudy) -> str:
    """R² and error of predicted numbers of the last set, next to the error of the mean of all.

    "" for classes and times, and where no model could be fitted.
    """
    table = study.tables.get("errors")
    if table is None or not study.scored:
        return ""
    last = study.scored[-1]
    rows = {(row["terms"], row["statistic"]): row for row in table.to_dict("records")}
    r2, mae = rows[last, "r2"], rows[last, "mae"]
    return (
        f"R² of people left out is {estimate(r2, digits=3)} with the {set_name(last)} terms; the "
        f"mean absolute error is {estimate(mae)}, that of the mean of all "
        f"{number(rows['the mean of all', 'mae']['value'])}."
    )


def claims_sentence(study: RadiomicsStudy) -> str:
    """Name the features associated with the outcome after correction; "" without features.

    Of features that carry the same information, one is claimed; other features add nothing to it.
    """
    table = study.tables.get("alone")
    if table is None:
        return ""
    count = study.material.image.shape[1]
    tested = f"Of {counted(count, 'image feature')}, each tested alone"
    found, claimed = table[table["p_holm"] <= ALONE], table[table["claim"].notna()]
    if not len(found):
        return f"{tested}, none is associated with the outcome after Holm's correction."
    names = listed(claimed.sort_values("claim")["feature"].tolist())
    are = "is" if len(found) == 1 else "are"
    text = (f"{tested}, {len(found)} {are} associated with the outcome after Holm's correction. "
            f"Claimed {'is' if len(claimed) == 1 else 'are'} {names}")  # fmt: skip
    if rest := len(found) - len(claimed):
        others = "the other one adds" if rest == 1 else f"none of the other {rest} adds"
        nothing = "nothing to it" if rest == 1 else "to that"
        text += f": {others} {nothing}"
    return f"{text}."


def permutation_sentence(study: RadiomicsStudy) -> str:
    """State the result of the permutation test with its p; "" without the test.

    With few permutations p cannot be small, so the smallest possible p is stated.
    """
    one = study.permuted
    if one is None or not len(one.permuted):
        return ""
    (row,) = study.tables["permutation"].to_dict("records")
    return (
        f"With outcomes permuted over people, the whole procedure gives the "
        f"{set_name(row['terms'])} terms a median {score_name(study)} of "
        f"{number(row['permuted_median'], 3)} in {counted(row['draws'], 'draw')}; in one draw of "
        f"folds, as these have, the real outcome gives {number(one.value, 3)} ({p_equals(one.p)}; "
        f"the smallest p of so many draws is {number(1 / (1 + row['draws']), 3)})."
    )


def leakage_sentence(study: RadiomicsStudy) -> str:
    """State the score with feature selection outside the folds; "" without image features.

    The sentence calls it a leak only if the interval of the difference lies above 0.
    """
    leak = study.leak
    if leak is None:
        return ""
    ends = interval(leak.difference.low, leak.difference.high, 3)
    gap = leak.difference.value
    text = (
        f"Had the {counted(leak.chosen, 'image feature')} been chosen on everybody before the "
        f"folds, {score_name(study)} of the images would have been claimed as "
        f"{number(leak.outside.value, 3)} and not {number(leak.inside.value, 3)}"
    )
    if leak.difference.low > 0:
        return f"{text}: {number(gap, 3)} {ends} of it would be leakage."
    return f"{text}: no leak is visible here (difference {number(gap, 3, sign=True)} {ends})."


def stability_sentence(study: RadiomicsStudy) -> str:
    """State how stable the choice of features is over the folds; "" without image features.

    1 means that all models choose the same features, 0 that they agree by chance.
    """
    if (row := _last_row(study, "stability")) is None:
        return ""
    chosen = study.tables["features"]
    often = int((chosen["share"] >= 0.8).sum()) if len(chosen) else 0
    return (
        f"The models of the folds agree on their features by {estimate(row, digits=2)} (1 is "
        f"always the same, 0 is chance); {counted(often, 'feature')} of the {len(chosen)} ever "
        f"chosen {'is' if often == 1 else 'are'} in four of five models."
    )


def other_cohort_sentence(study: RadiomicsStudy) -> str:
    """State AUC or C of the last set in the other cohort and in people left out; "" without."""
    if (row := _last_row(study, "transport")) is None:
        return ""
    here = scores_by_set(study)[row["terms"]]
    return (
        f"In the other cohort of {counted(len(study.other.outcome.y), 'person')}, "
        f"{score_name(study)} of the {set_name(row['terms'])} terms is {estimate(row, digits=3)}, "
        f"against {number(here['value'], 3)} of people left out here. Nothing was fitted anew."
    )


def _last_row(study: RadiomicsStudy, name: str) -> Mapping | None:
    """Return the last row of a table; None where the table has no rows."""
    table = study.tables.get(name)
    return None if table is None or not len(table) else table.to_dict("records")[-1]
