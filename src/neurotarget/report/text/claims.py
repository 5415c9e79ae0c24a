"""Sentences that state hypotheses."""

import re

from neurotarget.hypothesis import Hypothesis
from neurotarget.quantity import NUMBER, SIZES, noun_of, plural_of
from neurotarget.report.text.numbers import listed
from neurotarget.stats.cohort.subjects import varying
from neurotarget.stats.study.results import Study
from neurotarget.types import Target

MASKS = "masks"
SEX = ("sex", "gender")
TABLE = ("table",)  # contrasts of a target that was made from a table, with the name of its file
HEADS = {"tiv": "TIV", "icv": "ICV", "etiv": "eTIV", "brain mm3": "brain volume"}
SEXES = {"F": "women", "M": "men", "female": "women", "male": "men"}


def measure_noun(hypothesis: Hypothesis) -> str:
    """Return the noun for the tested values: volumes, masks (for means) or probabilities."""
    return MASKS if hypothesis.contrast else plural_of(hypothesis.measure)


def target_noun(target: Target) -> str:
    """Return the noun for the values of all hypotheses: masks if any tests a mean, else volumes.

    Hypotheses on several quantities of outcomes are tested on values.
    """
    if any(hypothesis.contrast for hypothesis in target.hypotheses):
        return MASKS
    names = {one.measure for one in target.hypotheses} or {next(iter(target.quantities))}
    return plural_of(names.pop() if len(names) == 1 else NUMBER)


def claim_sentence(hypothesis: Hypothesis, target: Target) -> str:
    """State a hypothesis: `Hypothesis: the volume … is larger in women than in men.`.

    A hypothesis without a sign states that groups differ, or that the quantity changes. `target`
    gives the name of the label, which is its only one or the total by default.
    """
    claim = _groups(hypothesis) if hypothesis.groups else _slope(hypothesis)
    at = [term for term in hypothesis.adjust if term != hypothesis.covariate]
    adjusted = f", adjusted for {listed(map(_term, at))}" if at else ""
    return f"Hypothesis: the {_quantity(hypothesis, target)} {claim}{adjusted}."


def claim_of(study: Study, hypothesis: Hypothesis) -> str:
    """State a hypothesis for a cohort, without terms that do not vary in it.

    In a cohort of women only, for instance, an adjustment for sex is not mentioned.
    """
    return claim_sentence(varying(hypothesis, study.measured.covariates), study.measured.target)


def _quantity(hypothesis: Hypothesis, target: Target) -> str:
    measure = target.quantities.get(hypothesis.measure)
    labels = measure.labels if measure else target.label_names
    label = hypothesis.label or (labels[0] if len(labels) == 1 else "total")
    if hypothesis.contrast:
        whole = f"the whole {target.name}" if label == "total" else label
        return f"mean {hypothesis.contrast} of {whole.replace('_', ' ')}"
    noun = noun_of(hypothesis.measure)
    if hypothesis.measure not in SIZES:
        return f"{noun} of {label.replace('_', ' ')}"
    if label == "total":
        is_table = target.contrasts == TABLE
        return f"total {noun}" if is_table else f"total {target.name.replace('_', ' ')} {noun}"
    return f"{label.replace('_', ' ')} {noun}"


def _groups(hypothesis: Hypothesis) -> str:
    first, second = (_group(name, hypothesis.covariate) for name in hypothesis.groups)
    if hypothesis.sign == 0:
        return f"differs between {first} and {second}"
    is_size = hypothesis.measure in SIZES
    comparatives = ("smaller", "larger") if is_size else ("lower", "higher")
    return f"is {comparatives[hypothesis.sign > 0]} in {first} than in {second}"


def _slope(hypothesis: Hypothesis) -> str:
    sign, tested = hypothesis.sign + 1, hypothesis.covariate
    if "*" in tested:
        first, second = map(_term, tested.split("*")[:2])
        if first.casefold() in SEX:
            first, second = second, first
        if hypothesis.sign and second.casefold() in SEX:  # the effect is M minus F
            comparatives = ("rises less, or falls more,", "", "rises more, or falls less,")
            return f"{comparatives[sign]} with {first} in men than in women"
        if hypothesis.sign == 0:
            return f"changes with {first} in a way that depends on {second}"
        return f"has a slope over {first} that {('falls', '', 'rises')[sign]} with {second}"
    if tested.casefold() in ("age", "age_years") and hypothesis.measure in SIZES:
        return f"{('shrinks', 'changes', 'grows')[sign]} with age"
    return f"{('falls', 'changes', 'rises')[sign]} with {_term(tested)}"


def _group(name: str, covariate: str) -> str:
    if covariate.casefold() in SEX:
        return SEXES.get(name, SEXES.get(name.casefold(), f"“{name}”"))
    return f"the group “{name}”"


def _term(term: str) -> str:
    if curve := re.fullmatch(r"spline\((.+)\)", term):
        return f"{curve[1]} (as a curve)"
    text = term.replace("*", " × ").replace("_", " ")
    return HEADS.get(text.casefold(), text)
