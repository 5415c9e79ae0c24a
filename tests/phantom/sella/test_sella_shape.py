"""Glands are generated on the floor below the chiasm; no brain structure is painted over."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from neurotarget.data.augmentation.augment import read_transforms
from neurotarget.phantom.sella.cohort import SellaCohort, SellaPlan
from neurotarget.phantom.sella.landmarks import code_of, find_landmarks
from neurotarget.phantom.sella.scene import SellaScene
from neurotarget.phantom.sella.shape import draw_shape, paint
from neurotarget.pieces import largest_piece
from neurotarget.problems import DataError
from neurotarget.synthesis.batches import Synthesis, SyntheticBatches
from neurotarget.synthesis.deformation import Deformation
from neurotarget.synthesis.label_map import store_map
from neurotarget.synthesis.population import Population
from neurotarget.synthesis.synthesis_data import class_of_code
from neurotarget.synthesis.tissues import known_tissues
from neurotarget.types import Case, Target

CHIASM, FLOOR = (30, 34, 40), 28  # voxels of 1 mm
GLAND = (541, 542)
TARGET = Target("pituitary", ("t1",), {"pituitary": GLAND}, (1, 1, 1), (40, 40, 40))


def skull_base() -> np.ndarray:
    """Bone with air below it, fluid, the chiasm, and brain above; a slope behind."""
    ids = np.zeros((60, 64, 60), dtype=np.int16)
    ids[2:-2, 2:-2, 2:-2] = 515
    ids[8:-8, 8:-8, FLOOR + 1 :] = 24
    ids[20:40, 30:50, 8:24] = 0
    ids[8:-8, 8:-8, 44:] = 3
    ids[26:35, 33:36, 39:42] = 85
    return ids


def coded(ids: np.ndarray) -> np.ndarray:
    table = np.zeros(600, dtype=np.uint8)
    table[[value for value in known_tissues().ids if value < 600]] = [
        code for code, value in enumerate(known_tissues().ids) if value < 600
    ]
    return table[ids]


def everywhere(codes: np.ndarray) -> np.ndarray:
    return np.stack(np.indices(codes.shape)).astype(np.float32)


def test_the_floor_is_found_below_the_chiasm():
    marks = find_landmarks(coded(skull_base()), (1, 1, 1))
    assert marks.chiasm_mm == pytest.approx(CHIASM)
    assert marks.floor_mm[2] == pytest.approx(FLOOR, abs=1)
    assert marks.floor_mm[0] == CHIASM[0]


def test_a_map_without_a_chiasm_is_refused():
    ids = skull_base()
    ids[ids == 85] = 24
    with pytest.raises(DataError, match=r"mine: found a label map without one.*optic chiasm"):
        find_landmarks(coded(ids), (1, 1, 1), case_id="mine")


@pytest.mark.parametrize("whole", [0.0, 1.0])
def test_glands_are_one_piece_of_plausible_size_and_leave_the_brain(whole: float):
    marks = find_landmarks(coded(skull_base()), (1, 1, 1))
    volumes = []
    for seed in range(12):
        rng, codes = np.random.default_rng(seed), coded(skull_base())
        brain = codes == code_of(3)
        shape = draw_shape(marks, rng, empty=0.3, whole=whole)
        paint(codes, everywhere(codes), shape, spot=True)
        gland = np.isin(codes, [code_of(value) for value in GLAND])
        assert largest_piece(gland).sum() > 0.95 * gland.sum()  # thin rims can break
        assert (codes[brain] == code_of(3)).all()
        assert np.argwhere(gland)[:, 2].min() >= FLOOR - 8
        volumes.append(int(gland.sum()))
    assert min(volumes) > 60
    assert max(volumes) < 1500
    assert 250 < np.median(volumes) < 800


def test_an_empty_sella_has_fluid_above_a_thinner_gland():
    marks = find_landmarks(coded(skull_base()), (1, 1, 1))
    shape = draw_shape(marks, np.random.default_rng(1), empty=0.0, whole=1.0)
    full, thin = coded(skull_base()), coded(skull_base())
    paint(full, everywhere(full), shape, spot=False)
    paint(thin, everywhere(thin), shape._replace(fill=0.4, hollow=0.3), spot=False)
    lost = (full == code_of(541)) & (thin != code_of(541))
    assert 0.2 < lost.sum() / (full == code_of(541)).sum() < 0.9
    assert np.isin(thin[lost], [code_of(24), code_of(543)]).all()  # fluid and the stalk in it


def test_a_gland_that_a_map_has_already_is_replaced():
    marks = find_landmarks(coded(skull_base()), (1, 1, 1))
    codes = coded(skull_base())
    shape = draw_shape(marks, np.random.default_rng(3), empty=0.0, whole=0.0)
    paint(codes, everywhere(codes), shape, spot=True)
    moved = shape._replace(sella=shape.sella.with_height(3.0))
    again = codes.copy()
    paint(again, everywhere(codes), moved, spot=True)
    assert (
        np.isin(again, [code_of(value) for value in GLAND]).sum()
        < 0.7 * np.isin(codes, [code_of(value) for value in GLAND]).sum()
    )


def test_patches_show_another_gland_each_time_and_repeat_with_their_seed(tmp_path):
    path = tmp_path / "head.nii.gz"
    nib.save(nib.Nifti1Image(skull_base(), np.eye(4)), path)
    folder = store_map(Case("head", "head", {}, path), tmp_path / "cache")
    batches = SyntheticBatches(
        [folder],
        target=TARGET,
        class_of_code=class_of_code({541: 1, 542: 1}),
        synthesis=Synthesis(
            Deformation(degrees=5, shift_mm=4, population=Population(ageing=0, young=0)),
            scene=SellaScene(cropped=0.5),
        ),
        transforms=read_transforms({}, target=TARGET),
        seed=1,
    )
    first, second, again = batches[[0]], batches[[1]], batches[[0]]
    assert first.labels.sum() > 60
    assert not torch.equal(first.labels, second.labels)
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.labels, again.labels)


def test_scans_for_label_maps_have_the_gland_in_their_labels(tmp_path):
    (tmp_path / "maps").mkdir()
    scan = nib.Nifti1Image(skull_base(), np.diag([1.0, 1.0, 1.0, 1.0]))
    turn = nib.orientations.axcodes2ornt("LIA")
    nib.save(scan.as_reoriented(turn), tmp_path / "maps" / "head.nii.gz")
    plan = SellaPlan(scene=SellaScene(whole=0.0))
    table = pd.read_csv(
        manifest := SellaCohort(str(tmp_path / "made"), plan).obtain(str(tmp_path / "maps"))
    )
    label = nib.load(manifest.parent / table["label"][0])
    assert nib.aff2axcodes(label.affine) != ("R", "A", "S")
    gland = np.isin(np.asarray(nib.as_closest_canonical(label).dataobj), GLAND)
    assert 60 < gland.sum() < 1500
    below = np.argwhere(gland).mean(0) - np.array(CHIASM)
    assert below == pytest.approx((0, 1, -9), abs=6)
