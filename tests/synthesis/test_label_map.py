import numpy as np
import pytest

from neurotarget.data.labels import class_of_id
from neurotarget.problems import DataError
from neurotarget.synthesis.label_map import open_map, store_map, to_codes
from neurotarget.synthesis.synthesis_data import class_of_code
from neurotarget.synthesis.tissues import known_tissues
from neurotarget.types import Target
from oracles.small_heads import head_array, head_case


def ids_of(codes):
    return np.array(known_tissues().ids)[codes]


def test_a_map_is_stored_in_canonical_order_and_cut_to_the_head(tmp_path):
    label_map = open_map(store_map(head_case(tmp_path), tmp_path / "cache"))
    found = ids_of(label_map.codes.numpy())
    head = head_array()
    where = np.argwhere(head > 0)
    low, high = where.min(axis=0), where.max(axis=0) + 1
    margin = np.minimum(low, 2)
    middle = tuple(slice(a, a + side) for a, side in zip(margin, high - low, strict=True))
    assert (found[middle] == head[tuple(map(slice, low, high))]).all()
    assert (found > 0).sum() == (head > 0).sum()
    assert label_map.spacing_mm == pytest.approx((2, 2, 2))


def test_the_box_of_the_brain_leaves_out_skin_and_bone(tmp_path):
    label_map = open_map(store_map(head_case(tmp_path), tmp_path / "cache"))
    first, last = label_map.brain_vox
    assert (last - first + 1).tolist() == [28, 28, 28]  # of the fluid, 14 voxels to each side


def test_unknown_labels_are_listed_with_their_voxels():
    array = np.array([[[2, 999, 999, 3, 4321]]])
    with pytest.raises(DataError, match=r"a: found labels .*999 \(2 voxels\), 4321 \(1 voxels\)"):
        to_codes(array, case_id="a")


def test_a_map_without_brain_is_refused(tmp_path):
    bare = np.where(head_array() > 500, head_array(), 0)
    with pytest.raises(DataError, match=r"head0: .*without any structure of the brain"):
        store_map(head_case(tmp_path, array=bare), tmp_path / "cache")


def test_a_map_is_stored_once(tmp_path):
    case = head_case(tmp_path)
    folder = store_map(case, tmp_path / "cache")
    before = (folder / "entry.json").stat().st_mtime_ns
    assert store_map(case, tmp_path / "cache") == folder
    assert (folder / "entry.json").stat().st_mtime_ns == before


def test_a_structure_of_both_sides_has_the_class_of_the_nearer_one():
    codes = to_codes(np.array([[[2, 251, 251, 41, 77]]]))
    assert ids_of(codes).tolist() == [[[2, 251, 251, 41, 77]]]
    grid = {"contrasts": ["t1"], "spacing_mm": [1, 1, 1], "patch_vox": [8, 8, 8]}
    whole = Target(
        "brain", labels=["Left-Cerebral-White-Matter", "Right-Cerebral-White-Matter"], **grid
    )
    assert class_of_code(class_of_id(whole))[codes].tolist() == [[[1, 1, 2, 2, 2]]]
    split = Target("brain", labels=["corpus_callosum"], background_ids="others", **grid)
    assert class_of_code(class_of_id(split))[codes].tolist() == [[[0, 1, 1, 0, 0]]]
