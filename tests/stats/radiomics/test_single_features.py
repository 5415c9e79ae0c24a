"""Features that go with the outcome: the planted one is claimed, what is alike or chance is not."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import rankdata

from neurotarget.stats.radiomics.radiomic_arms import Material
from neurotarget.stats.radiomics.radiomics_outcome import Outcome
from neurotarget.stats.radiomics.single_features import partial_p, single_features


def material(y, image, days=None):
    n = len(y)
    names = [f"f{place}" for place in range(image.shape[1])]
    return Material([str(one) for one in range(n)], Outcome(y, np.arange(n), days),
                    np.empty((n, 0)), image, [], names, np.zeros(n))  # fmt: skip


def planted(n=80, seed=0):
    random = np.random.default_rng(seed)
    image = random.normal(size=(n, 60))
    image[:, 1] = image[:, 0] + 0.2 * random.normal(size=n)
    return image, random


def test_the_planted_feature_is_claimed_and_one_that_is_like_it_is_not():
    image, random = planted()
    y = (image[:, 0] + 0.5 * random.normal(size=80) > 0).astype(float)
    table = single_features(material(y, image)).set_index("feature")
    assert table["claim"].dropna().to_dict() == {"f0": 1}
    assert {"f0", "f1"} <= set(table.index[table["p_holm"] <= 0.05])
    assert table.loc["f1", "alike"] > 0.9 > table["alike"].drop(["f0", "f1"]).max()
    assert len(table) == 10


def test_two_independent_signals_are_two_claims():
    image, _ = planted(200)
    y = (image[:, 0] + image[:, 5] > 0).astype(float)
    table = single_features(material(y, image))
    assert set(table["feature"][table["claim"].notna()]) <= {"f0", "f1", "f5"}
    assert table["claim"].max() == 2


def test_without_a_signal_hardly_anything_is_claimed():
    random = np.random.default_rng(1)
    y = np.repeat([0.0, 1.0], 30)
    claims = [single_features(material(y, random.normal(size=(60, 100))))["claim"].notna().any()
              for _ in range(60)]  # fmt: skip
    assert sum(claims) <= 8  # 3 are expected at a level of 0.05; more than 8 have a chance of 0.003


def test_a_feature_of_survival_is_claimed_by_its_hazard():
    image, random = planted()
    death, end = 500 * random.exponential(size=80) * np.exp(-image[:, 0]), 900.0
    y, days = (death <= end).astype(float), np.minimum(death, end)
    table = single_features(material(y, image, days))
    assert table["feature"][table["claim"] == 1].item() in ("f0", "f1")
    assert table["value"].iloc[0] > 0.65


def test_p_is_that_of_least_squares():
    random = np.random.default_rng(2)
    ranks = rankdata(random.normal(size=(40, 5)), axis=0)
    rest = random.normal(size=40) + 0.05 * ranks[:, 2]
    centred = ranks - ranks.mean(axis=0)
    given = centred[:, :1]
    found = partial_p(centred, (rest - rest.mean())[:, None], given)
    for place in range(1, 5):
        terms = sm.add_constant(ranks[:, [0, place]])
        assert found[place] == pytest.approx(sm.OLS(rest, terms).fit().pvalues[2], rel=1e-9)
    assert found[0] == pytest.approx(1.0)


def test_a_person_counts_once_and_gaps_are_filled():
    image, random = planted(60)
    y = (image[:, 0] + 0.5 * random.normal(size=60) > 0).astype(float)
    one = single_features(material(y, image))
    twice = material(np.tile(y, 2), np.tile(image, (2, 1)))
    subject = np.tile(np.arange(60), 2)
    twice = twice._replace(outcome=twice.outcome._replace(subject=subject))
    assert single_features(twice)["p"].tolist() == pytest.approx(one["p"].tolist())
    image[0, 7] = np.nan
    assert np.isfinite(single_features(material(y, image))["p"]).all()
