from dataclasses import replace

import numpy as np
import pytest
from numpy import ndarray

from neurotarget.anatomy.structures import structures
from neurotarget.phantom.brain.label_maps import Anatomy, DrawnHead, draw_head
from neurotarget.phantom.brain.plan import SITES
from neurotarget.synthesis.tissues import known_tissues

# ml in adults, of one side where there are two, rounded from Potvin 2016 (FreeSurfer),
# doi:10.1016/j.neuroimage.2016.05.016
USUAL_ML = {
    2: 230.0,
    3: 240.0,
    7: 15.0,
    8: 55.0,
    10: 7.2,
    11: 3.5,
    12: 5.0,
    13: 1.5,
    16: 21.5,
    17: 3.7,
    18: 1.5,
    26: 0.55,
    28: 4.0,
}
VOXEL_MM = 2.0


def drawn(age: float = 50.0, seed: int = 1) -> DrawnHead:
    return draw_head(Anatomy(age, 1500.0, (seed,)), SITES[0], voxel_scale=VOXEL_MM)


@pytest.fixture(scope="module")
def head() -> DrawnHead:
    return drawn()


def ml(ids: ndarray, *values: int) -> float:
    return float(np.isin(ids, values).sum()) * VOXEL_MM**3 / 1000


def places_mm(head: DrawnHead, value: int) -> ndarray:
    return np.argwhere(head.ids == value) @ head.affine[:3, :3].T + head.affine[:3, 3]


def test_head_has_all_structures_and_known_tissues_alone(head: DrawnHead):
    found = set(np.unique(head.ids).tolist())
    wanted = {one.id for one in structures().values() if "synthseg" in one.groups}
    assert wanted <= found <= set(known_tissues().ids)
    assert {502, 506, 507, 509, 511, 514, 515, 516} <= found


def test_volumes_are_those_of_adults(head: DrawnHead):
    ratios = {value: ml(head.ids, value) / usual for value, usual in USUAL_ML.items()}
    assert all(0.65 < ratio < 1.4 for ratio in ratios.values()), ratios


def test_sides_have_alike_volumes_and_lie_left_and_right(head: DrawnHead):
    for one in structures().values():
        if one.side == "left" and "synthseg" in one.groups:
            left, right = places_mm(head, one.id), places_mm(head, one.partner)
            assert left[:, 0].mean() < right[:, 0].mean(), one.name
            assert 0.5 < len(left) / len(right) < 2, one.name


def test_cortex_is_a_folded_ribbon(head: DrawnHead):
    """Most cortex lies inside of the hull, along sulci: fluid touches it deep in the brain."""
    cortex = np.isin(head.ids, (3, 42))
    inner = np.isin(head.ids, (2, 41))
    edges = sum((cortex & np.roll(inner, 1, axis)).sum() for axis in range(3))
    assert edges * VOXEL_MM**2 > 90_000  # mm²; a smooth sphere of this volume has 50 000


def test_same_person_gives_same_voxels_and_another_person_others(head: DrawnHead):
    assert np.array_equal(drawn().ids, head.ids)
    other = drawn(seed=2).ids
    assert (other != head.ids).mean() > 0.1


def test_old_heads_have_larger_ventricles_and_smaller_hippocampi():
    young, old = drawn(age=25.0).ids, drawn(age=85.0).ids
    assert ml(old, 4, 43) > 1.5 * ml(young, 4, 43)
    assert ml(old, 17, 53) < 0.95 * ml(young, 17, 53)


def test_site_stores_the_same_anatomy_in_its_own_axes(head: DrawnHead):
    site = replace(SITES[0], axes="LIA")
    turned = draw_head(Anatomy(50.0, 1500.0, (1,)), site, voxel_scale=VOXEL_MM)
    assert places_mm(turned, 17)[:, 0].mean() == pytest.approx(
        places_mm(head, 17)[:, 0].mean(), abs=3
    )
    assert ml(turned.ids, 17) == pytest.approx(ml(head.ids, 17), rel=0.2)
