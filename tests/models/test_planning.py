import numpy as np
import pytest

from neurotarget.models.backbone import Backbone
from neurotarget.models.planning import plan_stages, propose, widths

HALF = (2, 2, 2)


class By(Backbone):
    def __init__(self, step):
        super().__init__()
        self.stride = (step, step, step)


def linear(patch_vox, batch):
    """100 MiB of weights, and a MiB for a thousand voxels."""
    return 100 + batch * np.prod(patch_vox) / 1000


@pytest.mark.parametrize(
    ("patch", "halved"),
    [
        ((40, 56, 40), [HALF] * 3),  # nnU-Net's own plan for the hippocampus
        ((128, 128, 128), [HALF] * 5),
        ((20, 20, 8), [HALF, (2, 2, 1)]),  # 8 becomes 4 and stays
        ((12, 8, 8), [HALF]),  # 6, 4, 4: none can be halved again
        ((24, 8, 8), [HALF, (2, 1, 1)]),  # 12 alone is enough
        ((16, 8, 8), [HALF]),  # 8 alone is not
    ],
)
def test_sides_are_halved_while_they_keep_four_voxels(patch, halved):
    stages = plan_stages(patch)
    assert stages.strides == ((1, 1, 1), *halved)
    assert set(stages.kernels) == {(3, 3, 3)}


def test_thick_slices_are_left_alone_until_the_spacings_are_alike():
    stages = plan_stages((320, 256, 20), (0.625, 0.625, 3.6))  # nnU-Net's plan for the prostate
    assert stages.strides == ((1, 1, 1), (2, 2, 1), (2, 2, 1), HALF, HALF, (2, 2, 1), (2, 2, 1))
    assert stages.kernels == ((3, 3, 1), (3, 3, 1), *[(3, 3, 3)] * 5)
    assert stages.stride == (64, 64, 4)


def test_sides_rounded_up_to_the_stride_are_planned_alike():
    for patch in ((33, 70, 20), (41, 57, 9), (100, 31, 64)):
        stages = plan_stages(patch)
        sides = [-(-side // step) * step for side, step in zip(patch, stages.stride, strict=True)]
        assert plan_stages(tuple(sides)) == stages


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


def test_too_little_memory_is_reported():
    plan = propose((64, 64, 64), 10**9, budget_mib=50, sides=By(8), memory=linear)
    assert plan.patch_vox == (16, 16, 16)  # no patch has a shorter side
    assert not plan.fits


def test_a_huge_scan_begins_with_256_cubed_voxels():
    plan = propose((512, 512, 512), 10**12, budget_mib=10**9, sides=By(16), memory=linear)
    assert plan.patch_vox == (256, 256, 256)
