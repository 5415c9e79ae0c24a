"""People who are there twice under two ids."""

import numpy as np
import pandas as pd

from neurotarget.stats.cohort.copies import copied_people
from neurotarget.stats.cohort.measured import Measured, of_volumes, with_regions
from neurotarget.studies.measured_volumes import table_target


def measured(table, *labels):
    target = table_target("t", labels)
    covariates = table.drop(columns=list(labels))
    volumes = {"measured": with_regions(table[list(labels)], target)}
    return Measured(target, of_volumes(volumes), covariates, pd.DataFrame(), "measured")


def people(n, seed=0):
    draw = np.random.default_rng(seed)
    index = pd.Index([f"s{number}" for number in range(n)], name="case_id")
    table = pd.DataFrame({"subject_id": index}, index=index)
    return table.assign(
        age=draw.integers(20, 80, n).astype(float),
        sex=draw.choice(["F", "M"], n),
        head=draw.normal(1.5e6, 1e5, n).round(),
        v=draw.normal(700, 80, n).round(1),
    )


def with_copy(table, subject="copy"):
    twin = table.iloc[[3]].assign(subject_id=subject).set_axis(["copy"], axis=0)
    return pd.concat([table, twin]).rename_axis("case_id")


def test_one_copied_person_among_sixty_is_certain():
    found = copied_people(measured(with_copy(people(60)), "v"))
    assert found.pairs == [("s3", "copy")]
    assert found.are_certain


def test_two_scans_of_one_person_may_agree():
    assert copied_people(measured(with_copy(people(60), subject="s3"), "v")).pairs == []


def test_whole_volumes_alone_agree_by_chance():
    table = people(300)[["subject_id", "v"]].round(0)
    found = copied_people(measured(table, "v"))
    assert len(found.pairs) > 100
    assert not found.are_certain


def test_a_volume_in_two_units_counts_once():
    table = with_copy(people(60))[["subject_id", "sex", "v"]]
    twice = table.assign(ml=table["v"] / 1000)
    assert not copied_people(measured(twice, "v", "ml")).are_certain
