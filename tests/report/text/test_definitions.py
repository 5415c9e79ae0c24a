import re

import numpy as np
import pandas as pd

from neurotarget.report.text.definitions import definitions, known_definitions


def names_of(tables):
    return [one.name for one in definitions(tables)]


def test_only_what_the_tables_hold_is_defined():
    table = pd.DataFrame({"statistic": ["icc_a1"], "n": [3]})
    assert names_of({"agreement": table}) == ["95 % interval", "ICC(A,1)"]
    assert names_of({}) == []


def test_what_nobody_could_be_put_to_is_not_defined():
    table = pd.DataFrame({"metric": ["dice"], "n": [0], "mean": [np.nan]})
    assert names_of({"scores": table}) == ["95 % interval"]


def test_a_study_defines_each_statistic_and_failure_once(analysed):
    names = names_of(analysed.tables)
    assert len(set(names)) == len(names)
    assert {"Verdict", "Hedges’ g", "Partial r", "Dice", "ICC(A,1)", "Rate of failures"} <= set(
        names
    )
    assert "Failure: Dice below 0.5" in names


def test_every_source_has_a_year_and_dois_are_bare():
    for one in known_definitions():
        assert re.search(r"\b(18|19|20)\d\d\b", one.source), one.name
        assert re.fullmatch(r"(10\.\d{4,}/\S+)?", one.doi), one.name
