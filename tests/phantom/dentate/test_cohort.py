import json
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurotarget.data.scans.volume import read_volume
from neurotarget.phantom.cohort import nifti
from neurotarget.phantom.dentate.cohort import MASKS, QSMCohort, simulated
from neurotarget.phantom.dentate.plan import QSMPlan
from neurotarget.problems import DataError

PLAN = QSMPlan(num_cases=3, voxel_scale=4)
PLACES = ("qsm", *MASKS.values())


def make(folder: Path, plan: QSMPlan = PLAN, workers: int = 2) -> Path:
    return QSMCohort("", plan, workers).generate(folder, progress=False)


def voxels(folder: Path) -> dict[str, bytes]:
    found = sorted(folder.glob("*/*.nii.gz"))
    return {str(path.relative_to(folder)): nib.load(path).get_fdata().tobytes() for path in found}


def times(folder: Path) -> dict[str, int]:
    found = folder.glob("*/*.nii.gz")
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in found}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("cohort")).parent


def test_manifest_names_every_scan_mask_and_covariate(cohort: Path):
    table = pd.read_csv(cohort / "manifest.csv")
    files = ["qsm", "label", "label_rater2", "label_rater1_again"]
    covariates = ["age", "sex", "group", "site", "tiv_ml"]
    assert list(table) == ["case_id", "subject_id", *files, *covariates]
    assert len(table) == 3
    assert set(table["group"]) == {"control", "friedreich", "ms"}
    assert all((cohort / path).is_file() for column in files for path in table[column])


def test_maps_and_masks_share_a_grid_and_read_as_ppm(cohort: Path):
    table = pd.read_csv(cohort / "manifest.csv")
    for row in table.itertuples():
        chi = read_volume(cohort / row.qsm)
        assert nib.load(cohort / row.qsm).get_data_dtype() == np.int16
        assert 0.005 < chi.array[chi.array != 0].std() < 0.2
        masks = [read_volume(cohort / getattr(row, column)) for column in MASKS]
        for mask in masks:
            assert mask.array.shape == chi.array.shape
            assert np.array_equal(mask.affine, chi.affine)
            assert set(np.unique(mask.array)) == {0, 1, 2}


def test_maps_are_stored_to_a_ten_thousandth_of_a_ppm(tmp_path: Path):
    array = np.array([[[-0.05126, 0.0, 0.1234]]])
    nib.save(nifti(array, np.eye(4), step=1e-4), tmp_path / "chi.nii.gz")
    found = read_volume(tmp_path / "chi.nii.gz").array
    assert found == pytest.approx(np.array([[[-0.0513, 0.0, 0.1234]]]), abs=1e-7)


def test_true_volumes_and_planted_values_are_reported(cohort: Path):
    planted = json.loads((cohort / "planted.json").read_text())
    assert planted["planted"] == PLAN.planted()
    assert planted["key"] == PLAN.key
    assert [len(case["dentate_mm3"]) for case in planted["cases"]] == [2, 2, 2]
    for number, case in enumerate(planted["cases"]):
        site, scan = simulated(PLAN, number)
        assert site.name == case["site"]
        voxel_mm3 = np.prod(scan.spacing_mm)
        found = (scan.label == 1).sum() * voxel_mm3
        assert found == pytest.approx(case["dentate_mm3"][0], abs=voxel_mm3 / 2 + 0.1)


def test_number_of_workers_changes_no_voxel(cohort: Path, tmp_path: Path):
    make(tmp_path, workers=1)
    assert voxels(tmp_path) == voxels(cohort)
    assert (tmp_path / "manifest.csv").read_text() == (cohort / "manifest.csv").read_text()


def test_a_killed_drawing_goes_on_and_mends_what_is_broken(cohort: Path, tmp_path: Path):
    shutil.copytree(cohort, tmp_path, dirs_exist_ok=True)
    before = times(tmp_path)
    chi = sorted((tmp_path / "qsm").glob("*.nii.gz"))
    chi[0].write_bytes(chi[0].read_bytes()[:500])  # killed while copying
    (tmp_path / "rater2" / chi[1].name).unlink()
    (tmp_path / "manifest.csv").unlink()  # written last
    left = tmp_path / "qsm" / f".draft-1-{chi[0].name}"
    left.write_bytes(b"half")
    make(tmp_path)
    after = times(tmp_path)
    changed = {Path(path).name for path in after if before[path] != after[path]}
    assert changed == {chi[0].name, chi[1].name}
    assert voxels(tmp_path) == voxels(cohort)
    assert not left.exists()
    assert len(pd.read_csv(tmp_path / "manifest.csv")) == 3


def test_another_plan_replaces_the_cohort_and_spares_foreign_files(cohort: Path, tmp_path: Path):
    shutil.copytree(cohort, tmp_path, dirs_exist_ok=True)
    truth = voxels(tmp_path)
    (tmp_path / "qsm" / "mine.txt").write_text("mine")
    make(tmp_path, replace(PLAN, num_cases=1, seed=5))
    assert len(list(tmp_path.glob("*/*.nii.gz"))) == len(PLACES)
    assert not set(voxels(tmp_path).values()) & set(truth.values())
    assert (tmp_path / "qsm" / "mine.txt").is_file()


def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "manifest.csv").write_text("mine")
    with pytest.raises(DataError, match=r"not of the built-in cohort \(manifest\.csv\)"):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.csv"]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DataError, match="no folder to write the built-in cohort"):
        make(tmp_path / "taken")


def test_a_source_draws_each_plan_beside_the_others(tmp_path: Path):
    one = replace(PLAN, num_cases=1)
    source = QSMCohort(str(tmp_path), one)
    manifest = source.obtain(None)
    assert manifest == tmp_path / one.key / "manifest.csv"
    before = times(manifest.parent)
    assert source.obtain(None) == manifest
    assert times(manifest.parent) == before
    assert source.planted(None) == one.planted()


def test_the_users_own_maps_take_the_cohorts_place(tmp_path: Path):
    mine = tmp_path / "mine"
    mine.mkdir()
    source = QSMCohort(str(tmp_path / "drawn"), PLAN)
    assert source.obtain(str(mine)) == mine
    assert source.planted(str(mine)) == {}
    assert not (tmp_path / "drawn").exists()
    with pytest.raises(DataError, match="no such file or folder"):
        source.obtain(str(tmp_path / "nowhere"))
