import pytest
import torch

from neurotarget.physics.fourier import (
    fast_side,
    laplacian,
    smooth,
    solve_poisson,
    spectrum,
    volume,
)


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("least", "side"), [(1, 2), (14, 14), (17, 18), (121, 126), (257, 270)])
def test_sides_are_even_and_have_no_factor_above_7(least, side):
    assert fast_side(least) == side


def test_a_spectrum_is_that_of_the_padded_volume_and_leads_back():
    values = noise(5, 6, 7)
    padded = torch.zeros(8, 6, 10)
    padded[:5, :6, :7] = values
    wave = spectrum(values, (8, 6, 10))
    torch.testing.assert_close(wave, torch.fft.rfftn(padded))
    torch.testing.assert_close(volume(wave, (8, 6, 10), (5, 6, 7)), values)


def test_the_laplacian_of_waves_is_that_of_neighbouring_differences():
    sides, spacing_mm = (8, 6, 10), (1.0, 2.0, 0.5)
    values, result = noise(*sides), torch.zeros(sides)
    for axis, step in enumerate(spacing_mm):
        result -= (values.roll(1, axis) + values.roll(-1, axis) - 2 * values) / step**2
    found = volume(spectrum(values, sides) * laplacian(sides, spacing_mm), sides, sides)
    torch.testing.assert_close(found, result, atol=1e-4, rtol=1e-4)


def test_a_poisson_equation_gives_back_what_its_source_was_made_of():
    values, spacing_mm = noise(6, 9, 4), (1.0, 0.5, 3.0)
    values -= values.mean()
    source = torch.zeros_like(values)
    for axis, step in enumerate(spacing_mm):
        flow = values.diff(dim=axis) / step**2
        source.narrow(axis, 0, flow.shape[axis]).add_(flow)
        source.narrow(axis, 1, flow.shape[axis]).sub_(flow)
    torch.testing.assert_close(solve_poisson(source, spacing_mm), values, atol=1e-4, rtol=1e-4)


def test_a_gaussian_mean_keeps_the_sum_and_has_the_width_asked_for():
    values = torch.zeros(41, 5, 5)
    values[20, 2, 2] = 1
    found = smooth(values, (4.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    away = (torch.arange(41) - 20.0) ** 2
    assert found.sum() == pytest.approx(1, abs=1e-3)
    assert (found[:, 2, 2] * away).sum() == pytest.approx(16, rel=0.01)
