import numpy as np
import pytest

from neurotarget.stats.cohort.head_size import find_tiv, proportion, residual

pytestmark = pytest.mark.filterwarnings("error")


def heads(n=200, share=0.3, seed=0):
    """TIV in ml and volumes that grow by `share` of what heads do, as most structures."""
    generator = np.random.default_rng(seed)
    tiv = generator.normal(1500, 120, n)
    volumes = 600 * (1 + share * (tiv / 1500 - 1)) + generator.normal(0, 15, n)
    return volumes, tiv


def r(volumes, tiv):
    return np.corrcoef(volumes, tiv)[0, 1]


def test_the_residual_method_leaves_no_correlation_with_tiv():
    volumes, tiv = heads()
    assert r(volumes, tiv) > 0.5
    assert r(residual(volumes, tiv), tiv) == pytest.approx(0, abs=1e-12)


def test_the_proportion_turns_the_correlation_round():
    # Opfer 2022 found so in all regions
    volumes, tiv = heads()
    assert r(proportion(volumes, tiv), tiv) < -0.5


def test_where_volumes_grow_as_heads_do_the_proportion_removes_it_too():
    tiv = np.array([1000.0, 1500.0, 2000.0])
    assert proportion(0.4 * tiv, tiv) == pytest.approx(600)
    assert residual(0.4 * tiv, tiv) == pytest.approx(600)


def test_counted_by_hand():
    tiv, volumes = np.array([1.0, 2.0, 3.0]), np.array([10.0, 14.0, 12.0])
    assert residual(volumes, tiv) == pytest.approx([11, 14, 11])  # slope 1, mean 2
    assert proportion(volumes, tiv) == pytest.approx([20, 14, 8])


def test_both_keep_unit_and_mean_of_what_they_are_given():
    volumes, tiv = heads()
    assert residual(volumes, tiv).mean() == pytest.approx(volumes.mean())
    assert proportion(volumes, tiv).mean() == pytest.approx(volumes.mean(), rel=0.01)


def test_the_slope_of_controls_leaves_the_loss_of_patients():
    volumes, tiv = heads()
    patient = np.arange(200) % 2 == 1
    tiv = tiv + 100 * patient  # larger heads, and a loss of 60 mm³
    volumes = volumes - 60 * patient + 600 * 0.3 * 100 / 1500 * patient

    def loss(adjusted):
        return adjusted[~patient].mean() - adjusted[patient].mean()

    assert loss(residual(volumes, tiv, controls=~patient)) == pytest.approx(60, abs=6)
    assert loss(residual(volumes, tiv)) < 52  # takes part of the loss for head size


def test_missing_values_stay_missing_and_leave_the_others_alone():
    volumes, tiv = heads(20)
    for adjust in (residual, proportion):
        whole = adjust(volumes[2:], tiv[2:])
        found = adjust(np.r_[np.nan, volumes[1:]], np.r_[tiv[0], np.nan, tiv[2:]])
        assert np.isnan(found[:2]).all()
        assert found[2:] == pytest.approx(whole)
        assert np.isnan(adjust(volumes, tiv * np.nan)).all()


def test_heads_of_one_size_change_nothing():
    volumes, tiv = heads(5)
    assert residual(volumes, tiv * 0 + 1500) == pytest.approx(volumes)
    assert proportion(volumes, tiv * 0 + 1500) == pytest.approx(volumes)


def test_a_tiv_of_nothing_has_no_proportion():
    assert np.isnan(proportion(np.array([1.0, 2.0]), np.array([0.0, 2.0]))).tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize("name", ["tiv", "TIV_ml", "eTIV", "ICV", "EstimatedTotalIntraCranialVol"])
def test_tiv_is_found_in_whatever_case(name):
    assert find_tiv(["age", name, "sex"]) == name


def test_other_columns_are_no_tiv():
    assert find_tiv(["age", "activity", "brain"]) is None
