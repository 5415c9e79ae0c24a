import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurotarget.phantom.tumour.glioma_cohort import GliomaCohort, coarser
from neurotarget.phantom.tumour.glioma_plan import GliomaPlan

PLAN = GliomaPlan(num_cases=2, share_women=0.0, share_low_grade=0.5, voxel_scale=2.0)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    table = GliomaCohort(str(tmp_path_factory.mktemp("gliomas")), PLAN).obtain(None)
    people = pd.read_csv(table)
    names = ("flair", "t1", "t1ce", "t2", "label")
    scans = [
        {name: nib.load(table.parent / row[name]) for name in names}
        for row in people.to_dict("records")
    ]
    return people, scans


def test_scans_of_a_person_share_grid_and_brain(cohort):
    for scans in cohort[1]:
        arrays = {name: np.asarray(scan.dataobj) for name, scan in scans.items()}
        assert all(np.array_equal(scan.affine, scans["t1"].affine) for scan in scans.values())
        assert nib.aff2axcodes(scans["t1"].affine) == ("L", "P", "S")
        brain = arrays["t1"] > 0
        assert all(np.array_equal(arrays[name] > 0, brain) for name in ("flair", "t1ce", "t2"))
        assert arrays["label"][brain].any()
        assert not arrays["label"][~brain].any()
        assert 0.8e6 < brain.sum() * 4**3 < 2e6  # mm³


def test_masks_have_planned_volumes_and_low_grade_tumours_no_enhancing_part(cohort):
    people, scans = cohort
    planned = {person.case_id: person for person in PLAN.subjects()}
    for row, one in zip(people.to_dict("records"), scans, strict=True):
        labels = np.asarray(one["label"].dataobj)
        person = planned[row["case_id"]]
        assert (4 in labels) == (row["grade"] == "high")
        core_ml = np.isin(labels, (1, 4)).sum() * 4**3 / 1000
        assert core_ml == pytest.approx(person.core_ml, rel=0.1, abs=0.2)


def test_contrast_agent_brightens_the_enhancing_part_and_oedema_is_bright_on_flair(cohort):
    people, scans = cohort
    high = people["grade"].tolist().index("high")
    arrays = {name: np.asarray(scan.dataobj) for name, scan in scans[high].items()}
    labels, brain = arrays["label"], arrays["t1"] > 0
    gain = {name: np.median(arrays[name][brain & (labels == 0)]) for name in arrays}
    before, after = (arrays[name][labels == 4].mean() / gain[name] for name in ("t1", "t1ce"))
    assert after > 1.2 * before
    assert arrays["flair"][labels == 2].mean() > 1.2 * gain["flair"]


def test_survival_and_covariates_are_in_the_manifest(cohort):
    people, _ = cohort
    assert {"age", "sex", "grade", "resection", "survival_days", "event"} <= set(people)
    assert set(people["event"]) <= {0, 1}
    assert (people["survival_days"] > 0).all()


def test_the_users_own_data_is_used_as_it_is(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("case_id,t1,label\n")
    assert GliomaCohort(str(tmp_path / "made"), PLAN).obtain(str(table)) == table


def test_a_coarser_grid_has_the_same_outer_faces():
    fine = np.diag([1.0, 1.0, 1.0, 1.0])
    outer = coarser(fine, 2) @ [-0.5, -0.5, -0.5, 1]
    assert outer.tolist() == [-0.5, -0.5, -0.5, 1]
