from dataclasses import replace

import numpy as np
import pytest
import torch

from neurotarget.synthesis.deformation import (
    LATTICE,
    Deformation,
    displaced,
    every_voxel,
    lattice_side,
    place,
)
from neurotarget.synthesis.label_map import open_map, store_map
from neurotarget.synthesis.population import FIELDS, Population
from neurotarget.synthesis.render import Sample, read_codes
from neurotarget.synthesis.tissues import known_tissues
from oracles.small_heads import head_array, head_case

STILL = Population(ageing=0, young=0, wide_head=0)
NONE = Deformation(
    degrees=0, scale=(1, 1), shear=0, shift_mm=0, elastic=(), flip=0, population=STILL
)
SIDES, SPACING = (28, 28, 28), (2.0, 2.0, 2.0)


@pytest.fixture(scope="module")
def label_map(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    return open_map(store_map(head_case(folder), folder / "cache"))


def codes_at(label_map, positions, sides=SIDES):
    sample = Sample(label_map.codes, positions, *[torch.zeros(1)] * 4, 0.0, None, (1, 0), 0)
    return read_codes(sample, sides)


def placed(label_map, deformation, seed=0):
    return place(label_map, deformation, SIDES, SPACING, np.random.default_rng(seed))


def voxels_of(codes, *ids):
    numbers = [known_tissues().ids.index(one) for one in ids]
    return int(np.isin(codes.numpy(), numbers).sum())


def test_without_deformation_a_patch_has_the_voxels_of_the_brain(label_map):
    where = placed(label_map, NONE)
    first, last = label_map.brain_vox
    middle = label_map.codes[tuple(slice(a, b + 1) for a, b in zip(first, last, strict=True))]
    assert (codes_at(label_map, where.positions) == middle).all()
    assert not where.is_mirrored


def test_a_mirrored_patch_is_the_mirror_image(label_map):
    still, turned = placed(label_map, NONE), placed(label_map, replace(NONE, flip=1))
    assert turned.is_mirrored
    mirrored = codes_at(label_map, turned.positions).flip(0)
    assert (mirrored == codes_at(label_map, still.positions)).all()


@pytest.mark.parametrize("side", [1, 2, 7, 8])
def test_values_between_the_lattice_are_linear(side):
    points = torch.arange(lattice_side(side), dtype=torch.float32) * LATTICE
    line = every_voxel(points.reshape(1, 1, -1, 1, 1), (side, 1, 1)).flatten()
    assert torch.allclose(line, torch.arange(side, dtype=torch.float32))


def test_beyond_the_map_is_air(label_map):
    far = placed(label_map, NONE).positions + 100
    assert (codes_at(label_map, far) == 0).all()


def amounts_of(field, amount):
    return np.array([amount if name == field else 0.0 for name in FIELDS])


@pytest.mark.parametrize("amount_mm", [3.0, -3.0])
def test_the_wall_of_a_ventricle_moves_by_somewhat_less_than_the_stated_amount(
    label_map, amount_mm
):
    where = placed(label_map, NONE).positions
    moved = where + displaced(label_map, where, amounts_of("ventricles", amount_mm)) / 2  # of 2 mm
    before, after = (voxels_of(codes_at(label_map, one), 4, 43) for one in (where, moved))
    shift_mm = 2 * ((3 / 4 / np.pi) ** (1 / 3)) * (after ** (1 / 3) - before ** (1 / 3))
    assert 0.4 < shift_mm / amount_mm < 1.0


def test_sulci_widen_at_the_cost_of_the_brain(label_map):
    where = placed(label_map, NONE).positions
    moved = where + displaced(label_map, where, amounts_of("sulci", 2.0)) / 2
    before, after = (codes_at(label_map, one) for one in (where, moved))
    assert voxels_of(after, 24) > voxels_of(before, 24)
    assert voxels_of(after, 2, 41, 3, 42) < voxels_of(before, 2, 41, 3, 42)


def test_a_wide_head_is_shorter_and_wider(label_map):
    population = replace(STILL, wide_head=1.0, shorter=0.2, wider=0.2)
    spans = []
    seen = [NONE, *[replace(NONE, population=population)] * 8]
    for seed, deformation in enumerate(seen):
        codes = codes_at(label_map, placed(label_map, deformation, seed).positions)
        brain = np.isin(codes.numpy(), [known_tissues().ids.index(one) for one in (2, 3, 41, 42)])
        width, length = (np.ptp(np.flatnonzero(brain.any(axis=axes))) for axes in ((1, 2), (0, 2)))
        spans.append((width, length))
    (still_width, still_length), *changed = spans
    assert np.mean([width for width, _ in changed]) > still_width
    assert np.mean([length for _, length in changed]) < still_length


def test_a_population_that_is_turned_off_changes_nothing():
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert not STILL.amounts_mm(rng).any()
        assert (STILL.scale(rng) == 1).all()


def test_ageing_enlarges_ventricles_and_sulci_and_shrinks_the_medial_temporal_lobe():
    rng = np.random.default_rng(0)
    amounts = np.array([Population(ageing=1.0).amounts_mm(rng) for _ in range(50)])
    assert (np.sign(amounts) == [1, -1, 1]).all()
    assert amounts[:, 0].max() <= 4.0


def test_volumes_change_by_the_cube_of_the_scale(label_map):
    larger = replace(NONE, scale=(1.1, 1.1))
    codes = codes_at(label_map, placed(label_map, larger).positions)
    brain = voxels_of(codes, 2, 41, 3, 42, 4, 43)
    whole = (np.isin(head_array(), (2, 41, 3, 42, 4, 43))).sum()
    assert brain == pytest.approx(whole * 1.1**4.5, rel=0.05)  # 1.1 along all and √1.1 along each


def test_a_displacement_that_folds_tissue_is_refused():
    with pytest.raises(ValueError, match=r"at most 0\.4 of their distance"):
        Deformation(elastic=((10.0, 5.0),))
