"""The table of structures is sound, and names select what they say."""

from pathlib import Path

import pytest
import yaml
from hydra.utils import instantiate

from neurotarget.anatomy.structures import (
    find,
    groups,
    ids_of,
    owners_of,
    pairs_of,
    select,
    structures,
)
from neurotarget.types import Target

CONF = Path(__file__).parents[2] / "conf" / "target"
GRID = {"contrasts": ["t1"], "spacing_mm": [1, 1, 1], "patch_vox": [8, 8, 8]}
# as in SynthSeg's list of labels, doi:10.1016/j.media.2023.102789
SYNTHSEG = (*range(2, 6), 7, 8, *range(10, 19), 24, 26, 28, *range(41, 45), 46, 47)
SYNTHSEG += (*range(49, 55), 58, 60)


def target(labels: object, **more: object) -> Target:
    return Target(name="brain", labels=labels, **GRID, **more)


def packaged(name: str) -> Target:
    settings = yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8"))
    return instantiate(settings, _convert_="all")


def test_partners_are_mutual_and_on_opposite_sides():
    paired = [one for one in structures().values() if one.partner]
    assert len(paired) % 2 == 0
    for one in paired:
        other = structures()[one.partner]
        assert other.partner == one.id
        assert {one.side, other.side} == {"left", "right"}
        assert [structures()[other_id].partner for other_id in one.within] == [*other.within]


def test_a_structure_with_a_side_has_a_partner_and_each_name_is_one_structure():
    assert [one.name for one in structures().values() if bool(one.side) != bool(one.partner)] == []
    for one in structures().values():
        assert {find(name) for name in (one.name, one.name.upper(), *one.aliases)} == {one}
        assert find(one.name.replace("-", " ").replace("_", " ")) == one
        assert all(0 <= part <= 255 for part in one.colour)
        assert {*one.within} <= {*structures()}
    assert not {*groups()} & {one.name for one in structures().values()}


def test_groups_hold_what_their_atlas_names():
    assert groups()["synthseg"] == SYNTHSEG
    assert {name: len(ids) for name, ids in groups().items() if name in ("aseg", "dk", "dkt")} == {
        "aseg": 43,
        "dk": 109,  # as deepParcellation and FreeSurfer's aparc+aseg
        "dkt": 103,
    }
    assert structures()[17].colour == (220, 216, 20)


def test_what_is_not_selected_is_read_as_part_of_what_holds_it():
    assert select(["Left-Hippocampus"]) == {"Left-Hippocampus": (17,)}
    labels = select(["synthseg"])
    assert labels["Left-Lateral-Ventricle"] == (4, 31, 136)
    assert {1006, 1305, 3} <= {*labels["Left-Cerebral-Cortex"]}
    assert not {77, 251, 85} & {number for ids in labels.values() for number in ids}
    assert select(["lobes"])["ctx-rh-cingulate-lobe"] == (2303, 2002, 2010, 2023, 2026)
    assert "CSF" not in select(["synthseg", "-CSF"])


def test_a_structure_of_both_sides_has_two_owners():
    assert owners_of(251, SYNTHSEG) == (2, 41)
    assert owners_of(251, [41]) == (41,)
    assert owners_of(1006, SYNTHSEG) == (3,)
    assert owners_of(9999, SYNTHSEG) == ()


def test_a_target_takes_labels_pairs_and_pieces_from_the_table():
    brain = packaged("parcellation")
    assert brain.file_ids == (0, *SYNTHSEG)
    assert len(brain.pairs) == 14
    assert ("Left-Thalamus", "Right-Thalamus") in brain.pairs
    assert brain.expected_pieces["Left-Inf-Lat-Vent"] is None
    assert brain.expected_pieces["Left-Hippocampus"] == 1
    assert brain.all_regions["Hippocampus"] == ("Left-Hippocampus", "Right-Hippocampus")


def test_a_target_of_cortical_regions_has_the_structures_of_its_atlas():
    brain = packaged("parcellation_dkt")
    assert {ids[0] for ids in brain.labels.values()} == {*groups()["dkt"]}
    assert brain.all_regions["ctx-cuneus"] == ("ctx-lh-cuneus", "ctx-rh-cuneus")


def test_labels_may_name_structures_in_place_of_ids():
    ids = {"hippocampi": ["Left-Hippocampus", 53], "ventricles": "ventricles", "lesion": 99}
    brain = target(ids)
    assert brain.labels["hippocampi"] == (17, 53)
    assert brain.labels["ventricles"] == ids_of("ventricles")
    assert brain.labels["lesion"] == (99,)
    assert brain.pairs == ()


def test_given_pairs_and_pieces_are_kept():
    brain = target(["ventricles"], pairs=[], pieces={"Left-Inf-Lat-Vent": 1})
    assert brain.expected_pieces["Left-Inf-Lat-Vent"] == 1
    assert pairs_of(["3rd-Ventricle", "Right-Caudate"]) == ()


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean Left-Hippocampus"):
        target(["Left-Hipocampus"])
    with pytest.raises(ValueError, match="labels: found -CSF, which selects no structure"):
        target(["-CSF"])
    with pytest.raises(ValueError, match="hippocampus: found Hippo, wanted"):
        target({"hippocampus": "Hippo"})
