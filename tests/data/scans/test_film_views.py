import json
import re

import numpy as np
import pytest

from neurotarget.data.scans.film_views import (
    Usual,
    View,
    odd_views,
    oddities,
    usual_view,
    view_of,
)
from neurotarget.types import Case


@pytest.fixture
def sentences():
    """Sentences about twelve pictures of one view, after a change of the first."""

    def say(change=lambda film: film, films=None):
        films = films or [_film(seed) for seed in range(12)]
        views = [view_of(change(films[0])), *map(view_of, films[1:])]
        names = [f"c{place:02}" for place in range(len(films))]
        cases = [Case(name, name, {"film": f"{name}.png"}) for name in names]
        return [str(problem) for problem in odd_views(cases, views)]

    return say


def _film(seed, side_px=40):
    """A picture (columns, rows, 1) with a bright spot at the top left, and noise."""
    rng = np.random.default_rng(seed)
    across = np.arange(side_px)[:, None] / side_px
    down = np.arange(side_px)[None] / side_px
    grey = (
        40
        + 180 * np.exp(-10 * ((across - 0.3) ** 2 + (down - 0.25) ** 2))
        + rng.normal(0, 5, (side_px, side_px))
    )
    return grey.clip(0, 255).astype(np.uint8)[..., None]


def test_films_of_one_view_have_no_problem(sentences):
    assert sentences() == []


def test_an_inverted_film_is_reported(sentences):
    assert "c00: c00.png: found an inverted film" in sentences(lambda film: 255 - film)[0]


@pytest.mark.parametrize(("turns", "back"), [(1, "90° anticlockwise"), (3, "90° clockwise")])
def test_a_turned_film_is_reported_with_the_turn_back(sentences, turns, back):
    # pictures are (columns, rows), so that one turn of NumPy is clockwise
    (sentence,) = sentences(lambda film: np.rot90(film, turns))
    assert "found a rotated film" in sentence
    assert f"turn it by {back}" in sentence


def test_a_film_of_16_bits_among_others_of_8_is_reported(sentences):
    (sentence,) = sentences(lambda film: film.astype(np.uint16) * 16)
    assert "found 1 of 12 films in 16 bits (c00), wanted 8 bits" in sentence


def test_a_border_of_one_value_is_reported_once(sentences):
    def framed(film):
        film = film.copy()
        film[:4] = film[-4:] = 0
        film[:, :4] = film[:, -4:] = 0
        return film

    (sentence,) = [line for line in sentences(framed) if "border" in line]
    assert "at most 4 px wide, on 1 of 12 films (c00)" in sentence


def test_few_films_and_films_of_many_views_are_not_judged(sentences):
    few = [_film(seed) for seed in range(9)]
    assert sentences(lambda film: 255 - film, few) == []
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 255, (40, 40, 1), dtype=np.uint8) for _ in range(12)]
    assert sentences(lambda film: 255 - film, noise) == []


def test_a_view_survives_its_record():
    view = view_of(_film(0))
    again = View.from_plain(json.loads(json.dumps(view.as_plain())))
    assert again[1:] == view[1:]
    assert np.abs(again.small - view.small).max() < 1e-3
    assert View.from_plain(None) is None


def usual():
    made = usual_view([view_of(_film(seed)) for seed in range(12)])
    return Usual.from_plain(json.loads(json.dumps(made.as_plain())))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda film: film, []),
        (lambda film: 255 - film, [r"an inverted film .*: invert its grey values"]),
        (lambda film: np.rot90(film, 2), [r"a rotated film .*: turn it by 180°, after which it"]),
        (
            lambda film: np.pad(film, ((6, 6), (6, 6), (0, 0))),
            ["a border of one value, 6"],
        ),
        (lambda film: film.astype(np.uint16) * 9, ["a film in 16 bits: export it in 8, as those"]),
    ],
)
def test_one_film_is_judged_by_those_of_a_training(change, expected):
    found = oddities(view_of(change(_film(20))), usual())
    assert len(found) == len(expected)
    assert all(re.match(text, one) for text, one in zip(expected, found, strict=True))


def test_what_is_usual_in_a_training_is_not_odd():
    framed = [np.pad(_film(seed), ((6, 6), (6, 6), (0, 0))) for seed in range(12)]
    films = [*framed, *(film.astype(np.uint16) * 9 for film in framed)]
    of_training = usual_view([view_of(film) for film in films])
    assert oddities(view_of(framed[0]), of_training) == []
    assert oddities(view_of(films[-1]), of_training) == []
    assert oddities(None, of_training) == []


def test_few_films_and_films_of_many_views_have_no_usual_one():
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 255, (40, 40, 1), dtype=np.uint8) for _ in range(12)]
    assert usual_view([view_of(film) for film in noise]) is None
    assert usual_view([view_of(_film(seed)) for seed in range(9)] + [None] * 5) is None
