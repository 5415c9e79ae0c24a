from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from neurotarget.data.batches.prepare import Preparation
from neurotarget.inference.averaging import differences, joined, soup
from neurotarget.inference.segment import Predictor
from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.problems import DataError
from neurotarget.types import Case, Roi, Target

TARGET = Target("cube", ["t1"], {"cube": 9, "rest": 5}, [1, 1, 1], [8, 8, 8])
PLAIN = Preparation("none", None)


class Says(nn.Module):
    """The same probabilities everywhere."""

    def __init__(self, *probabilities):
        super().__init__()
        self.logits = torch.tensor(probabilities).log()[None, :, None, None, None]

    def forward(self, image):
        return self.logits.repeat(len(image), 1, *image.shape[2:])


def predictor(*probabilities, target=TARGET, preparation=PLAIN, **how):
    return Predictor(Says(*probabilities), target, preparation, **how)


def test_probabilities_are_the_mean_of_the_members():
    ensemble = joined([predictor(0.2, 0.8, 0.0), predictor(0.7, 0.1, 0.2)])
    found = ensemble.probabilities(np.zeros((1, 8, 8, 8), np.float32))
    assert found.dtype == np.float32
    assert found[:, 3, 3, 3] == pytest.approx([0.45, 0.45, 0.1], abs=1e-6)
    assert found.sum(axis=0) == pytest.approx(np.ones((8, 8, 8)), abs=1e-6)


def test_an_ensemble_decides_by_probability_not_by_votes(tmp_path):
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((6, 7, 8), np.float32), np.diag([2.0, 1, 1, 1])), path)
    two_unsure = [predictor(0.55, 0.45, 0.0), predictor(0.55, 0.45, 0.0)]
    sure = predictor(0.0001, 0.9, 0.0999)
    found = joined([*two_unsure, sure]).predict(Case("c", "c", {"t1": path}))
    assert (found.classes == 1).all()
    assert found.values == {"cube": pytest.approx(6 * 7 * 8 * 2.0), "rest": 0.0}
    assert found.flags[:1] == ("rest: empty",)


def test_members_keep_windows_of_their_own():
    """A mirror averages with swapped labels; only the first member has one."""
    swapping = SlidingWindow([8, 8, 8], swap=[0, 2, 1])
    other = SlidingWindow([4, 4, 4], overlap=0.25)
    members = [predictor(0.2, 0.8, 1e-9, inferer=swapping), predictor(0.2, 0.7, 0.1, inferer=other)]
    mean = joined(members).probabilities(np.zeros((1, 8, 8, 8), np.float32))
    apart = [member.probabilities(np.zeros((1, 8, 8, 8), np.float32)) for member in members]
    np.testing.assert_allclose(mean, (apart[0] + apart[1]) / 2, atol=1e-6)
    assert apart[0][1, 0, 0, 0] == pytest.approx(apart[0][2, 0, 0, 0])
    settings = joined(members).settings["members"]
    assert [one["window_vox"] for one in settings] == [(8, 8, 8), (4, 4, 4)]


def test_one_member_is_itself():
    alone = predictor(0.2, 0.5, 0.3)
    image = np.zeros((1, 8, 8, 8), np.float32)
    np.testing.assert_array_equal(joined([alone]).probabilities(image), alone.probabilities(image))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"contrasts": ("t2",)}, r"contrasts \['t2'\], and \['t1'\] in the first"),
        ({"labels": {"cube": 9, "rest": 6}}, r"labels \{'cube': \[9\], 'rest': \[6\]\}, and"),
        ({"labels": {"rest": 5, "cube": 9}}, r"labels \{'rest': \[5\], 'cube': \[9\]\}, and"),
        ({"spacing_mm": (1, 1, 2)}, r"spacing_mm \[1.0, 1.0, 2.0\], and \[1.0, 1.0, 1.0\] in"),
        ({"roi": Roi((9, 9, 9))}, r"roi \{.*'size_mm': \(9.0, 9.0, 9.0\).*\}, and None in"),
    ],
)
def test_networks_that_see_scans_in_other_ways_are_refused(change, error):
    other = predictor(0.2, 0.5, 0.3, target=replace(TARGET, **change))
    with pytest.raises(DataError, match=rf"^ensemble: its 2 networks.*{error}"):
        joined([predictor(0.2, 0.5, 0.3), other])


def test_all_that_differs_is_listed():
    target = replace(TARGET, spacing_mm=(2, 2, 2), patch_vox=(16, 16, 16), name="another")
    other = predictor(0.2, 0.5, 0.3, target=target, preparation=Preparation("zscore"))
    with pytest.raises(DataError, match=r"spacing_mm .*; preparation .*'zscore'") as refused:
        joined([predictor(0.2, 0.5, 0.3), other])
    assert "patch" not in str(refused.value)


def test_an_ensemble_of_nothing_is_refused():
    with pytest.raises(DataError, match="ensemble: found no network, wanted at least one"):
        joined([])
    with pytest.raises(DataError, match="soup: found no weights, wanted those of at least one"):
        soup([])


def test_a_soup_is_the_mean_of_weights_and_the_first_of_counters():
    states = [
        {"w": torch.tensor([1.0, 3.0]), "seen": torch.tensor(7)},
        {"w": torch.tensor([2.0, 5.0]), "seen": torch.tensor(9)},
    ]
    found = soup(states)
    assert found["w"].dtype == torch.float32
    assert found["w"].tolist() == [1.5, 4.0]
    assert found["seen"].dtype == torch.int64
    assert found["seen"].item() == 7
    assert states[0]["w"].tolist() == [1.0, 3.0]


def test_a_soup_is_summed_in_double_precision():
    """In float32, 1 would be lost beside 2**24."""
    states = [{"w": torch.tensor([2.0**24])}, {"w": torch.tensor([1.0])}]
    states += [{"w": torch.tensor([1.0])}, {"w": torch.tensor([-(2.0**24)])}]
    assert soup(states)["w"].tolist() == [0.5]


def test_weights_of_other_architectures_are_no_soup():
    first = {"a": torch.zeros(3), "b": torch.zeros(2, 2)}
    with pytest.raises(DataError, match=r"network 2 .*1 missing: b; 1 unexpected: c"):
        soup([first, {"a": torch.zeros(3), "c": torch.zeros(1)}])
    with pytest.raises(DataError, match=r"network 3 .*1 of another shape: b found 2×3, wanted 2×2"):
        soup([first, first, {"a": torch.zeros(3), "b": torch.zeros(2, 3)}])


def test_differences_name_the_first_five_and_count_the_rest():
    wanted = {f"w{number}": torch.zeros(1) for number in range(7)}
    assert differences({}, wanted) == ["7 missing: w0, w1, w2, w3, w4 and 2 more"]
    assert differences({"w0": torch.zeros(())}, {"w0": torch.zeros(1)}) == [
        "1 of another shape: w0 found one number, wanted 1"
    ]
    assert differences(wanted, wanted) == []


def region(side, offset=0.0, anchor="scan"):
    return replace(TARGET, roi=Roi((side, side, side), anchor, (offset, 0, 0)))


def test_regions_that_differ_a_little_are_seen_as_the_one_that_holds_them():
    targets = [region(20.0), region(20.0, 2.0)]
    ensemble = joined([predictor(0.2, 0.8, 0.0, target=one) for one in targets])
    assert ensemble.target.roi == Roi((22.0, 20.0, 20.0), "scan", (1.0, 0.0, 0.0))


@pytest.mark.parametrize(
    "other", [region(40.0), region(20.0, 15.0), region(20.0, anchor="world"), TARGET]
)
def test_regions_that_are_far_apart_are_refused(other):
    members = [predictor(0.2, 0.8, 0.0, target=one) for one in (region(20.0), other)]
    with pytest.raises(DataError, match="roi"):
        joined(members)
