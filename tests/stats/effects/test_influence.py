import numpy as np
import pandas as pd
import pytest
from scipy.stats import theilslopes

from neurotarget.stats.cohort.measured import Measured, of_volumes
from neurotarget.stats.effects.effects import effects_table, estimate_effect
from neurotarget.stats.effects.influence import (
    COLUMNS,
    influence_note,
    influence_table,
    is_outlier,
    outlier_notes,
)
from neurotarget.types import Target

HYPOTHESES = {
    "sex": "volume: F > M",
    "age": "volume ~ age: negative",
    "both": "volume ~ age + sex: negative",
}


def study(table, volumes, hypotheses=HYPOTHESES):
    """Methods that are columns of a table of one label."""
    table = table.set_index("case_id")
    table.insert(0, "subject_id", table.index)
    target = Target("t", ("t1",), {"x": 1}, (1, 1, 1), (8, 8, 8), hypotheses=hypotheses)
    columns = {name: pd.DataFrame({"x": table[name]}) for name in volumes}
    rest = table.drop(columns=list(volumes))
    return Measured(target, of_volumes(columns), rest, pd.DataFrame(), volumes[0])


def calm(n=40, seed=0):
    """People of whom nobody stands out: volumes shrink by 2 mm³ a year."""
    generator = np.random.default_rng(seed)
    age = generator.uniform(20, 80, n)
    return pd.DataFrame(
        {
            "case_id": [f"c{number:02}" for number in range(n)],
            "age": age,
            "sex": np.resize(["F", "M"], n),
            "vol": 700 - 2 * age + generator.uniform(-15, 15, n),
        }
    )


@pytest.mark.parametrize(
    ("name", "volumes"), [("outlier.csv", ["vol"]), ("outlier_agree.csv", ["v_hand", "v_net"])]
)
def test_one_value_a_hundred_or_ten_times_too_large_is_named(statistics, name, volumes):
    measured = study(pd.read_csv(statistics / name), volumes)
    table = influence_table(measured)
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == len(HYPOTHESES) * len(volumes)
    assert set(table["case_id"]) == {"s0000"}
    assert table["outliers"].str.contains("s0000").all()
    assert table["changes"].str.contains("sign").all()
    slopes = table[table["hypothesis"] != "sex"]
    assert (slopes["estimate"] > 0).all()
    assert (slopes["estimate_without"] < 0).all()
    assert (slopes["robust"] < 0).all()
    notes = outlier_notes(measured)
    assert len(notes) == len(volumes)
    assert all("s0000 (7" in note for note in notes)


def test_five_of_forty_tenfold_values_are_all_far_off(statistics):
    """Their mean and SD would hide all of them; the median and the MAD do not."""
    values = pd.read_csv(statistics / "outlier_agree.csv")["v_hand"].to_numpy()[1:]
    values = np.append(values, values[-1])
    assert not is_outlier(values).any()
    values[[3, 9, 14, 22, 30]] *= 10
    assert is_outlier(values).nonzero()[0].tolist() == [3, 9, 14, 22, 30]
    assert (np.abs(values - values.mean()) / values.std() > 3).sum() < 5


def test_far_off_is_counted_by_hand():
    """Median 3, MAD 1: 3 · 1.4826 away is 7.4478."""
    assert is_outlier(np.array([1, 2, 3, 4, 7.5, np.nan])).tolist() == [False] * 4 + [True, False]
    assert not is_outlier(np.array([1, 2, 3, 4, 7.4])).any()
    assert not is_outlier(np.array([1.0, 1, 1, 1, 9])).any()  # no spread to hold it against
    assert not is_outlier(np.array([1.0, 2, 3, 99])).any()  # too few


def test_where_nobody_stands_out_nothing_changes():
    table = influence_table(study(calm(), ["vol"], {"age": HYPOTHESES["age"]}))
    assert table["changes"].tolist() == [""]
    assert influence_note(table.iloc[0]) == ""
    assert table["n_outliers"].tolist() == [0]
    assert outlier_notes(study(calm(), ["vol"])) == []


def test_what_is_left_is_the_effect_without_that_person():
    table = calm()
    table.loc[5, "vol"] = 5000
    measured = study(table, ["vol"])
    hypothesis = next(one for one in measured.target.hypotheses if one.name == "both")
    found = influence_table(measured).set_index("hypothesis").loc["both"]
    rest = measured.covariates.drop("c05")
    effect = estimate_effect(hypothesis, measured.values["vol"]["x"].drop("c05"), rest)
    assert found["case_id"] == "c05"
    assert (found["estimate_without"], found["without_low"], found["without_high"]) == (
        pytest.approx((effect.estimate, effect.low, effect.high))
    )
    assert found["verdict_without"] == effect.verdict


@pytest.mark.parametrize("sites", [4, 20])  # of ten people each, and of two
def test_the_model_that_answers_has_its_own_row(sites):
    """Of two sites' worth of ages, so that site explains age and its model leads."""
    table = calm()
    site = np.arange(40) * sites // 40
    table["age"] = 25 + 2.0 * site * 20 / sites + np.resize([0, 6, 3, 9], 40)
    table["vol"] = 700 - 2 * table["age"] + 5 * np.sin(np.arange(40)) + 30 * (site % 2)
    table.loc[13, "vol"] += 400
    table["site"] = [f"s{number:02}" for number in site]
    measured = study(table, ["vol"], {"age": HYPOTHESES["age"]})
    effects = effects_table(measured)
    lead = effects[effects["leads"]].iloc[0]
    assert lead["model"] == ("with_site" if sites == 4 else "site_random")
    found = influence_table(measured, effects).set_index("model")
    assert list(found.index) == ["declared", lead["model"]]
    for model in found.index:
        whole = effects[effects["model"] == model].iloc[0]
        assert found.loc[model, "estimate"] == pytest.approx(whole["estimate"])
        assert found.loc[model, "case_id"] == "c13"
    rest = study(table.drop(13), ["vol"], {"age": HYPOTHESES["age"]})
    without = effects_table(rest).set_index("model").loc[lead["model"]]
    row = found.loc[lead["model"]]
    assert row["estimate_without"] == pytest.approx(without["estimate"])
    assert row["without_high"] == pytest.approx(without["high"])


def test_robust_estimates_are_those_of_the_libraries():
    table = calm()
    table.loc[5, "vol"] = 5000
    found = influence_table(study(table, ["vol"])).set_index("hypothesis")
    slope = theilslopes(table["vol"], table["age"])
    assert found.at["age", "robust_kind"] == "Theil–Sen"
    assert tuple(found.loc["age", ["robust", "robust_low", "robust_high"]]) == (
        pytest.approx((slope.slope, slope.low_slope, slope.high_slope))
    )
    assert found.at["both", "robust_kind"] == "Huber"
    # by the one value the plain slope is moved from −2 to far off
    assert abs(found.at["both", "robust"] + 2) < 0.3 < abs(found.at["both", "estimate"] + 2)


def test_a_note_names_the_person_and_what_is_found_without():
    row = {
        "changes": "sign and verdict", "case_id": "s1", "estimate_without": -2.31,
        "without_low": -3.9, "without_high": -0.04, "verdict": "inconclusive",
        "verdict_without": "shown", "robust": -1.6, "robust_low": -3.3, "robust_high": 0.0,
        "robust_kind": "Huber",
    }  # fmt: skip
    assert influence_note(row) == (
        "without case s1 it is −2.3 [−3.9, 0.0], shown instead of inconclusive; a robust estimate "
        "(Huber) is −1.6 [−3.3, 0.0]"
    )
    turned = influence_note({**row, "changes": "sign"})
    assert turned.startswith("without case s1 it is −2.3 [−3.9, 0.0], of the other sign; a robust")
    mixed = influence_note({**row, "model": "site_random"})
    assert mixed.endswith("(Huber, with site as a fixed effect) is −1.6 [−3.3, 0.0]")


def test_what_cannot_be_estimated_or_is_refused_says_why():
    measured = study(calm().assign(age=50.0), ["vol"], {"age": HYPOTHESES["age"]})
    assert influence_table(measured)["reason"].tolist() == ["the covariate does not vary"]
    measured = study(calm(), ["vol"], {"age": HYPOTHESES["age"]})
    found = influence_table(measured, refused={("vol", "x"): "masks failed"})
    assert found["reason"].tolist() == ["masks failed"]
    assert found["estimate"].isna().all()
    assert influence_table(study(calm(), ["vol"], {})).empty
