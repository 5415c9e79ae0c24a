import importlib.util
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.cohort.measured import Measured, of_volumes
from neurotarget.stats.effects.effect_differences import (
    DIFFERENCE_COLUMNS,
    effect_differences_table,
)
from neurotarget.stats.effects.effects import COLUMNS, effects_table, estimate_effect
from neurotarget.types import Target
from oracles.cohorts import GAP, SLOPE, cohort

TESTS = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("make_effects", TESTS / "golden" / "make_effects.py")
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)

pytestmark = pytest.mark.filterwarnings("error")

SEX = Hypothesis.parse("sex_difference", "volume: F > M")
BOTH = {
    "sex_difference": {"claim": "volume: F > M", "expected": 46, "source": "Chen 2017"},
    "age_slope": "volume ~ age + sex: negative",
}


def measured(covariates, hypotheses, **volumes):
    """A study of one label by one method or more."""
    target = Target("gland", ["t1"], {"gland": 1}, [1] * 3, [8] * 3, hypotheses=hypotheses)
    tables = {
        method: pd.DataFrame({"gland": values}, index=covariates.index)
        for method, values in volumes.items()
    }
    return Measured(target, of_volumes(tables), covariates, pd.DataFrame(), "reference")


@pytest.fixture(scope="module")
def glands(shared_data):
    """The study of 56 expert masks of 55 people by the project's own target."""
    folder = shared_data / "pituitary_masks"
    table = pd.read_csv(folder / "participants.tsv", sep="\t").set_index("label")
    volumes = {}
    for path in table.index:
        image = nib.load(folder / path)
        voxel_mm3 = abs(np.linalg.det(image.affine[:3, :3]))
        volumes[path] = float((np.asarray(image.dataobj) > 0).sum() * voxel_mm3)
    target = instantiate(OmegaConf.load(TESTS.parent / "conf" / "target" / "pituitary.yaml"))
    tables = {"reference": pd.Series(volumes).to_frame("pituitary")}
    return Measured(
        target, of_volumes(tables), table[["subject_id", "age", "sex"]], pd.DataFrame(), "reference"
    )


def test_on_55_real_glands_the_sex_difference_is_shown_and_the_age_slope_not(glands):
    sex, age = (row for _, row in effects_table(glands).iterrows())
    assert (sex["hypothesis"], sex["verdict"], sex["n"]) == ("sex_difference", "shown", 55)
    assert (sex["estimate"], sex["low"], sex["high"]) == pytest.approx((136, 22, 249), abs=2)
    assert (sex["expected"], sex["reason"]) == (46, "")
    assert (age["hypothesis"], age["verdict"], age["n"]) == ("age_slope", "inconclusive", 55)
    found = age["estimate"], age["low"], age["high"]
    assert found == pytest.approx((0.3, -2.53, 3.11), abs=0.1)
    assert age["reason"].startswith(
        "the interval excludes the published −3.3 mm³ per year; the power"
    )


def test_effects_equal_the_golden_rows():
    effects, differences = golden.tables()
    for name, table in (("effects", effects), ("effect_differences", differences)):
        kept = pd.read_csv(golden.GOLDEN / f"{name}.tsv", sep="\t", keep_default_na=True)
        text = table.select_dtypes(exclude=["number", "bool"]).columns
        kept[text] = kept[text].astype(object).fillna("")
        pd.testing.assert_frame_equal(table, kept, rtol=1e-6, check_dtype=False)


def test_a_row_for_each_hypothesis_method_and_model():
    volumes, table = cohort()
    study = measured(table, BOTH, reference=volumes, predicted=volumes + 5)
    found = effects_table(study)
    assert list(found.columns) == list(COLUMNS)
    assert found[["hypothesis", "method", "model"]].to_numpy().tolist() == [
        [name, method, "declared"]
        for name in ("sex_difference", "age_slope")
        for method in ("reference", "predicted")
    ]
    assert (found["label"] == "gland").all()
    sized = found.set_index("hypothesis")["size_kind"].to_dict()
    assert sized == {"sex_difference": "Hedges g", "age_slope": "partial r"}


def test_a_hypothesis_of_no_label_is_on_the_sum_of_all():
    volumes, table = cohort()
    target = Target(
        "gland",
        ["t1"],
        {"a": 1, "b": 2},
        [1] * 3,
        [8] * 3,
        hypotheses={"all": "volume: F > M", "one": "volume[b]: F > M"},
    )
    tables = {"reference": pd.DataFrame({"a": volumes, "b": volumes / 2, "total": volumes * 1.5})}
    found = effects_table(Measured(target, of_volumes(tables), table, pd.DataFrame(), None))
    assert found["label"].tolist() == ["total", "b"]
    assert found["estimate"][0] == pytest.approx(3 * found["estimate"][1])


def test_with_a_tiv_each_hypothesis_is_put_at_equal_head_size_too():
    volumes, table = cohort()
    table["eTIV"] = 1500 + 150 * (table["sex"] == "M") + np.random.default_rng(1).normal(0, 90, 80)
    volumes = volumes + 0.2 * (table["eTIV"] - 1500)
    hypotheses = BOTH | {"has_it": "volume ~ sex + eTIV: F > M"}
    found = effects_table(measured(table, hypotheses, reference=volumes)).set_index("hypothesis")
    models = found.loc["sex_difference", "model"].tolist()
    assert models == ["declared", "tiv_ancova", "tiv_residual", "tiv_proportion"]
    assert found.loc["has_it", "model"] == "declared"
    sex = found.loc["sex_difference"].set_index("model")
    assert sex.loc["tiv_ancova", "estimate"] == pytest.approx(found.loc["has_it", "estimate"])
    assert sex.loc["tiv_ancova", "estimate"] == pytest.approx(GAP, abs=45)
    slope = np.polyfit(table["eTIV"], volumes, 1)[0]
    by_hand = estimate_effect(SEX, volumes - slope * table["eTIV"], table)
    assert sex.loc["tiv_residual", "estimate"] == pytest.approx(by_hand.estimate)
    by_hand = estimate_effect(SEX, volumes / table["eTIV"] * table["eTIV"].mean(), table)
    assert sex.loc["tiv_proportion", "estimate"] == pytest.approx(by_hand.estimate)


def test_the_tiv_slope_is_the_controls_where_there_are_controls():
    volumes, table = cohort()
    table["group"] = np.where(np.arange(80) % 2, "patient", "control")
    table["tiv"] = 1500 + np.random.default_rng(1).normal(0, 90, 80)
    volumes = volumes + 0.3 * table["tiv"] * (table["group"] == "control")
    claims = {"group": "volume: patient < control"}
    found = effects_table(measured(table, claims, reference=volumes)).set_index("model")
    healthy = table["group"] == "control"
    slope = np.polyfit(table["tiv"][healthy], volumes[healthy], 1)[0]
    adjusted = volumes - slope * (table["tiv"] - table["tiv"].mean())
    means = adjusted.groupby(table["group"]).mean()
    assert found.loc["tiv_residual", "estimate"] == pytest.approx(
        means["patient"] - means["control"]
    )


@pytest.mark.parametrize(
    ("tiv", "n", "reason"),
    [
        (np.r_[[np.nan] * 5, np.linspace(1300, 1700, 75)], 75, ""),
        (1500.0, 80, "tiv left out: it does not vary"),
        (np.r_[0.0, np.linspace(1300, 1700, 79)], 80, "tiv is not positive (such as 0)"),
        (np.nan, 0, "no case has a value of tiv"),
        ("big", 0, "tiv is not a number (such as big)"),
    ],
)
def test_a_tiv_that_is_missing_or_odd_is_reported_and_leaves_the_declared_model_alone(
    tiv, n, reason
):
    volumes, table = cohort()
    study = measured(table.assign(tiv=tiv), {"s": "volume: F > M"}, reference=volumes)
    found = effects_table(study).set_index("model")
    assert found.loc["declared", "n"] == 80
    for model in ("tiv_residual", "tiv_proportion"):
        row = found.loc[model]
        assert (row["n"], row["reason"]) == (n, reason)
        assert row["n_dropped"] == 80 - n


def differences(table, hypotheses, **volumes):
    return effect_differences_table(measured(table, hypotheses, **volumes))


def test_the_difference_is_that_of_the_two_effects_on_the_same_subjects():
    volumes, table = cohort()
    table["tiv"] = 1500 + np.random.default_rng(1).normal(0, 90, 80)
    other = volumes * 0.9 + np.random.default_rng(2).normal(0, 20, 80) + 0.1 * table["tiv"]
    other[:4] = np.nan
    claims = BOTH | {"apart": "volume ~ age*sex: any", "bent": "volume ~ sex + spline(age): F > M"}
    found = differences(table, claims, reference=volumes, predicted=other)
    whole = other.notna()
    both = measured(table[whole], claims, reference=volumes[whole], predicted=other[whole])
    effects = effects_table(both).set_index(["hypothesis", "model", "method"])["estimate"]
    assert list(found.columns) == list(DIFFERENCE_COLUMNS)
    assert len(found) == 16
    for row in found.itertuples():
        first, second = (effects[row.hypothesis, row.model, one] for one in (row.first, row.second))
        assert row.difference == pytest.approx(second - first)
        assert row.low < row.difference < row.high
        assert row.n == 76


@pytest.mark.parametrize("text", ["volume: F > M", "volume ~ age + sex: any"])
def test_intervals_of_differences_cover_what_a_method_loses(text):
    hits, lost = [], 0.2 * (GAP if "F" in text else SLOPE)
    for seed in range(100):
        volumes, table = cohort(seed, n=50)
        noise = np.random.default_rng(900 + seed).normal(0, 15, 50)
        fitted = 640 + GAP * (table["sex"] == "F") + SLOPE * (table["age"] - 45)
        found = differences(
            table, {"h": text}, reference=volumes, predicted=volumes - 0.2 * fitted + noise
        )
        hits.append(found["low"][0] <= -lost <= found["high"][0])
    assert 0.885 <= np.mean(hits) < 1  # 95 %, and three standard errors of 100 draws


def test_equal_volumes_have_no_difference_and_no_width():
    volumes, table = cohort()
    found = differences(table, BOTH, reference=volumes, predicted=volumes)
    assert (found[["difference", "low", "high"]] == 0).all(axis=None)


def test_one_method_alone_has_no_differences():
    volumes, table = cohort()
    found = differences(table, BOTH, reference=volumes)
    assert (len(found), list(found.columns)) == (0, list(DIFFERENCE_COLUMNS))


def constant(table, volumes):
    return table, volumes * 0 + 500


DEGENERATE = {
    "one sex": lambda table, volumes: (table.assign(sex="F"), volumes),
    "no sex": lambda table, volumes: (table.drop(columns="sex"), volumes),
    "constant age": lambda table, volumes: (table.assign(age=40.0), volumes),
    "constant volumes": constant,
    "nothing but rounding": lambda table, volumes: (table, 500 + 1e-13 * volumes),
    "no volumes": lambda table, volumes: (table, volumes * np.nan),
    "no covariates": lambda table, volumes: (table.assign(sex=None, age=np.nan), volumes),
    "two subjects": lambda table, volumes: (table[:2], volumes[:2]),
    "one subject": lambda table, volumes: (table.assign(subject_id="same"), volumes),
    "nobody": lambda table, volumes: (table[:0], volumes[:0]),
    "steps": lambda table, _: (table, 500.0 + (table["sex"] == "F")),
}


@pytest.mark.parametrize("change", DEGENERATE.values(), ids=DEGENERATE)
def test_degenerate_cohorts_give_reasons_and_no_exception(change):
    table, volumes = change(*cohort()[::-1])
    table = table.assign(tiv=1500 + 10.0 * np.arange(len(table)))
    claims = {
        "sex": BOTH["sex_difference"],
        "slopes": "volume ~ age*sex: any",
        "curved": "volume ~ sex + spline(age): F > M",
    }
    study = measured(table, claims, reference=volumes, predicted=volumes)
    effects = effects_table(study)
    assert len(effects) == 3 * 4 * 2
    lacking = effects["estimate"].isna()
    assert effects[lacking]["verdict"].isin(["inconclusive", "no conclusion"]).all()
    assert (effects[lacking]["reason"] != "").all()
    assert lacking[effects["model"] == "declared"].any()
    apart = effect_differences_table(study)
    assert len(apart) == 3 * 4
    assert (apart[apart["difference"].isna()]["reason"] != "").all()
    assert (apart[apart["low"].isna()]["reason"] != "").all()


def test_tied_volumes_are_no_error():
    volumes, table = cohort()
    found = effects_table(measured(table, BOTH, reference=(volumes // 100) * 100))
    assert found["estimate"].notna().all()


def test_a_covariate_that_some_lack_is_used_where_it_is():
    volumes, table = cohort()
    table.loc[table.index[:30], "age"] = np.nan
    found = effects_table(measured(table, BOTH, reference=volumes)).set_index("hypothesis")
    assert found["n"].to_dict() == {"sex_difference": 80, "age_slope": 50}
    assert found["n_dropped"].to_dict() == {"sex_difference": 0, "age_slope": 30}
