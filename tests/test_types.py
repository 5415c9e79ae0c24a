from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from neurotarget.problems import DataError
from neurotarget.types import Roi, Target

NAN, INF = float("nan"), float("inf")


def target(name="gland", label="a"):
    return Target(name, ["t1"], {label: 1}, [1, 1, 1], [8, 8, 8])


@pytest.mark.parametrize(
    "name", ["x/../../escaped", "..", ".hidden", "", "left side", "a\n", "a\\b"]
)
def test_names_that_cannot_be_part_of_a_file_name_are_refused(name):
    error = "needs names of letters, digits, _, - and ., with no . in front"
    with pytest.raises(ValueError, match=error):
        target(label=name)
    with pytest.raises(ValueError, match=error):
        target(name=name)


def test_words_of_any_script_are_names():
    assert target("gland-2.1", "Hypophyse_ü").label_names == ("Hypophyse_ü",)


def test_no_label_is_called_as_the_sum_of_all():
    with pytest.raises(ValueError, match=r"labels: found total.*correct the target"):
        target(label="total")


def test_a_target_reads_claims_and_mappings_side_by_side():
    claims = {
        "sex": {"claim": "volume: F > M", "expected": 46, "source": "Chen 2017"},
        "age": "volume[a] ~ age: negative",
    }
    found = Target("gland", ["t1"], {"a": 1}, [1, 1, 1], [8, 8, 8], hypotheses=claims).hypotheses
    assert [(item.name, item.expected) for item in found] == [("sex", 46.0), ("age", None)]


def labelled(names, pairs=(), **more):
    labels = {name: number for number, name in enumerate(names, start=1)}
    return Target("brain", ["t1"], labels, [1] * 3, [8] * 3, pairs=pairs, **more)


def small(**more):
    return Target("dn", ["qsm"], {"l": 1, "r": 2}, [1, 1, 1], [8, 8, 8], **more)


def test_a_mean_is_only_asked_of_a_contrast_with_a_unit():
    claim = {"chi": "mean_qsm ~ age: positive"}
    assert small(hypotheses=claim, units={"qsm": "ppm"}).units == {"qsm": "ppm"}
    with pytest.raises(ValueError, match=r"found means of \['qsm'\], wanted their units"):
        small(hypotheses=claim)


def test_units_are_those_of_its_contrasts():
    with pytest.raises(ValueError, match=r"units: found \['t1'\], which are no contrasts"):
        small(units={"t1": "ppm"})


def test_only_pairs_can_be_parted():
    with pytest.raises(ValueError, match="needs pairs for sides: split"):
        small(sides="split")
    assert small(sides="split", pairs=[["l", "r"]]).sides == "split"


def test_a_published_score_is_of_a_known_kind():
    result = {"what": "dice", "label": "l", "value": 0.9, "source": "somebody"}
    assert small(published=[result]).published[0].part == "internal"
    with pytest.raises(ValueError, match="published: got 'jaccard' of 'internal', wanted one of"):
        small(published=[result | {"what": "jaccard"}])
    with pytest.raises(ValueError, match=r"names unknown labels \['x'\]"):
        small(published=[result | {"label": "x"}])


def test_one_label_has_no_regions():
    assert labelled(["a"]).all_regions == {}


def test_several_labels_have_a_total():
    assert labelled(["a", "b"]).all_regions == {"total": ("a", "b")}


def test_one_pair_is_the_total_already():
    assert labelled(["lh", "rh"], [("lh", "rh")]).all_regions == {"total": ("lh", "rh")}


def test_several_pairs_have_sides_and_a_sum_each():
    names = ["Left-Amygdala", "Right-Amygdala", "hippo_l", "hippo_r", "stem"]
    found = labelled(names, [tuple(names[:2]), tuple(names[2:4])]).all_regions
    assert found == {
        "left": ("Left-Amygdala", "hippo_l"),
        "right": ("Right-Amygdala", "hippo_r"),
        "Amygdala": ("Left-Amygdala", "Right-Amygdala"),
        "hippo": ("hippo_l", "hippo_r"),
        "total": tuple(names),
    }


def test_a_region_never_takes_the_name_of_a_label():
    names = ["left", "right", "Left-b", "Right-b", "b"]
    found = labelled(names, [("left", "right"), ("Left-b", "Right-b")]).all_regions
    assert set(found) == {"total"}


def test_a_hypothesis_may_name_a_region_and_nothing_else_that_is_no_label():
    claims = {"h": "volume[total]: F > M"}
    assert labelled(["a", "b"], hypotheses=claims).hypotheses[0].label == "total"
    with pytest.raises(ValueError, match=r"names unknown labels \['total'\]"):
        labelled(["a"], hypotheses=claims)


def test_the_unit_of_a_smallest_effect_of_interest_is_that_of_the_quantity():
    claims = {"sex": {"claim": "volume: F > M", "matters": "20 mm³"}}
    assert labelled(["a"], hypotheses=claims).hypotheses[0].matters.value == 20
    claims["sex"]["matters"] = "5 cm"
    with pytest.raises(ValueError, match="sex: found matters in cm, wanted mm3"):
        labelled(["a"], hypotheses=claims)


def test_ignored_ids_are_neither_labels_nor_background():
    known = ("gland", ["t1"], {"a": 1}, [1, 1, 1], [8, 8, 8])
    assert Target(*known, ignore_ids=3).ignore_ids == (3,)
    for more in ({"ignore_ids": [1]}, {"ignore_ids": [0]}):
        with pytest.raises(ValueError, match="which are also ids of labels or background"):
            Target(*known, **more)
    with pytest.raises(ValueError, match=r"ignore_ids: found \[3\]"):
        Target(*known, background_ids=[3], ignore_ids=[3])
    with pytest.raises(ValueError, match="give its id as ignore_ids"):
        target(label="ignore")


FIELDS = {"name": "gland", "contrasts": ["t1"], "labels": {"a": 1}}
FIELDS |= {"spacing_mm": [1, 1, 1], "patch_vox": [8, 8, 8]}
NO_SIDE = "wanted a finite number of 0.02 to 50"
NO_ID = "wanted a whole number of 1 to 2147483647"


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("labels", {}, "found none and no outcomes, wanted at least one"),
        ("labels", ["a"], "found a, wanted a structure of FreeSurfer's table"),
        ("labels", {"a": -1}, f"a: found -1, {NO_ID}"),
        ("labels", {"a": 0}, f"a: found 0, {NO_ID}"),
        ("labels", {"a": 1.5}, f"a: found 1.5, {NO_ID}"),
        ("labels", {"a": True}, f"a: found True, {NO_ID}"),
        ("labels", {"a": "one"}, "a: found one, wanted a structure of FreeSurfer's table"),
        ("labels", {"a": 10**20}, f"a: found {10**20}, {NO_ID}"),
        ("labels", {"a": []}, r"a: found \[\], wanted at least one id"),
        ("labels", {"a": 1, "b": [2, 1]}, r"found the ids \[1\] in two labels"),
        ("contrasts", [], "wanted a list of at least one name"),
        ("contrasts", "t1", "found 't1', wanted a list of at least one name"),
        ("contrasts", [3], "found 3, wanted a name"),
        ("contrasts", ["t1", "T1"], r"found \['t1', 'T1'\], wanted distinct names"),
        ("contrasts", ["Label"], "found 'Label', wanted a name other than the columns case_id"),
        ("contrasts", ["t1\u202e"], "wanted a name of letters that can be seen"),
        ("spacing_mm", [0, 1, 1], f"found 0, {NO_SIDE}"),
        ("spacing_mm", [NAN, 1, 1], f"found nan, {NO_SIDE}"),
        ("spacing_mm", [1, INF, 1], f"found inf, {NO_SIDE}"),
        ("spacing_mm", ["a", 1, 1], f"found 'a', {NO_SIDE}"),
        ("spacing_mm", [1, 1], r"found \[1, 1\], wanted a list of 3"),
        ("spacing_mm", 1, "found 1, wanted a list of 3"),
        ("patch_vox", [8, 8, 1.5], "found 1.5, wanted a whole number of 1 to"),
        ("patch_vox", [0, 8, 8], "found 0, wanted a whole number of 1 to"),
        ("pairs", [["a", "a"]], r"found \['a', 'a'\], wanted two that differ"),
        ("pairs", ["aa"], "found 'aa', wanted a list of 2"),
        ("background_ids", [1], r"found \[1\], which are ids of labels"),
        ("background_ids", "all", "found 'all', wanted ids, or others"),
        ("ignore_ids", [2.5], "found 2.5, wanted a whole number"),
        ("volume_range_mm3", {"a": [5, 1]}, r"a: found \[5, 1\], wanted the lower number first"),
        ("volume_range_mm3", {"a": 5}, "a: found 5, wanted a list of 2"),
        ("volume_range_mm3", {"a": [INF, INF]}, "a: found inf, wanted a finite number"),
        ("surface_tolerance_mm", -1, "found -1, wanted a finite number of 0 to"),
        ("hypotheses", ["x"], r"found \['x'\], wanted a mapping of names"),
        ("hypotheses", {"q": {"claim": "volume: F > M", "expected": [1]}}, "wanted claims"),
        ("units", ["ppm"], r"found \['ppm'\], wanted a mapping of names"),
        ("published", [{"what": "dice"}], "wanted what, label, value, source"),
        ("roi", {"size_mm": [9, 9, 9]}, "wanted null, or size_mm"),
    ],
)
def test_a_field_that_nobody_can_mean_is_named(key, value, error):
    with pytest.raises(DataError, match=rf"target gland: {key}: .*{error}.*; correct the target's"):
        Target(**FIELDS | {key: value})


def test_all_fields_that_are_wrong_are_reported_at_once():
    with pytest.raises(DataError, match=r"spacing_mm: found 1, .*; patch_vox: found 2, "):
        Target(**FIELDS | {"spacing_mm": 1, "patch_vox": 2})


def test_what_yaml_overrides_and_arrays_give_is_read():
    more = {"pairs": None, "hypotheses": None, "ignore_ids": np.int64(9)}
    found = Target(**FIELDS | more | {"spacing_mm": ["1e0", 1, 1], "patch_vox": np.array([8] * 3)})
    assert (found.spacing_mm, found.pairs, found.hypotheses) == ((1.0, 1.0, 1.0), (), ())
    assert found.ignore_ids == (9,)
    assert found.patch_vox == (8, 8, 8)
    assert Target(**FIELDS, volume_range_mm3={"a": [5, INF]}).volume_range_mm3 == {"a": (5, INF)}


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"size_mm": [9, 9, 0]}, "roi.size_mm: found 0, wanted"),
        ({"size_mm": [9, 9]}, r"roi.size_mm: found \[9, 9\], wanted a list of 3"),
        ({"size_mm": [9, 9, 9], "offset_mm": [NAN, 0, 0]}, "roi.offset_mm: found nan, wanted"),
        ({"size_mm": [9, 9, 9], "anchor": "x"}, "roi.anchor: found 'x', wanted head, scan or"),
    ],
)
def test_a_region_that_cannot_be_is_refused(more, error):
    with pytest.raises(DataError, match=error):
        Roi(**more)


def test_a_target_that_hydra_makes_of_its_file_is_the_same():
    file = Path(__file__).parents[1] / "conf" / "target" / "pituitary.yaml"
    plain = instantiate(OmegaConf.load(file), _convert_="all")
    assert instantiate(OmegaConf.load(file)) == plain


def pictures(**more):
    return Target("lungs", ["film"], {"lungs": 1}, patch_vox=[8, 8], **more)


def test_pictures_have_two_sides_and_no_millimetres():
    found = pictures(spacing_px=[2, 2], area_range_px={"lungs": [10, 50]}, surface_tolerance_px=3)
    assert (found.spacing_mm, found.patch_vox) == ((2, 2, 1), (8, 8, 1))
    assert (found.size_units.size, found.size_units.length) == ("area_px", "px")
    assert (found.size_ranges, found.surface_tolerance) == ({"lungs": (10, 50)}, 3)
    assert replace(found, patch_vox=(16, 16, 1)).spacing_px == (2, 2)


def test_slices_in_mm_have_areas_of_their_plane():
    found = pictures(spacing_mm=[0.5, 0.5, 7], dimensions=2, area_range_mm2={"lungs": [1, 2]})
    assert (found.spacing_mm, found.size_units.size) == ((0.5, 0.5, 1), "area_mm2")
    assert found.size_ranges == {"lungs": (1, 2)}


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"spacing_px": [2]}, r"spacing_px: found \[2\], wanted a list of 2"),
        ({"spacing_px": [2, 2], "volume_range_mm3": {"lungs": [1, 2]}}, "wanted area_range_px"),
        ({"spacing_px": [2, 2], "area_range_px": {"x": [1, 2]}}, r"unknown labels \['x'\]"),
        ({"spacing_mm": [1, 1, 1], "patch_vox": [8, 8, 8], "dimensions": 2}, "wanted two sides"),
        ({"spacing_mm": [1, 1, 1]}, r"patch_vox: found \[8, 8\], wanted a list of 3"),
    ],
)
def test_settings_of_pictures_that_do_not_fit_are_named(more, error):
    with pytest.raises(DataError, match=error):
        Target("lungs", ["film"], {"lungs": 1}, **{"patch_vox": [8, 8], **more})


def test_a_label_is_one_piece_unless_its_target_says_otherwise():
    known = {"pieces": {"lungs": 2, "nodules": "any", "lesions": None}}
    labels = {"lungs": 1, "nodules": 2, "lesions": 3, "heart": 4}
    expected = {"lungs": 2, "nodules": None, "lesions": None, "heart": 1}
    assert Target("t", ["ct"], labels, [1] * 3, [8] * 3, **known).expected_pieces == expected


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ({"a": 0}, "pieces: a: found 0, wanted a whole number of 1 to 1000, or any"),
        ({"a": 1.5}, "pieces: a: found 1.5, wanted a whole number of 1 to 1000, or any"),
        ({"a": True}, "pieces: a: found True, wanted a whole number of 1 to 1000, or any"),
        ({"a": "some"}, "pieces: a: found 'some', wanted a whole number of 1 to 1000, or any"),
        (2, "pieces: found 2, wanted a mapping of names"),
        ({"b": 2}, r"names unknown labels \['b'\]"),
    ],
)
def test_a_number_of_pieces_that_cannot_be_is_named(pieces, error):
    with pytest.raises(DataError, match=error):
        Target("t", ["t1"], {"a": 1}, [1] * 3, [8] * 3, pieces=pieces)
