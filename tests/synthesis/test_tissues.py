import numpy as np
import pytest

from neurotarget.anatomy.structures import groups, structures
from neurotarget.synthesis.tissues import FREE, SEQUENCES, grey_values, known_tissues


def means(sequence, count=40):
    rng = np.random.default_rng(1)
    mean = np.mean([grey_values(sequence, rng) for _ in range(count)], axis=0)
    return dict(zip(known_tissues().names, mean, strict=True))


def test_every_label_of_synthesis_maps_has_a_tissue():
    known = {*known_tissues().ids}
    assert known - {0} <= {*structures()}
    assert {*groups()["label_maps"]} <= known
    assert {*groups()["dkt"], *groups()["dk"]} <= known


def test_left_and_right_have_one_tissue():
    known = known_tissues()
    tissue = dict(zip(known.ids, known.tissue_of_code.tolist(), strict=True))
    for one in structures().values():
        if one.partner in tissue and one.id in tissue:
            assert tissue[one.id] == tissue[one.partner], one.name


@pytest.mark.parametrize("sequence", ["mprage", "spoiled", "t1_spin_echo"])
def test_white_matter_is_brightest_and_fluid_darkest_in_t1_weighted_scans(sequence):
    grey = means(sequence)
    assert grey["white_matter"] > grey["cerebral_cortex"] > grey["csf"]
    assert grey["white_matter"] > grey["putamen"] > grey["csf"]


def test_fluid_is_brightest_in_t2_weighted_scans_and_dark_in_flair():
    assert means("t2")["csf"] > means("t2")["cerebral_cortex"] > means("t2")["white_matter"]
    flair = means("flair")
    assert flair["lesion"] > flair["cerebral_cortex"] > flair["csf"]


@pytest.mark.parametrize("sequence", [FREE, *SEQUENCES])
def test_air_is_dark_and_tissues_are_between_0_and_2(sequence):
    rng = np.random.default_rng(2)
    for _ in range(20):
        grey = grey_values(sequence, rng)
        assert grey[0] == 0
        assert (grey[1:] >= 0).all()
        assert grey.max() <= 2


def test_free_contrasts_have_no_order():
    rng = np.random.default_rng(3)
    white, cortex = (known_tissues().names.index(n) for n in ("white_matter", "cerebral_cortex"))
    brighter = [(grey := grey_values(FREE, rng))[white] > grey[cortex] for _ in range(100)]
    assert 30 < sum(brighter) < 70
