import pytest

from neurotarget.problems import DataError
from neurotarget.runs.network.windows import build_windows, checked_overlap
from neurotarget.types import Target


@pytest.fixture
def target():
    return Target("a", ["t1"], {"left": 1, "right": 2}, [1, 1, 1], [8, 8, 8], [["left", "right"]])


@pytest.mark.parametrize(
    ("flip", "swap"),
    [({"p": 0.5, "axes": [0]}, [0, 2, 1]), ({"p": 0.5, "axes": [1]}, None), (None, None)],
)
def test_mirror_follows_the_flips_of_training(target, flip, swap):
    config = {"windows": {"overlap": 0.25, "mirror": "auto"}, "augment": {"flip": flip}}
    windows = build_windows(config, target)
    assert windows.swap == swap
    assert windows.overlap == 0.25
    assert build_windows(config, target, mirror=False).swap is None


@pytest.mark.parametrize(("share", "swap"), [(0.5, [0, 2, 1]), (0.0, None)])
def test_mirror_follows_the_flips_of_synthesised_scans(target, share, swap):
    synthesis = {"synthesis": {"deformation": {"flip": share}}}
    config = {"windows": {"mirror": "auto"}, "augment": {"flip": None}, "data": synthesis}
    assert build_windows(config, target).swap == swap


def test_mirror_of_a_network_that_never_saw_one_is_refused(target):
    with pytest.raises(DataError, match="has never seen a mirrored head"):
        build_windows({"augment": {}}, target, mirror=True)
    with pytest.raises(DataError, match="wanted true, false or auto"):
        build_windows({}, target, mirror="left")


@pytest.mark.parametrize("overlap", [1, -0.1, 50, "half", None, True, float("nan")])
def test_an_overlap_is_a_share_of_a_window(overlap):
    with pytest.raises(DataError, match=f"overlap: found {overlap}, wanted a number of at least 0"):
        checked_overlap(overlap)
    assert checked_overlap(0) == 0.0


def test_margin_of_a_network_is_handed_on(target):
    assert build_windows({}, target).margin_vox == 0
    windows = build_windows({"windows": {"overlap": 0.25}}, target, margin_vox=3)
    assert (windows.margin_vox, windows.scored_vox) == (3, (2, 2, 2))
    assert windows.overlap == 0.25
    with pytest.raises(DataError, match="wanted sides of more than 8; set a larger patch_vox"):
        build_windows({}, target, margin_vox=4)
