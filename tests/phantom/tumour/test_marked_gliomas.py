"""The planted marker changes FLAIR in the core of those who have it, and nothing else."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from neurotarget.phantom.tumour.marked_gliomas import (
    PRESENT,
    MarkedGliomaCohort,
    MarkedGliomaPlan,
)

PLAN = MarkedGliomaPlan(num_cases=4, share_women=0.0, voxel_scale=2.0)


def arrays(plan, number, tmp_path):
    scans = MarkedGliomaCohort(str(tmp_path), plan).render(number)
    return {name: np.asarray(scan.dataobj).astype(int) for name, scan in scans.items()}


def test_the_marker_makes_the_core_darker_on_flair_and_changes_no_other_scan(tmp_path):
    number = [person.marker for person in PLAN.subjects()].index(PRESENT)
    with_marker = arrays(PLAN, number, tmp_path)
    without = arrays(replace(PLAN, flair_darker=0.0), number, tmp_path)
    for name in ("t1", "t1ce", "t2", "labels"):
        assert np.array_equal(with_marker[name], without[name])
    core = np.isin(without["labels"], (1, 4))
    change = with_marker["flair"] - without["flair"]
    assert np.median(change[core]) < -0.1 * np.median(without["flair"][core])
    far = ndimage.distance_transform_edt(~core) > 3
    assert not change[far].any()


def test_marker_and_control_are_shared_out_within_grades():
    people = pd.DataFrame(MarkedGliomaPlan().subjects())
    for _, group in people.groupby("grade"):
        for column in ("marker", "control"):  # of an odd number, one more or one less than half
            assert abs((group[column] == PRESENT).sum() - len(group) / 2) < 1
            # in the order of size, those with it and those without never run apart
            marks = np.where(group.sort_values("core_ml")[column] == PRESENT, 1, -1)
            assert np.abs(np.cumsum(marks)).max() <= 3
    agree = (people["marker"] == people["control"]).mean()
    assert 0.3 < agree < 0.7


def test_people_without_the_marker_are_those_of_other_gliomas(tmp_path):
    plan = replace(PLAN, share_marked=0.0)
    assert all(not plan.core_shifts(person) for person in plan.subjects())
    assert {"marker", "control", "survival_days"} <= set(MarkedGliomaCohort.covariates)
    with pytest.raises(ValueError, match="share_marked must lie in 0 to 1"):
        replace(PLAN, share_marked=2.0)
