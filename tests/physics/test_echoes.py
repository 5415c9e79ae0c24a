import math

import pytest
import torch

from neurotarget.physics.echoes import check_times, combine_echoes
from neurotarget.physics.phase import wrap
from neurotarget.problems import DataError
from oracles.magnetised import places

SHAPE, SPACING_MM = (32, 30, 28), (1.0, 1.0, 1.2)
TIMES = (0.004, 0.009, 0.014, 0.019)
PLACES = places(SHAPE, SPACING_MM)
AWAY = sum(place**2 for place in PLACES).sqrt()
MASK = AWAY < 12
FIELD_HZ = (90 * torch.exp(-((AWAY / 7) ** 2)) + 2 * PLACES[0]).float()
OFFSET = (0.6 + 0.08 * PLACES[1] - 0.05 * PLACES[2]).float()


def echoes(times=TIMES, *, noise=0.0, offset=OFFSET, seed=0):
    """Phase and magnitude of signal that fades with 30 / s."""
    generator = torch.Generator().manual_seed(seed)
    signals = []
    for time in times:
        signal = torch.polar(MASK * math.exp(-30 * time), 2 * math.pi * FIELD_HZ * time + offset)
        parts = [noise * torch.randn(SHAPE, generator=generator) for _ in range(2)]
        signals.append(signal + torch.complex(*parts))
    signals = torch.stack(signals)
    return signals.angle(), signals.abs()


def gap_hz(field_hz):
    gap = (field_hz - FIELD_HZ)[AWAY < 10]
    return gap - gap.mean()


def bend(values, inside):
    """Laplacian by differences, where all neighbours are inside."""
    total, deep = torch.zeros(SHAPE), inside.clone()
    for axis, step in enumerate(SPACING_MM):
        total += (values.roll(1, axis) + values.roll(-1, axis) - 2 * values) / step**2
        deep &= inside.roll(1, axis) & inside.roll(-1, axis)
    return total[deep]


def test_paths_give_the_field_without_the_coils_phase():
    pytest.importorskip("skimage", reason="scikit-image not installed")
    phase, magnitude = echoes()
    assert (wrap(2 * math.pi * FIELD_HZ * 0.019) - 2 * math.pi * FIELD_HZ * 0.019).abs().max() > 6
    found = combine_echoes(phase, magnitude, TIMES, spacing_mm=SPACING_MM, mask=MASK, unwrap="path")
    assert (found.hz - FIELD_HZ)[AWAY < 10].abs().max() < 1.0  # the offset is smoothed
    assert found.hz[~MASK].abs().max() == 0


def test_differences_give_the_field_up_to_a_harmonic_part():
    phase, magnitude = echoes()
    found = combine_echoes(phase, magnitude, TIMES, spacing_mm=SPACING_MM, mask=MASK)
    result = bend(FIELD_HZ, MASK)
    assert (bend(found.hz, MASK) - result).std() < 0.02 * result.std()


def test_one_echo_is_unwrapped_as_it_is():
    phase, magnitude = echoes((0.02,), offset=torch.zeros(()))
    found = combine_echoes(phase, magnitude, (0.02,), spacing_mm=SPACING_MM, mask=MASK)
    result = bend(FIELD_HZ, MASK)
    assert (bend(found.hz, MASK) - result).std() < 0.02 * result.std()


def test_the_order_of_the_echoes_does_not_matter():
    phase, magnitude = echoes(noise=0.02)
    one = combine_echoes(phase, magnitude, TIMES, spacing_mm=SPACING_MM, mask=MASK)
    turned = combine_echoes(
        phase.flip(0), magnitude.flip(0), TIMES[::-1], spacing_mm=SPACING_MM, mask=MASK
    )
    torch.testing.assert_close(one.hz, turned.hz)


@pytest.mark.parametrize("unwrap", ["laplacian", "path"])
def test_more_echoes_make_less_noise(unwrap):
    if unwrap == "path":
        pytest.importorskip("skimage", reason="scikit-image not installed")
    noise = []
    for times in (TIMES[:1], TIMES[:2], TIMES):
        fields = []
        for seed in (1, 2):  # what two scans differ by is noise
            phase, magnitude = echoes(times, noise=0.02, seed=seed)
            fields.append(
                combine_echoes(
                    phase, magnitude, times, spacing_mm=SPACING_MM, mask=MASK, unwrap=unwrap
                ).hz
            )
        noise.append(float(bend(fields[0] - fields[1], AWAY < 10).std()))
    # of one echo 1 / TE, of several 1 / √Σ(m·TE)², against 0.02 / 2π / 0.004 Hz at first
    powers = [sum((math.exp(-30 * t) * t) ** 2 for t in TIMES[:n]) ** -0.5 for n in (1, 2, 4)]
    assert noise[1] / noise[0] == pytest.approx(powers[1] / powers[0], rel=0.12)
    assert noise[2] / noise[0] == pytest.approx(powers[2] / powers[0], rel=0.12)


def test_voxels_of_more_signal_weigh_more():
    phase, magnitude = echoes()
    magnitude[:, 16:] *= 3
    weight = combine_echoes(phase, magnitude, TIMES, spacing_mm=SPACING_MM, mask=MASK).weight
    assert float(weight[20, 15, 14] / weight[12, 15, 14]) == pytest.approx(3, rel=1e-4)
    assert float(weight[MASK].median()) == pytest.approx(1)


def test_echo_times_that_cannot_be_are_refused():
    with pytest.raises(DataError, match=r"found 1 \(0.02\) for 3 echoes, wanted one for each"):
        check_times((0.02,), 3)
    with pytest.raises(DataError, match="found 20, wanted seconds above 0 and below 1; 20 ms"):
        check_times((20,), 1)
    with pytest.raises(DataError, match=r"found 0, wanted seconds above 0"):
        check_times((0.0,), 1)
    with pytest.raises(DataError, match=r"found 0.01, 0.01, wanted each echo time once"):
        check_times((0.01, 0.01), 2)


def test_a_way_to_unwrap_that_is_not_there_is_refused():
    phase, magnitude = echoes()
    with pytest.raises(DataError, match="unwrap: found 'magic', wanted laplacian or path"):
        combine_echoes(phase, magnitude, TIMES, spacing_mm=SPACING_MM, mask=MASK, unwrap="magic")
