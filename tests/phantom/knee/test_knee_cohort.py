"""Generated knees: planned shares, findings where they are marked, and exams that lack a series."""

import numpy as np
import pandas as pd
import pytest

from neurotarget.data.cases.manifest import read_manifest
from neurotarget.data.scans.planes import PLANES, plane_of
from neurotarget.phantom.knee.knee_anatomy import Mark
from neurotarget.phantom.knee.knee_cohort import KneeCohort
from neurotarget.phantom.knee.knee_plan import ABSENT, NO, YES, KneePlan
from neurotarget.phantom.knee.knee_scans import series_of
from neurotarget.types import Target

PEOPLE = KneePlan(num_cases=500).subjects()


def share(name, value=YES):
    return np.mean([getattr(person, name) == value for person in PEOPLE])


def test_findings_have_mrnets_frequencies():
    assert share("abnormal") == pytest.approx(0.806, abs=0.002)
    assert share("acl") == pytest.approx(0.233, abs=0.002)
    assert share("meniscus") == pytest.approx(0.371, abs=0.002)
    assert not any(one.abnormal == NO and YES in (one.acl, one.meniscus) for one in PEOPLE)


def test_impossible_shares_are_refused_together():
    with pytest.raises(ValueError, match=r"knee plan: .*cover all tears; side_vox must be"):
        KneePlan(share_abnormal=0.3, side_vox=8)


def drawn(plane, **wanted):
    person = next(one for one in PEOPLE if all(getattr(one, k) == v for k, v in wanted.items()))
    return series_of(person, plane, (64, 12), np.random.default_rng(1))


@pytest.mark.parametrize("plane", PLANES)
def test_each_series_has_its_plane_and_marks_only_what_is_torn(plane):
    grey, whole, affine = drawn(plane, abnormal=NO)
    assert plane_of(grey.shape, affine) == plane
    assert not whole.any()
    _, torn, _ = drawn(plane, acl=YES, meniscus=NO)
    assert set(np.unique(torn)) == {Mark.NONE, Mark.ACL}
    _, torn, _ = drawn(plane, meniscus=YES, acl=NO)
    assert set(np.unique(torn)) == {Mark.NONE, Mark.MENISCUS}


def test_a_torn_ligament_looks_other_than_a_whole_one_only_near_its_mark():
    person = next(one for one in PEOPLE if one.acl == YES and one.meniscus == NO)
    person = person._replace(effusion=NO, bruise=NO)
    torn, mark, _ = series_of(person, "sagittal", (64, 12), np.random.default_rng(1))
    whole, _, _ = series_of(person._replace(acl=NO), "sagittal", (64, 12), np.random.default_rng(1))
    apart = np.abs(torn.astype(float) - whole)
    assert apart[mark == Mark.ACL].mean() > 5 * apart[mark == Mark.NONE].mean()


def test_exams_that_lack_a_series_are_left_out_of_its_table_alone(tmp_path):
    plan = KneePlan(num_cases=6, seed=2, share_lacking=0.5, side_vox=32, num_slices=4)
    lacking = [person.lacking for person in plan.subjects()]
    assert len(set(lacking)) > 1
    folds = {}
    for plane in PLANES:
        path = KneeCohort(str(tmp_path), plan, series=plane, n_folds=3).obtain(None)
        outcome = {"acl": {"kind": "binary", "classes": [NO, YES]}}
        target = Target("knee", [plane], {}, size_vox=[8, 8, 4], outcomes=outcome)
        cases = read_manifest(path, target).cases
        assert len(cases) == 6 - lacking.count(plane)
        folds |= {(case.case_id, case.fold): plane for case in cases}
    assert len({name for name, _ in folds}) == len(folds)  # one fold each in all series
    assert lacking.count(ABSENT) < 6


def test_ones_own_exams_replace_the_drawn_ones(tmp_path):
    table = tmp_path / "exams.csv"
    pd.DataFrame({"case_id": ["a"], "axial": [""], "acl": ["absent"]}).to_csv(table, index=False)
    source = KneeCohort(str(tmp_path / "out"), KneePlan(), series="axial")
    assert source.obtain(str(table)) == table
