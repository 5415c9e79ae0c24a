import numpy as np
import pytest

from neurotarget.models.backbone import Backbone
from neurotarget.models.plan import depth, propose, widths


class By(Backbone):
    def __init__(self, step):
        super().__init__()
        self.stride = (step, step, step)


def linear(patch_vox, batch):
    """100 MiB of weights, and a MiB for a thousand voxels."""
    return 100 + batch * np.prod(patch_vox) / 1000


@pytest.mark.parametrize(
    ("patch", "steps"),
    [
        ((32, 32, 32), ((2, 2, 2),) * 3),  # 32 → 16 → 8 → 4
        ((40, 56, 40), ((2, 2, 2),) * 3),  # 5 × 7 × 5 has no half of four voxels
        ((7, 7, 7), ()),
        ((128, 128, 16), ((2, 2, 1), (2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2))),
        ((256, 256, 256), ((2, 2, 2),) * 5),  # no more than six levels
    ],
)
def test_an_axis_is_halved_while_its_half_has_four_voxels(patch, steps):
    assert depth(patch) == steps


def test_widths_double_up_to_320():
    assert widths(32, 6) == (32, 64, 128, 256, 320, 320)


def test_a_patch_that_fits_is_the_median_scan_in_valid_sides():
    plan = propose((35, 50, 35), 10**9, budget_mib=10_000, sides=By(8), memory=linear)
    assert plan.patch_vox == (40, 56, 40)
    assert plan.fits


def test_a_patch_shrinks_where_it_is_longest_against_the_scan():
    # two patches of 56 × 56 × 112 need 802 MiB, of 64 × 64 × 128 1149
    plan = propose((64, 64, 128), 10**9, budget_mib=900, sides=By(8), memory=linear)
    assert plan.patch_vox == (56, 56, 120)
    assert plan.memory_mib == linear(plan.patch_vox, plan.batch_size) <= 900


def test_memory_that_is_left_goes_to_the_batch():
    plan = propose((32, 32, 32), 10**9, budget_mib=100 + 32.768 * 5.5, sides=By(8), memory=linear)
    assert plan.batch_size == 5


def test_a_batch_holds_at_most_a_twentieth_of_all_voxels():
    voxels = 100 * 32**3
    plan = propose((32, 32, 32), voxels, budget_mib=10**6, sides=By(8), memory=linear)
    assert plan.batch_size == 5


def test_what_is_given_stays():
    given = {"patch_vox": (16, 16, 16), "batch_size": 3}
    plan = propose((64, 64, 64), 10**9, budget_mib=10**6, sides=By(8), memory=linear, **given)
    assert (plan.patch_vox, plan.batch_size) == ((16, 16, 16), 3)


def test_too_little_memory_is_said():
    plan = propose((64, 64, 64), 10**9, budget_mib=50, sides=By(8), memory=linear)
    assert plan.patch_vox == (16, 16, 16)  # no patch has a shorter side
    assert not plan.fits


def test_a_huge_scan_begins_with_256_cubed_voxels():
    plan = propose((512, 512, 512), 10**12, budget_mib=10**9, sides=By(16), memory=linear)
    assert plan.patch_vox == (256, 256, 256)
