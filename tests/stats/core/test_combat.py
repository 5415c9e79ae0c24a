import warnings

import numpy as np
import pytest

from neurotarget.problems import DataError
from neurotarget.stats.core.combat import Combat, least_squares


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def cohort(seed=0, sizes=(60, 40, 20), n_features=6, slope=-4.0, scanned=(0.0, 120.0, -150.0)):
    """Volumes with sites that add `scanned` and stretch the noise, and a slope of age."""
    generator = np.random.default_rng(seed)
    sites = np.repeat(list("abcdefgh")[: len(sizes)], sizes)
    place = np.repeat(np.arange(len(sizes)), sizes)
    age = generator.uniform(20, 70, len(sites))
    noise = generator.normal(0, 100, (len(sites), n_features))
    noise *= np.array([1.0, 2.0, 0.5])[place % 3][:, None]
    volumes = 3000 + slope * (age - 45)[:, None] + np.array(scanned)[place][:, None] + noise
    return volumes, sites, age[:, None]


def residuals(volumes, covariates):
    design = np.column_stack([np.ones(len(volumes)), covariates])
    return volumes - design @ least_squares(design, volumes)


def test_two_small_sites_are_harmonised_as_by_hand():
    volumes = np.array([[1.0], [2.0], [3.0], [11.0], [13.0], [15.0]])
    found = Combat.fit(volumes, list("aaabbb"), empirical_bayes=False)
    # residuals -1 0 1 and -2 0 2: pooled variance 10/6 about the grand mean 7.5
    step = np.sqrt(10 / 6)
    expected = [7.5 - step, 7.5, 7.5 + step] * 2
    assert found.transform(volumes, list("aaabbb")).ravel() == pytest.approx(expected)


def test_training_cases_come_out_as_by_the_closed_form():
    volumes, sites, age = cohort()
    names, place, counts = np.unique(sites, return_inverse=True, return_counts=True)
    dummies = np.eye(len(names))[place]
    design = np.column_stack([dummies, age])
    fitted = np.linalg.lstsq(design, volumes, rcond=None)[0]
    mean = counts @ fitted[:3] / len(sites) + age @ fitted[3:]
    sd = np.sqrt(np.mean((volumes - design @ fitted) ** 2, axis=0))
    standard = (volumes - mean) / sd
    location = np.stack([standard[sites == name].mean(axis=0) for name in names])
    scale = np.stack([standard[sites == name].std(axis=0, ddof=1) for name in names])
    expected = sd * (standard - location[place]) / scale[place] + mean
    model = Combat.fit(volumes, sites, age, empirical_bayes=False)
    assert model.transform(volumes, sites, age) == pytest.approx(expected, abs=1e-6)


def test_empirical_bayes_gives_the_numbers_of_neurocombat():
    case, feature = np.mgrid[:14, :4]
    sites = np.array(list("aaaaaabbbbbccc"))
    age = 30.0 + (case[:, :1] * 7) % 40
    volumes = 1000 + 100 * feature + 50 * np.sin(case * (feature + 1)) - 2 * age
    volumes = volumes + (sites == "b")[:, None] * 80 * (1 + feature / 10)
    found = Combat.fit(volumes, sites, age).transform(volumes, sites, age)
    # cases 0, 6 and 13 of neuroCombat 0.2.12, which stops iterating at steps of 1e-4
    expected = [
        [965.5, 1074.013, 1175.805, 1273.434],
        [956.648, 1040.679, 1138.934, 1237.669],
        [971.064, 1085.48, 1189.186, 1293.499],
    ]
    assert found[[0, 6, 13]] == pytest.approx(np.array(expected), abs=0.01)


def test_planted_shifts_and_stretches_of_sites_are_removed():
    volumes, sites, age = cohort(sizes=(200, 200, 200))
    harmonised = Combat.fit(volumes, sites, age).transform(volumes, sites, age)

    def spread(values):
        left = residuals(values, age)
        parts = [left[sites == name] for name in "abc"]
        means = np.stack([part.mean(axis=0) for part in parts])
        sds = np.stack([part.std(axis=0) for part in parts])
        return np.ptp(means, axis=0).max(), (sds.max(axis=0) / sds.min(axis=0)).max()

    shift, stretch = spread(volumes)
    assert shift > 200
    assert stretch > 3
    shift, stretch = spread(harmonised)
    assert shift < 15  # of 270
    assert stretch < 1.1


def test_a_planted_covariate_effect_stays_though_older_people_came_to_one_site():
    generator = np.random.default_rng(1)
    sites = np.repeat(["young", "old"], 150)
    age = np.concatenate([generator.uniform(20, 50, 150), generator.uniform(40, 80, 150)])[:, None]
    volumes = 3000 - 6.0 * age + 100 * (sites == "old")[:, None]
    volumes = volumes + generator.normal(0, 40, (300, 5))
    harmonised = Combat.fit(volumes, sites, age).transform(volumes, sites, age)
    kept = least_squares(np.column_stack([np.ones(300), age]), harmonised)[1]
    blind = Combat.fit(volumes, sites).transform(volumes, sites)
    lost = least_squares(np.column_stack([np.ones(300), age]), blind)[1]
    assert kept == pytest.approx(np.full(5, -6.0), abs=0.5)
    assert (lost > -4).all()  # without the covariate, site takes much of its effect away


def test_empirical_bayes_shrinks_small_sites_towards_the_mean_of_their_features():
    volumes, sites, age = cohort(sizes=(5, 100, 100), n_features=40)
    shifts = np.random.default_rng(1).normal(0, 50, (3, 40))
    volumes = volumes + np.repeat(shifts, (5, 100, 100), axis=0)
    raw = Combat.fit(volumes, sites, age, empirical_bayes=False).sites
    shrunk = Combat.fit(volumes, sites, age).sites
    assert kept(shrunk["a"].location, raw["a"].location) < 0.5
    assert kept(shrunk["c"].location, raw["c"].location) > 0.9
    assert kept(shrunk["a"].scale, raw["a"].scale) < 0.25
    assert kept(shrunk["c"].scale, raw["c"].scale) > 0.4
    assert shrunk["a"].location.mean() == pytest.approx(raw["a"].location.mean(), abs=0.05)


def kept(shrunk, raw):
    """Part of the variance over features that shrinking left."""
    return shrunk.var() / raw.var()


def test_one_feature_alone_is_not_shrunk():
    volumes, sites, age = cohort(n_features=1)
    plain = Combat.fit(volumes, sites, age, empirical_bayes=False)
    bayes = Combat.fit(volumes, sites, age)
    assert bayes.transform(volumes, sites, age) == pytest.approx(
        plain.transform(volumes, sites, age)
    )


def test_held_out_cases_are_harmonised_one_by_one_and_change_nothing():
    volumes, sites, age = cohort()
    train = np.arange(len(sites)) % 3 > 0
    model = Combat.fit(volumes[train], sites[train], age[train])
    together = model.transform(volumes[~train], sites[~train], age[~train])
    changed = volumes.copy()
    changed[~train] *= 7
    again = Combat.fit(changed[train], sites[train], age[train])
    first = np.flatnonzero(~train)[:1]
    assert model.transform(volumes[first], sites[first], age[first]) == pytest.approx(together[:1])
    assert all((again.sites[name].location == model.sites[name].location).all() for name in "abc")
    assert (again.slopes == model.slopes).all()


def test_a_new_site_is_taken_to_the_level_and_spread_of_the_others():
    sizes, scanned = (80, 80, 80, 80), (0.0, 200.0, -200.0, 300.0)
    volumes, sites, age = cohort(sizes=sizes, scanned=scanned)
    seen = sites != "d"
    model = Combat.fit(volumes[seen], sites[seen], age[seen])
    adapted = model.adapt(volumes[~seen], sites[~seen], age[~seen])
    found = adapted.transform(volumes[~seen], sites[~seen], age[~seen])
    away = found - adapted.expected(age[~seen])
    assert np.abs(away.mean(axis=0)).max() < 10  # 300 before
    assert away.std(axis=0) == pytest.approx(model.sd, rel=0.2)
    assert adapted.slopes is model.slopes
    assert set(model.sites) == set("abc")


def test_a_new_site_of_few_cases_is_drawn_to_the_sites_of_training_even_in_one_feature():
    volumes, sites, age = cohort(
        sizes=(50, 50, 50, 50, 3), n_features=1, scanned=(0, 20, -20, 10, 90)
    )
    seen = sites != "e"
    new = volumes[~seen], sites[~seen], age[~seen]

    def found(empirical_bayes):
        model = Combat.fit(volumes[seen], sites[seen], age[seen], empirical_bayes=empirical_bayes)
        return float(model.adapt(*new).sites["e"].location[0])

    assert 0 < found(True) < 0.5 * found(False)


def test_nan_volumes_are_left_out_of_their_own_feature_only():
    volumes, sites, age = cohort(n_features=2)
    holed = volumes.copy()
    holed[[3, 70, 110], 1] = np.nan
    whole = Combat.fit(volumes, sites, age, empirical_bayes=False)
    found = Combat.fit(holed, sites, age, empirical_bayes=False)
    assert found.transform(holed, sites, age)[:, 0] == pytest.approx(
        whole.transform(volumes, sites, age)[:, 0]
    )
    rest = ~np.isnan(holed[:, 1])
    alone = Combat.fit(holed[rest, 1:], sites[rest], age[rest], empirical_bayes=False)
    assert found.slopes[:, 1] == pytest.approx(alone.slopes[:, 0])
    assert np.isnan(found.transform(holed, sites, age)[[3, 70, 110], 1]).all()


def test_a_feature_that_a_site_never_measured_stays_nan_there():
    volumes, sites, age = cohort(n_features=3)
    volumes[sites == "c", 2] = np.nan
    found = Combat.fit(volumes, sites, age).transform(volumes, sites, age)
    assert np.isnan(found[sites == "c", 2]).all()
    assert not np.isnan(found[sites != "c"]).any()
    assert not np.isnan(found[sites == "c", :2]).any()


def test_a_constant_feature_is_left_as_it_is():
    volumes, sites, age = cohort(n_features=3)
    volumes[:, 1] = 800.1
    model = Combat.fit(volumes, sites, age)
    assert model.transform(volumes, sites, age)[:, 1] == pytest.approx(np.full(len(sites), 800.1))
    assert model.sd[1] == 0


def test_a_covariate_that_does_not_vary_changes_nothing():
    volumes, sites, age = cohort()
    both = np.column_stack([age, np.full(len(age), 1.3)])
    plain = Combat.fit(volumes, sites, age).transform(volumes, sites, age)
    assert Combat.fit(volumes, sites, both).transform(volumes, sites, both) == pytest.approx(plain)


def test_two_cases_of_a_site_are_given_the_pooled_scale():
    volumes, sites, age = cohort(sizes=(30, 30, 2))
    model = Combat.fit(volumes, sites, age)
    assert (model.sites["c"].scale == 1).all()
    assert (model.sites["a"].scale != 1).all()


@pytest.mark.parametrize(
    ("sites", "covariates", "message"),
    [
        ("aaaaaa", None, r"1 site \(a\), wanted two or more"),
        ("aaaaab", None, "one case of b, wanted two or more"),
        ("aaabbb", [[0], [0], [0], [1], [1], [1]], "cannot be distinguished from the sites"),
        ("aaabbb", [[1], [2], [np.nan], [4], [5], [7]], "1 of 6 cases lack a covariate"),
    ],
)
def test_what_cannot_be_fitted_is_reported(sites, covariates, message):
    volumes = np.arange(12.0).reshape(6, 2) ** 2
    with pytest.raises(DataError, match=message):
        Combat.fit(
            volumes, list(sites), None if covariates is None else np.array(covariates, float)
        )


def test_an_unknown_site_and_a_known_one_are_refused():
    volumes, sites, age = cohort()
    model = Combat.fit(volumes, sites, age)
    with pytest.raises(DataError, match="the site z, which the fit did not see; adapt"):
        model.transform(volumes[:2], ["a", "z"], age[:2])
    with pytest.raises(DataError, match="the site a, which is known already"):
        model.adapt(volumes[:2], ["a", "a"], age[:2])
    with pytest.raises(DataError, match="one case of z, wanted two"):
        model.adapt(volumes[:1], ["z"], age[:1])
