import json
import os
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurotarget.phantom.gland.cohort import Cohort
from neurotarget.phantom.gland.plan import Plan
from neurotarget.problems import DataError

PLAN = Plan(num_cases=4, voxel_scale=3)  # 3 mm: a tenth of a second each


def make(folder: Path, plan: Plan = PLAN, workers: int = 2) -> Path:
    return Cohort("", plan, workers).generate(folder, progress=False)


def voxels(folder: Path) -> list[bytes]:
    return [nib.load(path).get_fdata().tobytes() for path in sorted(folder.glob("*/*.nii.gz"))]


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.glob("*/*.nii.gz")}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("cohort")).parent


def test_manifest_names_every_case_and_its_covariates(cohort: Path):
    table = pd.read_csv(cohort / "manifest.csv")
    wanted = ["case_id", "subject_id", "t1", "label", "age", "sex", "site", "tiv_ml"]
    assert list(table) == wanted
    assert len(table) == 4
    assert set(table["sex"]) == {"F", "M"}
    assert table["age"].between(25, 80).all()
    assert all((cohort / path).is_file() for path in [*table["t1"], *table["label"]])


def test_labels_lie_on_the_grid_of_their_scan_and_hold_the_planted_volume(cohort: Path):
    planted = {case["case_id"]: case for case in json.loads(read(cohort))["cases"]}
    for row in pd.read_csv(cohort / "manifest.csv").itertuples():
        image, label = nib.load(cohort / row.t1), nib.load(cohort / row.label)
        assert image.shape == label.shape
        assert np.array_equal(image.affine, label.affine)
        assert int(label.header["sform_code"]) == int(image.header["qform_code"]) == 1
        voxel_mm3 = float(np.prod(label.header.get_zooms()))
        found = float(np.asarray(label.dataobj).sum()) * voxel_mm3
        assert found == pytest.approx(planted[row.case_id]["planted_mm3"], abs=voxel_mm3 / 2 + 0.1)


def read(cohort: Path) -> str:
    return (cohort / "planted.json").read_text()


def test_planted_values_are_written_with_the_cohort(cohort: Path):
    planted = json.loads(read(cohort))
    assert planted["planted"] == PLAN.planted()
    assert planted["key"] == PLAN.key
    assert planted["plan"]["num_cases"] == 4


def test_number_of_workers_changes_no_voxel(cohort: Path, tmp_path: Path):
    make(tmp_path, workers=1)
    assert voxels(tmp_path) == voxels(cohort)
    assert (tmp_path / "manifest.csv").read_text() == (cohort / "manifest.csv").read_text()


def test_complete_cases_are_kept_and_broken_ones_drawn_again(tmp_path: Path):
    make(tmp_path)
    before, truth = times(tmp_path), voxels(tmp_path)
    images, labels = sorted(tmp_path.glob("images/*")), sorted(tmp_path.glob("labels/*"))
    images[0].write_bytes(images[0].read_bytes()[:5000])  # killed while copying
    labels[1].unlink()
    (tmp_path / "checks" / f"{images[2].name.split('.')[0]}.json").write_text('{"key": "')
    left = tmp_path / "images" / f".draft-1-{images[0].name}"
    left.write_bytes(b"half")
    os.utime(left)
    make(tmp_path)
    after = times(tmp_path)
    assert voxels(tmp_path) == truth
    assert not left.exists()
    changed = {Path(path).name for path in after if before[path] != after[path]}
    assert changed == {path.name for path in images[:3]}


def test_another_plan_replaces_the_cohort_and_spares_foreign_files(tmp_path: Path):
    make(tmp_path)
    truth = voxels(tmp_path)
    (tmp_path / "images" / "mine.txt").write_text("mine")
    make(tmp_path, replace(PLAN, num_cases=2, seed=5))
    assert len(pd.read_csv(tmp_path / "manifest.csv")) == 2
    assert len(list(tmp_path.glob("*/*.nii.gz"))) == 4
    assert not set(voxels(tmp_path)) & set(truth)
    assert (tmp_path / "images" / "mine.txt").is_file()


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DataError, match="no folder to write the built-in cohort"):
        make(tmp_path / "taken")


def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("mine")
    with pytest.raises(DataError, match=r"not of the built-in cohort \(manifest\.csv\)"):
        make(tmp_path)
    (tmp_path / "planted.json").write_text('{"mine": 1}')
    with pytest.raises(DataError, match="not of the built-in cohort"):
        make(tmp_path)
    assert manifest.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.csv", "planted.json"}


def test_a_drawing_that_was_killed_goes_on(tmp_path: Path):
    make(tmp_path)
    (tmp_path / "manifest.csv").unlink()  # written last
    before = times(tmp_path)
    make(tmp_path)
    assert times(tmp_path) == before
    assert len(pd.read_csv(tmp_path / "manifest.csv")) == 4


def test_a_folder_with_a_link_that_leads_out_is_refused_and_not_written_through(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cohort").mkdir()
    record = {key: {} for key in ("key", "plan", "planted")}
    (tmp_path / "cohort" / "planted.json").write_text(json.dumps(record))
    (tmp_path / "cohort" / "t1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="found the link t1, which leads to"):
        make(tmp_path / "cohort")
    assert not list((tmp_path / "elsewhere").iterdir())
