"""Scores of whole films, and marks, from maps whose values are counted by hand."""

import numpy as np
import pytest

from neurotarget.image_score import ImageScore
from neurotarget.metrics.film_scores import MOST_MARKS, centred, film_score, marks_of, ruled


def a_map(values, sides=(10, 10, 1)):
    probabilities = np.zeros(sides, np.float32)
    probabilities.ravel()[: len(values)] = values
    return probabilities


def test_each_rule_counts_its_own_pixels():
    probabilities = a_map([0.9, 0.8, 0.8, 0.4])
    assert film_score(probabilities, ImageScore("maximum")) == pytest.approx(0.9)
    assert film_score(probabilities, ImageScore("top_k", top_k_px=4)) == pytest.approx(0.725)
    # three pixels exceed 0.75 by 0.05 of 0.25
    rule = ImageScore("triplet", least_area_px=3, top_score=0.75)
    assert film_score(probabilities, rule) == pytest.approx(0.6)
    rule = ImageScore("triplet", least_area_px=4, top_score=0.75)
    assert film_score(probabilities, rule) == pytest.approx(0.4 / 1.5)


def test_a_film_of_fewer_pixels_is_used_as_a_whole():
    probabilities = a_map([0.5, 0.7], (2, 1, 1))
    assert film_score(probabilities, ImageScore("top_k", top_k_px=200)) == pytest.approx(0.6)


def test_the_triplet_mask_is_the_pixels_above_the_bottom_score_of_a_positive_film_only():
    probabilities = a_map([0.9, 0.8, 0.35, 0.25])
    rule = ImageScore("triplet", least_area_px=2, top_score=0.75, bottom_score=0.3)
    assert (ruled(probabilities, rule) > 0.5).sum() == 3
    negative = ImageScore("triplet", least_area_px=3, top_score=0.75, bottom_score=0.3)
    assert (ruled(probabilities, negative) > 0.5).sum() == 0
    assert ruled(probabilities, ImageScore("maximum")) is probabilities


def test_rescaling_keeps_the_order_and_both_ends():
    values = np.linspace(0, 1, 101)
    scaled = centred(values, 0.75)
    assert (np.diff(scaled) > 0).all()
    assert scaled[[0, 75, 100]] == pytest.approx([0, 0.5, 1])


def test_marks_are_the_peaks_from_the_highest_without_their_neighbours():
    probabilities = np.zeros((100, 100, 1), np.float32)
    probabilities[20:25, 20:25] = 0.6  # a plateau is one mark
    probabilities[80, 60], probabilities[82, 60], probabilities[10, 90] = 0.9, 0.8, 0.04
    marks = marks_of(probabilities)
    assert [mark.probability for mark in marks] == pytest.approx([0.9, 0.6])
    assert marks[0].place == (80, 60, 0)
    noise = np.random.default_rng(1).uniform(0.1, 1, (200, 200, 1)).astype(np.float32)
    assert len(marks_of(noise)) == MOST_MARKS
