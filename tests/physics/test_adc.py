import numpy as np
import pytest

from neurotarget.physics.adc import adc_fit
from neurotarget.problems import DataError

B = (0, 500, 1000)


def signals(adc: float, b_values=B) -> np.ndarray:
    return 200 * np.exp(-np.array(b_values) * adc * 1e-3)


def test_a_signal_without_noise_gives_its_coefficient():
    adc, first = adc_fit(np.stack([signals(0.8), signals(3.0)]), B)
    np.testing.assert_allclose(adc, [0.8, 3.0])
    np.testing.assert_allclose(first, [200, 200])


def test_directions_of_one_b_value_give_their_mean():
    three = [signals(one, (1000,))[0] for one in (0.5, 0.8, 1.1)]
    adc, _ = adc_fit(np.array([[200, 200, 200, *three]]), (0, 0, 0, 1000, 1000, 1000))
    assert adc[0] == pytest.approx(0.8)


def test_small_signals_count_little():
    noisy = signals(1.0, (0, 500, 3000))
    noisy[2] *= 3  # the floor of noise
    adc, _ = adc_fit(noisy[None], (0, 500, 3000))
    plain = -np.polyfit((0, 500, 3000), np.log(noisy), 1)[0] * 1e3
    assert abs(adc[0] - 1) < 0.3 < abs(plain - 1)


def test_voxels_without_two_positive_signals_are_nan():
    adc, first = adc_fit(np.array([[200.0, 0, 0], [0, 0, 0], [200, np.nan, 100]]), B)
    assert np.isnan(adc).tolist() == np.isnan(first).tolist() == [True, True, False]
    assert adc[2] == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    ("b_values", "message"),
    [
        ((0, 1000), "found 2 b-values for 3 volumes"),
        ((0, 0, 0), "found b-values of 0 to 0"),
        ((0, 0.5, 1), "give them in s/mm²"),
        ((-5, 500, 1000), "found b-values of -5 to 1000"),
    ],
)
def test_b_values_that_do_not_fit_are_refused(b_values, message):
    with pytest.raises(DataError, match=message):
        adc_fit(signals(1)[None], b_values)
