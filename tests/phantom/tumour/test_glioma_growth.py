import numpy as np
import pytest
from scipy import ndimage

from neurotarget.phantom.tumour.glioma_growth import (
    EDEMA,
    ENHANCING,
    NON_ENHANCING,
    Planned,
    grow_glioma,
)

MM = (2.0, 2.0, 2.0)
SHAPE, CENTRE = (32, 32, 32), (16, 16, 16)
PLAN = Planned(core_ml=8.0, enhancing_ml=4.0, edema_ml=16.0)


def grown(ids, plan=PLAN, seed=1):
    nowhere = np.zeros(SHAPE, dtype=bool)
    rng = np.random.default_rng(seed)
    return grow_glioma(ids, MM, CENTRE, planned=plan, midline=nowhere, rng=rng)


def test_each_part_has_its_planned_volume():
    labels = grown(np.full(SHAPE, 2, dtype=np.uint16)).labels
    volumes_ml = [float((labels == value).sum()) * 0.008 for value in (1, 2, 4)]
    assert volumes_ml == pytest.approx([4.0, 16.0, 4.0], abs=0.1)


def test_cores_grow_as_far_along_the_axes_of_the_grid_as_between_them():
    ids = np.full(SHAPE, 2, dtype=np.uint16)
    offset = np.indices(SHAPE) - np.reshape(CENTRE, (3, 1, 1, 1))
    radius = np.linalg.norm(offset, axis=0)
    diagonality = np.abs(offset).sum(axis=0) / np.maximum(radius, 1)  # 1 on axes, √3 between
    reach = []
    for seed in range(12):
        core = np.isin(grown(ids, seed=seed).labels, (NON_ENHANCING, ENHANCING))
        rim = core & ~ndimage.binary_erosion(core)
        reach.append([radius[rim & part].mean() for part in (diagonality < 1.2, diagonality > 1.6)])
    along, between = np.mean(reach, axis=0)
    assert along == pytest.approx(between, rel=0.05)


def test_enhancing_tumour_encloses_what_does_not_enhance():
    labels = grown(np.full(SHAPE, 2, dtype=np.uint16)).labels
    near_edema = ndimage.binary_dilation(labels == EDEMA)
    touching = (near_edema & (labels == NON_ENHANCING)).sum()
    assert touching < 0.25 * (labels == NON_ENHANCING).sum()
    assert (near_edema & (labels == ENHANCING)).sum() > touching


def test_oedema_follows_white_matter_and_spares_cortex_and_ventricles():
    ids = np.full(SHAPE, 2, dtype=np.uint16)
    ids[:, :, 20:] = 3  # cortex
    ids[:, 20:, :20] = 4  # ventricle
    result = grown(ids)
    edema = result.labels == EDEMA
    assert not edema[ids == 4].any()
    assert edema[ids == 2].mean() > 4 * edema[ids == 3].mean()
    assert result.water[edema].max() == pytest.approx(1.0, abs=0.05)
    assert result.water[edema].min() == pytest.approx(0.4, abs=0.05)
    assert not result.water[~edema].any()


def test_a_part_stays_smaller_where_tissue_ends():
    ids = np.zeros(SHAPE, dtype=np.uint16)
    ids[12:20, 12:20, 12:20] = 2  # 4.1 mL
    labels = grown(ids, Planned(3.0, 1.0, 10.0)).labels
    assert not labels[ids == 0].any()
    assert (labels > 0).sum() == (ids == 2).sum()
