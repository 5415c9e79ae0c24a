import numpy as np
import pandas as pd
import pytest

from neurotarget.physics.artery import find_artery
from neurotarget.physics.first_pass import first_pass_area, fitted, gamma_variate
from neurotarget.physics.leakage import leakage_corrected
from neurotarget.physics.perfusion import bolus_arrival, concentrations, perfusion
from neurotarget.problems import DataError

TR_S = 1.0
TIMES_S = np.arange(0, 80) * TR_S
ARTERY = gamma_variate(TIMES_S - 12, 60.0, 5.0, 3.0)


def tissue(cbv: float, mtt_s: float, delay_s: float = 0) -> np.ndarray:
    """The artery's curve, through an exponential residue, of a blood volume in ml/100 ml."""
    fine = np.arange(0, 80, 0.05)
    flow = cbv / 100 / mtt_s
    residue = flow * np.exp(-fine / mtt_s)
    arriving = gamma_variate(fine - 12 - delay_s, 60.0, 5.0, 3.0)
    return np.interp(TIMES_S, fine, np.convolve(arriving, residue)[: len(fine)] * 0.05)


def test_perfusion_of_osipis_curves_is_within_its_tolerances(shared_data):
    path = shared_data / "osipi_dsc" / "dsc_data.csv"
    if not path.is_file():
        pytest.skip(f"needs {path}")
    apart = []
    for row in pd.read_csv(path).itertuples():
        curve, artery = (np.array(text.split(), float) for text in (row.C_tis, row.C_aif))
        made = perfusion(curve[None], artery, row.tr, tissue_factor=1)
        apart.append((made.cbv[0] - row.cbv, made.cbf[0] - row.cbf))
        assert abs(apart[-1][0]) <= 1 + 0.1 * row.cbv
        assert abs(apart[-1][1]) <= 15 + 0.1 * row.cbf
    assert len(apart) == 14
    np.testing.assert_allclose(np.abs(apart).max(axis=0), (0.75, 21.1), atol=0.05)  # in the docs


@pytest.mark.parametrize("mtt_s", [4, 8])
def test_perfusion_without_noise_is_that_of_the_curve(mtt_s):
    made = perfusion(tissue(4, mtt_s)[None], ARTERY, TR_S, tissue_factor=1, cut=0.001)
    assert made.cbv[0] == pytest.approx(4, rel=0.03)
    assert made.cbf[0] == pytest.approx(60 * 4 / mtt_s, rel=0.2)  # as known of SVD
    assert made.mtt_s[0] == pytest.approx(made.cbv[0] / made.cbf[0] * 60)


def test_a_delay_changes_tmax_and_not_the_flow():
    curves = np.stack([tissue(4, 6, delay) for delay in (0, 4)])
    made = perfusion(curves, ARTERY, TR_S)
    assert made.cbf[1] == pytest.approx(made.cbf[0], rel=0.02)
    assert made.tmax_s[1] - made.tmax_s[0] == pytest.approx(4, abs=1)


def test_a_lost_voxel_is_nan_and_changes_no_other():
    curves = np.stack([tissue(4, 6), np.full(80, np.nan)])
    made = perfusion(curves, ARTERY, TR_S)
    assert np.isnan([one[1] for one in made]).all()
    assert np.isfinite([one[0] for one in made]).all()


def test_a_gamma_variate_is_found_in_a_curve_with_recirculation():
    first = gamma_variate(TIMES_S - 12, 60.0, 5.0, 3.0)
    again = first + 0.2 * gamma_variate(TIMES_S - 30, 60.0, 12.0, 3.0)
    start_s, top, peak_s, power = fitted(again, TR_S)
    assert (start_s, top, peak_s, power) == pytest.approx((12, 60, 5, 3), rel=0.1)
    assert first_pass_area(again[None], TR_S)[0] == pytest.approx(first.sum(), rel=0.03)
    made = perfusion(again[None] * 0.05, again, TR_S, tissue_factor=1, only_first_pass=True)
    assert made.cbv[0] == pytest.approx(5)
    assert np.isnan(first_pass_area(np.zeros((1, 20)), TR_S)[0])


@pytest.mark.parametrize("rate", [0.01, -0.01])
def test_leakage_is_taken_out_of_a_curve(rate):
    plain = tissue(4, 6)
    leaking = 1.5 * plain - rate * (np.cumsum(plain) - 0.5 * plain) * TR_S
    found = leakage_corrected(np.stack([leaking, plain]), plain, TR_S)
    assert found.rate == pytest.approx([rate, 0], abs=1e-9)
    np.testing.assert_allclose(found.corrected, [1.5 * plain, plain], atol=1e-9)


def test_concentrations_are_the_change_of_r2_star():
    signals = np.concatenate([np.full(10, 100.0), 100 * np.exp(-tissue(4, 6)[:60] * 0.03)])
    made = concentrations(np.stack([signals, np.zeros(70)]), 0.03, 10)
    np.testing.assert_allclose(made[0, 10:], tissue(4, 6)[:60])
    assert np.isnan(made[1]).all()


def test_the_volumes_before_a_bolus_are_counted():
    signals = 100 * np.exp(-0.03 * tissue(4, 6) * 5) + np.random.default_rng(0).normal(0, 0.3, 80)
    assert 8 <= bolus_arrival(signals) <= 13
    flat = np.random.default_rng(0).normal(100, 1, 80)
    with pytest.raises(DataError, match=r"wanted the fall of a bolus; .* give baseline="):
        bolus_arrival(flat)


@pytest.mark.parametrize("skip", [-1, 70, 80, 1000])
def test_more_volumes_left_out_than_the_scan_can_spare_are_refused(skip):
    for count in (bolus_arrival, lambda curve, skip: concentrations(curve, 0.03, 1, skip=skip)):
        with pytest.raises(DataError, match=f"found {skip} volumes left out"):
            count(100 * np.exp(-tissue(4, 6)), skip=skip)


def test_an_artery_is_found_among_tissue():
    rng = np.random.default_rng(0)
    curves = np.stack([tissue(cbv, 6, 2) for cbv in rng.uniform(2, 5, 500)])
    curves[100:112] = ARTERY * rng.uniform(0.9, 1.1, (12, 1))
    curves += rng.normal(0, 0.01, curves.shape)
    assert set(find_artery(curves)) == set(range(100, 112))
    with pytest.raises(DataError, match="found 50 voxels with a bolus"):
        find_artery(curves[:50])


def test_an_artery_without_a_bolus_is_refused():
    with pytest.raises(DataError, match="an arterial curve with an area of 0"):
        perfusion(tissue(4, 6)[None], np.zeros(80), TR_S)
    with pytest.raises(DataError, match="79 times of the artery and 80"):
        perfusion(tissue(4, 6)[None], ARTERY[:79], TR_S)
