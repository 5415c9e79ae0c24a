"""Folds of cases, with all cases of a person in one fold and equal numbers of positive people."""

import numpy as np
from jaxtyping import Integer
from numpy import ndarray

from neurotarget.stats.radiomics.radiomics_outcome import Cases, Outcome
from neurotarget.stats.survival.survival_folds import draw_folds

Folds = Integer[ndarray, "R N"]


def draw_case_folds(outcome: Outcome, count: int, repeats: int, seed: int) -> Folds:
    """Draw random folds of people; a person with a positive case counts as positive.

    There are at most as many folds as people of the rarer class, or with an event, so that every
    fold has one. For numbers, folds have equally many people above the median.

    Returns:
        (R, N), the number of the fold of each case in each repeat.
    """
    positive = positive_people(outcome)
    if outcome.is_number:  # folds have equally many people with large numbers
        positive = (positive > np.median(positive)).astype(float)
    rarer = int(positive.sum())
    if not outcome.is_survival:
        rarer = min(rarer, len(positive) - rarer)
    return draw_folds(positive, max(2, min(count, rarer)), repeats, seed)[:, outcome.subject]


def positive_people(outcome: Outcome) -> Cases:
    """Return 1 for each person with a positive case or an event, else 0; for numbers the largest.

    People are in the order of the numbers in `outcome.subject`.
    """
    people = np.full(int(outcome.subject.max()) + 1, -np.inf)
    np.maximum.at(people, outcome.subject, outcome.y)
    return people
