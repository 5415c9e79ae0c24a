import numpy as np

from neurotarget.image_features.extract import features_of
from neurotarget.image_features.feature_names import described, feature_names
from neurotarget.image_features.feature_settings import FeatureSettings


def test_identifiers_of_ibsi_are_four_characters_and_unique():
    ids = [one.ibsi for one in feature_names()]
    assert len(set(ids)) == len(ids) == 169
    assert all(len(one) == 4 and one.upper() == one for one in ids)


def test_a_region_gets_exactly_the_features_of_the_table():
    rng = np.random.default_rng(0)
    mask = np.zeros((6, 7, 5), dtype=bool)
    mask[1:5, 1:6, 1:4] = True
    settings = FeatureSettings(bins=8)
    made = features_of(rng.normal(100, 10, mask.shape), mask, (1, 1, 2), settings)
    wanted = {f"{one.family}_{one.tag}" for one in feature_names()}
    assert {name.removesuffix("_3D_comb").removesuffix("_3D") for name in made} == wanted
    assert {f"{described(name).family}_{described(name).tag}" for name in made} == wanted
    assert np.isfinite(list(made.values())).all()
