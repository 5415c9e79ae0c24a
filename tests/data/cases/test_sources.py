from dataclasses import replace
from pathlib import Path

import pytest

from neurotarget.data.cases.sources import Files, Public
from neurotarget.phantom.gland.cohort import Cohort
from neurotarget.phantom.gland.plan import Plan
from neurotarget.problems import DataError

SMALL = Plan(num_cases=1, voxel_scale=4)  # 4 mm: a tenth of a second each


def test_plans_are_drawn_side_by_side(tmp_path: Path):
    first = Cohort(str(tmp_path), SMALL).obtain(None)
    content = first.read_text()
    second = Cohort(str(tmp_path), replace(SMALL, seed=2)).obtain(None)
    assert first.parent != second.parent
    assert first.parent.parent == second.parent.parent == tmp_path
    assert Cohort(str(tmp_path), SMALL).obtain(None) == first
    assert first.read_text() == content != second.read_text()


def test_the_users_own_data_take_the_cohorts_place_untouched(tmp_path: Path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "manifest.csv").write_text("mine")
    cohort = Cohort(str(tmp_path / "drawn"), SMALL)
    assert cohort.obtain(str(mine)) == mine
    assert cohort.obtain(str(mine / "manifest.csv")) == mine / "manifest.csv"
    assert [path.name for path in mine.iterdir()] == ["manifest.csv"]
    assert (mine / "manifest.csv").read_text() == "mine"
    assert not (tmp_path / "drawn").exists()
    with pytest.raises(DataError, match="no such file or folder"):
        cohort.obtain(str(tmp_path / "nowhere"))


def test_effects_are_planted_in_the_drawn_cohort_only(tmp_path: Path):
    cohort = Cohort(str(tmp_path), SMALL)
    assert cohort.planted(None) == SMALL.planted()
    assert cohort.planted(str(tmp_path)) == {}
    assert Files().planted(None) == Public("msd_hippocampus", str(tmp_path)).planted(None) == {}
