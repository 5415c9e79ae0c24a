import math

import nibabel as nib
import numpy as np
import pytest
import torch

from neurotarget.physics.dipole import GAMMA_HZ_PER_T, dipole_field
from neurotarget.physics.qsm import QSM
from neurotarget.problems import DataError
from oracles.magnetised import ball_field

B0 = (0.08, 0.16, 0.984)
SIDE_MM = 3 * 0.64
GIVEN = {"field_t": 3.0, "spacing_mm": (SIDE_MM,) * 3, "b0": B0}
AIR = (  # centres and radii in mm, about the middle of the array: none reaches the brain
    ((0, 24, -32), 8),
    ((0, 40, -36), 11),
    ((0, 84, -4), 8),
    ((58, -14, -48), 8),
    ((-58, -14, -48), 8),
)
NUCLEI = {2: "pallidum", 5: "dentate", 1: "caudate", 8: "white matter", 9: "grey matter"}


class Head:
    """The segmented head model on a grid three times as coarse, with the field of its brain.

    Air of two sinuses and of the ear canals is balls, whose field is known in closed form.
    """

    def __init__(self, folder):
        labels = np.asanyarray(nib.load(folder / "SegmentedModel.nii.gz").dataobj)
        chi = np.asanyarray(nib.load(folder / "chi_piecewise_constant.nii.gz").dataobj)
        mask = np.asanyarray(nib.load(folder / "BrainMask.nii.gz").dataobj)
        self.mask = self.mean(mask) > 0.5
        self.chi = self.mean(chi) * self.mask
        self.labels = {one: self.mean(labels == one) > 0.99 for one in NUCLEI}
        outer = torch.zeros(self.mask.shape)
        for place, radius in AIR:
            outer += 9.4 * ball_field(self.mask.shape, GIVEN["spacing_mm"], radius, B0, place)
        local = dipole_field(torch.from_numpy(self.chi), GIVEN["spacing_mm"], B0)
        self.field_ppm = local + outer * torch.from_numpy(self.mask)
        self.outer = outer

    @staticmethod
    def mean(values):
        """Means over blocks of 3 × 3 × 3 voxels."""
        whole = tuple(slice(0, side // 3 * 3) for side in values.shape)
        sides = [part for side in values.shape for part in (side // 3, 3)]
        return values[whole].reshape(sides).mean(axis=(1, 3, 5), dtype=np.float32)

    def echoes(self, times, *, field_t=3.0, noise=0.01):
        """Magnitude and phase, with a phase of the coils."""
        generator = torch.Generator().manual_seed(0)
        x = torch.linspace(-1, 1, self.mask.shape[0])[:, None, None]
        signals = []
        for time in times:
            turns = 2 * math.pi * GAMMA_HZ_PER_T * 1e-6 * field_t * time * self.field_ppm
            signal = torch.polar(torch.from_numpy(self.mask) * math.exp(-25 * time), turns + x)
            parts = [noise * torch.randn(signal.shape, generator=generator) for _ in range(2)]
            signals.append(signal + torch.complex(*parts))
        signals = torch.stack(signals)
        return signals.abs().numpy(), signals.angle().numpy()

    def means(self, values, inside):
        return np.array([values[core & inside].mean() for core in self.labels.values()])

    def slope(self, found):
        """Of found on true means, and their correlation."""
        truth, values = (self.means(one, found.mask) for one in (self.chi, found.chi_ppm))
        return np.polyfit(truth, values, 1)[0], np.corrcoef(truth, values)[0, 1]


@pytest.fixture(scope="module")
def head(shared_data):
    return Head(shared_data / "qsm" / "head_model")


TIMES = (0.006, 0.013, 0.02)


@pytest.fixture(scope="module")
def found(head):
    magnitude, phase = head.echoes(TIMES)
    return QSM().reconstruct(magnitude, phase, TIMES, mask=head.mask, **GIVEN)


def test_the_air_about_the_brain_hides_its_own_field(head):
    inside = head.mask
    local = head.field_ppm - head.outer
    assert head.outer[inside].std() > 5 * local[inside].std()


def test_susceptibility_of_a_head_comes_back_from_its_phase(head, found):
    slope, correlation = head.slope(found)
    assert 0.85 < slope < 1.05
    assert correlation > 0.985
    truth, values = (head.means(one, found.mask) for one in (head.chi, found.chi_ppm))
    dentate = list(NUCLEI).index(5)
    white = list(NUCLEI).index(8)
    assert values[dentate] - values[white] == pytest.approx(truth[dentate] - truth[white], rel=0.15)
    assert found.chi_ppm.dtype == np.float32
    assert found.chi_ppm[~found.mask].max() == found.chi_ppm[~found.mask].min() == 0
    assert not (found.mask & ~head.mask).any()
    assert found.facts["handedness"] == 1


@pytest.mark.parametrize(
    ("options", "least"),
    [
        ({"inversion": "tkd"}, 0.85),
        ({"inversion": "tv"}, 0.82),
        ({"inversion": "tv", "weighted_edges": True}, 0.82),
        ({"background": "sharp"}, 0.8),
        ({"background": "pdf"}, 0.8),
        ({"unwrap": "path"}, 0.85),
    ],
)
def test_every_way_through_the_chain_gives_the_head(head, options, least):
    if options.get("unwrap") == "path":
        pytest.importorskip("skimage", reason="scikit-image not installed")
    magnitude, phase = head.echoes(TIMES)
    found = QSM(**options).reconstruct(magnitude, phase, TIMES, mask=head.mask, **GIVEN)
    slope, correlation = head.slope(found)
    assert least < slope < 1.1
    assert correlation > 0.97
    if options.get("inversion") == "tv":
        assert found.facts["last_change"] < 0.01


def test_one_echo_at_another_field_gives_the_same_map(head, found):
    magnitude, phase = head.echoes((0.004,), field_t=7.0)
    given = {"mask": head.mask, "spacing_mm": GIVEN["spacing_mm"], "b0": B0}
    other = QSM().reconstruct(magnitude, phase, (0.004,), field_t=7.0, **given)
    one, two = (head.means(scan.chi_ppm, scan.mask) for scan in (found, other))
    assert np.polyfit(one, two, 1)[0] == pytest.approx(1, abs=0.04)
    same = QSM().reconstruct(magnitude, phase, (0.008,), field_t=3.5, **given)
    np.testing.assert_allclose(same.chi_ppm, other.chi_ppm, atol=1e-5)
    half = QSM().reconstruct(magnitude, phase, (0.008,), field_t=7.0, **given)
    np.testing.assert_allclose(half.chi_ppm, other.chi_ppm / 2, atol=1e-5)


def test_phase_of_the_other_hand_is_found_out_and_turned(head, found):
    magnitude, phase = head.echoes(TIMES)
    given = GIVEN | {"mask": head.mask}
    turned = QSM().reconstruct(magnitude, -phase, TIMES, **given)
    assert turned.facts["handedness"] == -1
    assert "of the other sign" in turned.facts["handedness_found"]
    for name in ("chi_ppm", "field_ppm", "local_field_ppm"):
        np.testing.assert_allclose(getattr(turned, name), getattr(found, name), atol=2e-4)
    result = QSM(handedness=-1).reconstruct(magnitude, -phase, TIMES, **given)
    np.testing.assert_allclose(result.chi_ppm, found.chi_ppm, atol=2e-4)
    wrong = QSM(handedness=1).reconstruct(magnitude, -phase, TIMES, **given)
    np.testing.assert_allclose(wrong.chi_ppm, -found.chi_ppm, atol=2e-4)
    assert "the given handedness was kept, look at the map" in wrong.facts["handedness_found"]


def test_the_mean_over_the_brain_is_the_reference(head, found):
    assert found.chi_ppm[found.mask].mean() == pytest.approx(0, abs=1e-6)
    magnitude, phase = head.echoes(TIMES)
    raw = QSM(reference="none").reconstruct(magnitude, phase, TIMES, mask=head.mask, **GIVEN)
    gap = (raw.chi_ppm - found.chi_ppm)[found.mask]
    assert gap.max() - gap.min() < 1e-6
    assert gap.mean() == pytest.approx(found.facts["reference_ppm"], abs=1e-6)


def test_the_brain_is_found_where_no_mask_is_given(head):
    magnitude, phase = head.echoes(TIMES)
    found = QSM().reconstruct(magnitude, phase, TIMES, **GIVEN)
    assert found.facts["brain_mask"] == "from the magnitude"
    overlap = 2 * (found.brain_mask & head.mask).sum()
    assert overlap / (found.brain_mask.sum() + head.mask.sum()) > 0.93
    slope, correlation = head.slope(found)
    assert 0.85 < slope < 1.05
    assert correlation > 0.98


def small():
    magnitude = np.ones((1, 24, 24, 24), dtype=np.float32)
    mask = np.zeros((24, 24, 24), dtype=bool)
    mask[4:20, 4:20, 4:20] = True
    phase = np.random.default_rng(0).normal(0, 0.1, magnitude.shape)
    return {
        "magnitude": magnitude,
        "phase_rad": phase,
        "te_s": (0.02,),
        "mask": mask,
        "field_t": 3.0,
        "spacing_mm": (1.0, 1.0, 1.0),
        "b0": (0.0, 0.0, 1.0),
    }


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (
            {"phase_rad": np.full((1, 24, 24, 24), np.nan)},
            "found 13824 of 13824 values that",
        ),
        ({"phase_rad": np.zeros((24, 24, 24))}, "wanted both as"),
        ({"te_s": (0.01, 0.02)}, "wanted one for each"),
        ({"te_s": (20,)}, "wanted seconds"),
        ({"field_t": 0}, "field strength: found 0, wanted 0.05 to 25 tesla"),
        ({"b0": (0, 0, 0)}, "direction of B0"),
        ({"spacing_mm": (1, 1, -1)}, "voxel size"),
        ({"mask": np.zeros((24, 24, 24))}, "mask: found no voxel"),
        ({"mask": np.ones((24, 24, 23))}, "wanted the scan's own grid"),
    ],
)
def test_a_scan_that_cannot_be_used_is_refused(change, error):
    with pytest.raises(DataError, match=error):
        QSM().reconstruct(**(small() | change))


def test_steps_that_are_not_there_are_refused():
    with pytest.raises(DataError, match=r"qsm.inversion: found 'ilsqr', wanted l2 or tkd or tv"):
        QSM(inversion="ilsqr")
    with pytest.raises(DataError, match=r"qsm.handedness: found 2, wanted auto or 1 or -1"):
        QSM(handedness=2)


def test_options_reach_their_steps():
    plain = QSM().reconstruct(**small())
    wide = QSM(background_options={"radii_mm": (6.0, 3.0)}).reconstruct(**small())
    assert plain.mask.sum() == 14**3
    assert wide.mask.sum() == 10**3
    flat = QSM(inversion_options={"weight_mm2": 10.0}).reconstruct(**small())
    assert flat.chi_ppm.std() < 0.1 * plain.chi_ppm.std()


def test_a_scan_seen_through_views_gives_the_same_map():
    scan = small()
    turned = dict(scan)
    for name in ("magnitude", "phase_rad"):
        turned[name] = torch.from_numpy(np.ascontiguousarray(scan[name])).double()
    one, other = QSM().reconstruct(**scan), QSM().reconstruct(**turned)
    np.testing.assert_array_equal(one.chi_ppm, other.chi_ppm)
