import re

import numpy as np
import pandas as pd
import pytest

from neurotarget.stats.cohort.measured import Measured, from_rows, of_volumes, with_regions
from neurotarget.stats.study.analysis import analyse
from neurotarget.types import Row, Target

pytestmark = pytest.mark.filterwarnings("error")

ASKED = {"sex": "volume: F > M", "age": "volume ~ age + sex + site: negative"}
VALUES = {
    "effects": "estimate",
    "effect_differences": "difference",
    "agreement": "value",
    "volumes": "mean",
    "age": "slope",
    "biomarkers": "d",
    "biomarker_differences": "delta_d",
    "harmonisation": "site_share_combat",
}


def cohort(n=24, labels=("a", "b"), pairs=(), methods=("first", "second", "third"), **columns):
    """Volumes by several methods, and covariates that `columns` replace."""
    generator = np.random.default_rng(0)
    cases = pd.Index([f"c{number:02}" for number in range(n)], name="case_id")
    known = {
        "subject_id": list(cases),
        "age": generator.uniform(20, 80, n),
        "sex": ["FM"[number % 2] for number in range(n)],
        "site": ["ABC"[number // 2 % 3] for number in range(n)],
    }
    ids = {label: number for number, label in enumerate(labels, start=1)}
    target = Target("t", ("t1",), ids, (1, 1, 1), (8, 8, 8), pairs=pairs, hypotheses=ASKED)
    truth = generator.normal(500, 50, (n, len(labels)))
    volumes = {
        method: with_regions(
            pd.DataFrame(truth + generator.normal(0, 9, truth.shape), cases, list(labels)), target
        )
        for method in methods
    }
    scores = pd.DataFrame(columns=["case_id", "label", "metric", "value"])
    return Measured(target, of_volumes(volumes), pd.DataFrame(known | columns, cases), scores)


AGES = pd.array([None, *range(20, 43)], dtype="Int64")
MIXED = {"sex": ["F", "M", 1] * 8, "site": [1, "A", 2.5] * 8}
COVARIATES = [
    {"age": np.nan, "sex": None, "site": None},
    {"sex": "F", "site": "A"},
    {"sex": [0, 1] * 12, "site": [10000001, 10000002] * 12, "group": [True, False] * 12},
    MIXED | {"age": [*(str(20 + number) for number in range(23)), "inf"]},
    {"sex": pd.Categorical(["F", "M"] * 12), "group": pd.Categorical(["AD", "CN"] * 12)}
    | {"age": AGES},
    {"case_id": 1, "volume": 2.0, "a b": "x", "<i>": 3.0},
]


@pytest.mark.parametrize(
    ("n", "columns"),
    [
        *((24, columns) for columns in (*COVARIATES, {"subject_id": "one"})),
        *((n, columns) for n in (1, 2) for columns in ({"subject_id": "one"}, MIXED)),
        *((n, {"age": AGES}) for n in (1, 2)),
    ],
)
def test_any_covariates_give_a_number_or_a_reason(n, columns):
    columns = {name: value if np.isscalar(value) or value is None else value[:n]
               for name, value in columns.items()}  # fmt: skip
    found = analyse(cohort(n, methods=("first", "second"), **columns))
    for name, value in VALUES.items():
        table = found.tables[name]
        assert (table[value].notna() | table["reason"].ne("")).all(), name
        assert not np.isinf(table[value].astype(float)).any(), name
    assert len(found.tables["cases"]) == n


def test_a_pair_called_total_does_not_stand_for_the_sum_of_all():
    names = ("left_total", "right_total", "left_b", "right_b")
    measured = cohort(labels=names, pairs=(names[:2], names[2:]), methods=("first",))
    effects = analyse(measured).tables["effects"]
    assert set(effects["label"]) == {"total"}
    volumes = measured.values["first"]
    assert volumes["total"].to_numpy() == pytest.approx(volumes[list(names)].sum(axis=1).to_numpy())


def in_splits(*splits):
    """A study of cases of these splits."""
    rows = [
        Row(f"c{number}", f"c{number}", split, "a", metric, value + number % 3, "")
        for number, split in enumerate(splits)
        for metric, value in (("dice", 0.7), ("volume_mm3", 50.0), ("reference_volume_mm3", 52.0))
    ]
    rows = pd.DataFrame(rows, columns=list(Row._fields))
    known = pd.DataFrame({"age": 30.0}, index=pd.Index(rows["case_id"].unique(), name="case_id"))
    return analyse(from_rows(rows, Target("t", ("t1",), {"a": 1}, (1, 1, 1), (8, 8, 8)), known))


def test_external_cases_have_a_table_and_a_column():
    found = in_splits("test", "test", "test", "external", "external", "external").tables
    assert set(found["parts"]["part"]) == {"internal", "external"}
    assert found["cases"]["part"].tolist() == ["internal"] * 3 + ["external"] * 3
    assert {"part"} <= {*found["agreement"]["stratum"]} & {*found["scores"]["stratum"]}


def test_without_external_cases_a_study_is_what_it_was():
    found = in_splits("test", "test", "test").tables
    assert "parts" not in found
    assert "part" not in found["cases"]


@pytest.mark.parametrize(
    ("borders", "expected"),
    [
        (1, "2 cases have ignored voxels.*in 1 of them they border on b.*of the labelled part"),
        (0, "2 cases have ignored voxels.*no structure borders on them"),
    ],
)
def test_volumes_of_a_judged_part_are_reported(borders, expected):
    target = Target("t", ("t1",), {"a": 1, "b": 2}, (1, 1, 1), (8, 8, 8))
    metric = "reference_borders_on_ignored"
    rows = [
        Row(case, case, "test", label, name, value, "")
        for case in ("c1", "c2")
        for label in ("a", "b")
        for name, value in (
            ("reference_volume_mm3", 9.0),
            (metric, float(borders and case + label == "c2b")),
        )
    ]
    covariates = pd.DataFrame(index=pd.Index(["c1", "c2"], name="case_id"))
    notes = analyse(from_rows(pd.DataFrame(rows), target, covariates)).notes
    assert [note for note in notes if re.search(expected, note)]
