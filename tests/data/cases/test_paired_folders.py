import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neurotarget.data.cases.checkup import check_case
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.data.cases.paired_folders import NamedImages
from neurotarget.data.labels import class_of_id
from neurotarget.problems import DataError
from neurotarget.types import Case, Target

LUNGS = Target("lungs", ("film",), {"lungs": (1,)}, spacing_px=(1, 1), patch_vox=(8, 8))
PATTERN = r"(?P<site>[A-Z]+)_\d+_(?P<group>[01])"


def films(root, *names, masks="masks", ending=".png", end=""):
    for folder in ("images", masks):
        (root / folder).mkdir(exist_ok=True)
    for name in names:
        Image.fromarray(np.full((8, 9), 7, np.uint8)).save(root / "images" / f"{name}{ending}")
        mask = np.zeros((8, 9), np.uint8)
        mask[2:5, 2:5] = 255
        Image.fromarray(mask).save(root / masks / f"{name}{end}.png")
    return root


@pytest.mark.parametrize(
    ("masks", "ending", "end"), [("masks", ".jpg", ""), ("labels", ".png", "_mask")]
)
def test_images_and_masks_of_one_name_are_cases(tmp_path, masks, ending, end):
    root = films(tmp_path, "a_1", "b_0", masks=masks, ending=ending, end=end)
    cases = read_manifest(root, LUNGS).cases
    assert [(case.case_id, case.images["film"].name) for case in cases] == [
        ("a_1", f"a_1{ending}"),
        ("b_0", f"b_0{ending}"),
    ]
    assert [case.label.name for case in cases] == [f"a_1{end}.png", f"b_0{end}.png"]
    (only,) = {case.label for case in read_manifest(root, LUNGS, images_only=True).cases}
    assert only is None


def test_a_film_without_mask_is_named(tmp_path, caplog):
    root = films(tmp_path, "a", "b")
    (root / "masks" / "b.png").unlink()
    assert [case.label is None for case in read_manifest(root, LUNGS).cases] == [False, True]
    assert "found no mask for 1 of 2 cases (b)" in caplog.text


def test_several_contrasts_need_a_table(tmp_path):
    two = Target("x", ("a", "b"), {"x": (1,)}, spacing_px=(1, 1), patch_vox=(8, 8))
    with pytest.raises(DataError, match=r"one image per case for the contrasts a, b, wanted one"):
        read_manifest(films(tmp_path, "a"), two)


def test_parts_of_names_become_columns_of_a_table(tmp_path):
    root = films(tmp_path, "CHN_0001_0", "MCU_0002_1")
    table = tmp_path / "made" / "films.tsv"
    assert NamedImages(PATTERN, str(table)).obtain(str(root)) == table
    found = pd.read_csv(table, sep="\t", dtype=str)
    assert found[["case_id", "site", "group"]].to_numpy().tolist() == [
        ["CHN_0001_0", "CHN", "0"],
        ["MCU_0002_1", "MCU", "1"],
    ]
    cases = read_manifest(table, LUNGS).cases
    assert cases[1].label == root / "masks" / "MCU_0002_1.png"
    assert [case.covariates["site"] for case in cases] == ["CHN", "MCU"]


def test_a_name_that_does_not_match_is_one_sentence(tmp_path):
    root = films(tmp_path, "CHN_0001_0", "other")
    with pytest.raises(DataError, match=r"1 of 2 names that do not match .*pattern \(other\)"):
        NamedImages(PATTERN, str(tmp_path / "t.tsv")).obtain(str(root))
    with pytest.raises(DataError, match=r"found '\(', wanted a regular expression"):
        NamedImages("(", str(tmp_path / "t.tsv")).obtain(str(root))


def test_a_table_of_the_users_own_takes_the_place(tmp_path):
    mine = tmp_path / "mine.tsv"
    mine.write_text("case_id\timage\n")
    assert NamedImages(PATTERN, str(tmp_path / "t.tsv")).obtain(str(mine)) == mine


def checked(case, target):
    return [str(one) for one in check_case(case, target, class_of_id(target)).problems]


def test_pictures_and_volumes_are_not_confused(tmp_path):
    film = films(tmp_path, "a") / "images" / "a.png"
    volume = tmp_path / "v.nii"
    nib.save(nib.Nifti1Image(np.arange(60, dtype=np.float32).reshape(3, 4, 5), np.eye(4)), volume)
    gland = Target("gland", ("film",), {"gland": (1,)}, (1, 1, 1), (8, 8, 8))
    slices = Target("knee", ("film",), {"knee": (1,)}, (1, 1, 1), (8, 8, 1), dimensions=2)
    text = "\n".join(checked(Case("v", "v", {"film": volume}), LUNGS))
    assert (
        "found a scan of 3 × 4 × 5 voxels, wanted a picture, of one slice along the third" in text
    )
    text = "\n".join(checked(Case("p", "p", {"film": film}), gland))
    assert "found a file of one slice, wanted a volume for patches of 8 × 8 × 8 voxels" in text
    text = "\n".join(checked(Case("p", "p", {"film": film}), slices))
    assert "found a picture without the size of a pixel, wanted a size in mm" in text


def test_an_area_out_of_its_range_is_in_pixels(tmp_path):
    root = films(tmp_path, "a")
    few = Target(
        "lungs",
        ("film",),
        {"lungs": (1,)},
        spacing_px=(1, 1),
        patch_vox=(8, 8),
        area_range_px={"lungs": (20, 50)},
    )
    (case,) = read_manifest(root, few).cases
    text = "\n".join(checked(case, few))
    assert "found 9 px of lungs, wanted 20 to 50 px" in text
