"""Questions put to a table of people, computed without a page."""

import numpy as np
import pandas as pd
import pytest

from neurotarget.problems import DataError
from oracles.asked_study import asked


@pytest.fixture
def table(tmp_path):
    """Twelve people whose volume grows by 2 mm³ a year, and is 50 mm³ larger in women."""
    age, is_woman = np.arange(30.0, 66.0, 3.0), np.arange(12) % 2 == 0
    noise = np.tile([-1.0, 0.0, 1.0], 4)
    people = pd.DataFrame({"case_id": [f"c{number}" for number in range(12)], "age": age})
    people["sex"] = np.where(is_woman, "F", "M")
    people["v"] = 300 + 2 * age + 50 * is_woman + noise
    people.to_csv(tmp_path / "people.csv", index=False)
    return tmp_path / "people.csv"


def test_each_question_has_its_effect(table):
    study = asked(table, labels="v", ask="volume ~ age + sex: positive; volume ~ sex + age: F > M")
    found = study.tables["effects"].query("model == 'declared'").set_index("hypothesis")
    assert found.loc["age", "estimate"] == pytest.approx(2, abs=0.1)
    assert found.loc["sex", "estimate"] == pytest.approx(50, abs=2)
    assert set(found["verdict"]) == {"shown"}


def test_codes_are_asked_for_their_meaning(table):
    people = pd.read_csv(table).assign(sex=[0, 1] * 6)
    people.to_csv(table, index=False)
    with pytest.raises(DataError, match=r"found the codes 0, 1 in 12 cases, wanted F and M"):
        asked(table, labels="v", ask="volume ~ sex + age: F > M")
    study = asked(table, labels="v", ask="volume ~ sex + age: F > M", levels="sex: 0=F, 1=M")
    assert study.tables["effects"]["estimate"].iloc[0] == pytest.approx(50, abs=2)


def test_a_question_that_cannot_be_read_is_refused(table):
    with pytest.raises(DataError, match="ask: "):
        asked(table, labels="v", ask="volume ~ : x")
