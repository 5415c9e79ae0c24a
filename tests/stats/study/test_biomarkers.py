import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import norm, ttest_ind
from statsmodels.stats.multitest import multipletests

from neurotarget.stats.cohort.measured import Measured, of_volumes, with_regions
from neurotarget.stats.core.discrimination import auc_difference
from neurotarget.stats.study.biomarkers import (
    COLUMNS,
    DIFFERENCE_COLUMNS,
    biomarker_differences_table,
    biomarkers_table,
)
from neurotarget.stats.study.contrast import Contrast, adjusted_sample, groups_of
from neurotarget.types import Target

pytestmark = pytest.mark.filterwarnings("error")

NUMBERS = [*("d", "d_low", "d_high", "auc", "auc_low", "auc_high", "p", "q")]
DELTAS = [
    *("delta_d", "delta_d_low", "delta_d_high"),
    *("delta_auc", "delta_auc_low", "delta_auc_high"),
]


def measured(covariates, hypotheses=(), **volumes):
    """A study of methods; each method's volumes are a mapping of labels."""
    tables = {method: pd.DataFrame(of, index=covariates.index) for method, of in volumes.items()}
    labels = {name: number for number, name in enumerate(next(iter(tables.values())), start=1)}
    target = Target("t", ["t1"], labels, [1] * 3, [8] * 3, hypotheses=dict(hypotheses))
    tables = {method: with_regions(table, target) for method, table in tables.items()}
    return Measured(target, of_volumes(tables), covariates, pd.DataFrame(), "reference")


def people(n=20, seed=0, shift=0.0, **columns):
    """Patients, then as many controls, with age, sex and TIV; patients are `shift` SD older."""
    generator = np.random.default_rng(seed)
    group = np.repeat(["patient", "control"], n)
    age = generator.normal(60, 8, 2 * n) + 8 * shift * (group == "patient")
    table = pd.DataFrame(
        {
            "subject_id": [f"s{number:03}" for number in range(2 * n)],
            "group": group,
            "age": age,
            "sex": np.tile(["F", "M"], n),
            "tiv": generator.normal(1.5e6, 1e5, 2 * n) + 1e5 * shift * (group == "patient"),
        }
    )
    return table.assign(**columns).rename_axis("case_id")


def volumes_of(table, seed=1, gap=0.0, labels=1, sd=100.0):
    """Volumes that follow age, sex and TIV, and `gap` SD between the groups."""
    generator = np.random.default_rng(seed)
    mean = 1000 - 4 * (table["age"] - 60) + 50 * (table["sex"] == "F") + 4e-4 * table["tiv"]
    mean = mean + gap * sd * (table["group"] == "patient")
    noise = generator.normal(0, sd, (len(table), labels))
    return {f"l{number}": mean + noise[:, number] for number in range(labels)}


def test_unadjusted_volumes_give_welchs_p_and_the_declared_direction():
    table = people()[["subject_id", "group"]]
    values = np.random.default_rng(3).normal(700, 80, len(table)) + np.repeat([0.0, 90], 20)
    study = measured(table, {"h": "volume: control > patient"}, reference={"x": values})
    row = biomarkers_table(study).iloc[0]
    a, b = values[20:], values[:20]
    assert (row["group_a"], row["group_b"], row["adjusted_for"]) == (
        "control",
        "patient",
        "nothing",
    )
    assert row["p"] == pytest.approx(ttest_ind(a, b, equal_var=False).pvalue)
    assert row["d"] == pytest.approx(
        (a.mean() - b.mean()) / math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    )
    assert row["auc"] == pytest.approx((a[:, None] > b).mean())
    assert (row["n_a"], row["n_b"], row["q"], row["reason"]) == (20, 20, row["p"], "")


def test_adjusted_within_the_groups_d_is_that_of_the_linear_model():
    table = people(shift=0.5).replace({"group": {"control": "other"}})
    values = volumes_of(table, gap=0.8)["l0"]
    study = measured(table, {"h": "volume: patient > other"}, reference={"x": values})
    row = biomarkers_table(study).iloc[0]
    frame = table.assign(v=values, tiv=table["tiv"] / 1e6)
    fit = smf.ols("v ~ C(group, Treatment('other')) + age + C(sex) + tiv", frame).fit()
    assert row["d"] == pytest.approx(fit.params.iloc[1] / math.sqrt(fit.scale))
    assert row["p"] == pytest.approx(fit.pvalues.iloc[1], rel=0.1)
    assert row["adjusted_for"] == "age, sex, tiv (fitted on all subjects, within the groups)"


def test_slopes_come_from_the_controls_where_they_are_known():
    table = people(n=30)[["subject_id", "group", "tiv"]]
    is_patient = table["group"] == "patient"
    generator = np.random.default_rng(0)
    # heads matter to controls alone: taken out of the patients, the slope is there turned round
    values = 500 + generator.normal(0, 1, 60) + 1e-3 * (table["tiv"] - 1.5e6) * ~is_patient
    row = biomarkers_table(measured(table, reference={"x": values})).iloc[0]
    assert row["adjusted_for"] == "tiv (fitted on the controls, group control)"
    away = table["tiv"] - table["tiv"].mean()
    slope = np.polyfit(away[~is_patient], values[~is_patient], 1)[0]
    adjusted = values - slope * away
    a, b = adjusted[is_patient], adjusted[~is_patient]
    squares = 29 * (a.var() + b.var())
    assert row["d"] == pytest.approx((a.mean() - b.mean()) / math.sqrt(squares / 57))


def test_p_and_intervals_hold_what_they_say_although_slopes_were_estimated():
    labels, gap = 200, 1.0
    table = people(n=20, shift=0.5)
    planted = volumes_of(table, gap=gap, labels=labels)
    noise = np.random.default_rng(9).normal(0, 70, (len(table), labels))
    second = {
        name: value + noise[:, number] for number, (name, value) in enumerate(planted.items())
    }
    asked = {"h": "volume: patient > control"}
    found = biomarkers_table(measured(table, asked, reference=planted)).query("label != 'total'")
    truth_auc, wider = norm.cdf(gap / math.sqrt(2)), math.hypot(1, 0.7)
    both = measured(table, asked, reference=planted, predicted=second)
    delta = biomarker_differences_table(both).query("label != 'total'")
    truth_delta, truth_area = gap / wider - gap, norm.cdf(gap / wider / math.sqrt(2)) - truth_auc
    null = measured(table, reference=volumes_of(table, labels=labels))
    covered = {
        "d": found["d_low"].le(gap) & found["d_high"].ge(gap),
        "auc": found["auc_low"].le(truth_auc) & found["auc_high"].ge(truth_auc),
        "null": biomarkers_table(null)["p"].gt(0.05),
        "delta d": delta["delta_d_low"].le(truth_delta) & delta["delta_d_high"].ge(truth_delta),
        "delta auc": delta["delta_auc_low"].le(truth_area) & delta["delta_auc_high"].ge(truth_area),
    }
    # 95 %, and three standard errors of 200 labels
    assert {name: 0.904 <= hits.mean() <= 0.996 for name, hits in covered.items()} == dict.fromkeys(
        covered, True
    )


def test_q_is_benjamini_and_hochbergs_over_the_labels_that_have_a_p():
    table = people()
    volumes = volumes_of(table, gap=0.5, labels=4) | {"flat": np.full(len(table), 7.0)}
    found = biomarkers_table(measured(table, reference=volumes)).set_index("label")
    tested = found.loc[["l0", "l1", "l2", "l3", "total"]]
    assert tested["q"].tolist() == pytest.approx(multipletests(tested["p"], method="fdr_bh")[1])
    ranked = tested.sort_values("p")
    assert ranked["q"].iloc[-1] == pytest.approx(ranked["p"].iloc[-1])
    assert math.isnan(found.loc["flat", "q"])
    assert found.loc["flat", "reason"] == "the volumes do not vary"


def test_contrasts_are_the_declared_ones_then_the_diagnosis_then_sex():
    table = people(dx=np.repeat([1, 0], 20), visit=1)
    values = volumes_of(table)
    declared = {"h": "volume: patient < control", "again": "volume[l0]: control > patient"}

    def contrasts(table, hypotheses=()):
        found = biomarkers_table(measured(table, hypotheses, reference=values))
        return list(found[["covariate", "group_a", "group_b"]].itertuples(index=False, name=None))

    assert contrasts(table, declared) == [("group", "patient", "control"), ("dx", "1", "0")]
    bare = table.drop(columns=["dx", "group"])
    assert contrasts(bare) == [("sex", "F", "M")]
    assert contrasts(bare.drop(columns="sex")) == []
    assert contrasts(table.drop(columns="group"), {"h": "volume: M < F"}) == [
        ("sex", "M", "F"),
        ("dx", "1", "0"),
    ]


def test_sex_is_no_covariate_of_its_own_contrast():
    table = people().drop(columns="group")
    values = volumes_of(people())
    found = biomarkers_table(measured(table, reference=values))["adjusted_for"]
    assert found.tolist() == ["age, tiv (fitted on all subjects, within the groups)"]


def test_scans_of_a_subject_are_averaged():
    table = people(n=10)[["subject_id", "group"]]
    values = np.random.default_rng(0).normal(700, 80, 20)
    once = biomarkers_table(measured(table, reference={"x": values}))
    twice = pd.concat([table, table], ignore_index=True).rename_axis("case_id")
    apart = np.random.default_rng(1).normal(0, 5, 20)
    again = np.concatenate([values + apart, values - apart])
    found = biomarkers_table(measured(twice, reference={"x": again}))
    pd.testing.assert_frame_equal(found, once)
    changed = twice.copy()
    changed.loc[20, "group"] = "control"  # a patient's second scan
    row = biomarkers_table(measured(changed, reference={"x": again})).iloc[0]
    assert (row["n_a"], row["n_b"]) == (9, 10)


def test_subjects_without_a_covariate_are_left_out_and_counted():
    table = people()
    table.loc[[0, 1, 25], "age"] = np.nan
    row = biomarkers_table(measured(table, reference=volumes_of(people()))).iloc[0]
    assert (row["n_a"], row["n_b"]) == (18, 19)
    assert row["reason"] == "3 subjects without age left out"
    table.loc[:25, "age"] = np.nan
    row = biomarkers_table(measured(table, reference=volumes_of(people()))).iloc[0]
    assert (row["n_a"], row["n_b"]) == (20, 20)
    assert row["adjusted_for"].endswith("; age left out: 14 of 40 subjects have it")


def test_two_equal_methods_differ_by_exactly_nothing():
    table = people()
    values = volumes_of(table, gap=0.8, labels=2)
    study = measured(table, reference=values, predicted=values)
    found = biomarker_differences_table(study, seed=4)
    assert (found[DELTAS] == 0).all(axis=None)
    assert found["p"].tolist() == [1, 1, 1]
    scaled = {name: 1.1 * value + 30 for name, value in values.items()}
    found = biomarker_differences_table(measured(table, reference=values, predicted=scaled))
    assert (found[DELTAS] == 0).all(axis=None)


def test_a_noisier_method_tells_the_groups_apart_worse():
    table = people(n=60)
    values = volumes_of(table, gap=1.2)
    noise = np.random.default_rng(2).normal(0, 250, len(table))
    noisy = {"l0": values["l0"] + noise}
    study = measured(table, {"h": "volume: patient > control"}, reference=values, predicted=noisy)
    first, second = (
        biomarker_differences_table(study, seed=1),
        biomarker_differences_table(study, seed=1),
    )
    pd.testing.assert_frame_equal(first, second)
    row, both = first.iloc[0], biomarkers_table(study)
    assert row["delta_d"] == pytest.approx(both["d"].diff().iloc[1])
    assert row["delta_auc"] == pytest.approx(both["auc"].diff().iloc[1])
    assert row["delta_d_high"] < 0
    assert row["delta_auc_high"] < 0
    assert (row["p"], row["n"]) == (1 / 2000, 120)


def groups120(statistics, **hypotheses):
    """Right hippocampi by hand and by a network, of 46 patients and 74 controls."""
    table = pd.read_csv(statistics / "groups120.csv", index_col="case_id")
    table.insert(0, "subject_id", table.index)
    volumes = {name: {"hip": table[f"RHip_{name}"]} for name in ("hand", "net")}
    kept = table[["subject_id", "age", "sex", "eTIV", "group"]]
    study = measured(kept, hypotheses, **volumes)
    return replace(study, reference="hand")


def test_a_paired_difference_of_auc_is_that_of_proc(statistics):
    """pROC::roc.test of right hippocampi at equal age, sex and TIV; R 4.2."""
    study = groups120(statistics)
    groups = groups_of(study, Contrast("group", "patient", "control"))
    both = {name: volumes["hip"] for name, volumes in study.values.items()}
    sample = adjusted_sample(groups, pd.DataFrame(both))
    pairs = zip(sample.a.T, sample.b.T, strict=True)
    assert auc_difference(*pairs)[:3] == pytest.approx((0.01528, -0.026, 0.057), abs=6e-4)


@pytest.mark.parametrize(
    ("claim", "sign"),
    [("patient < control", -1), ("control > patient", -1), ("patient > control", 1)],
)
def test_auc_is_oriented_by_the_claim_and_so_is_its_difference(statistics, claim, sign):
    study = groups120(statistics, h=f"volume: {claim}")
    found = biomarkers_table(study)
    is_patient_first = claim.startswith("patient")
    raw = found["auc_raw"] if is_patient_first else 1 - found["auc_raw"]
    assert found["auc"].to_numpy() == pytest.approx(raw if sign > 0 else 1 - raw)
    assert ((found["auc_low"] < found["auc"]) & (found["auc"] < found["auc_high"])).all()
    larger = "control larger than patient" if sign < 0 else "patient larger than control"
    assert set(found["auc_of"]) == {f"{larger}, as claimed"}
    delta = biomarker_differences_table(study).iloc[0]
    turned = 1 if is_patient_first else -1  # d is of the first group as written
    assert delta["delta_auc"] == pytest.approx(sign * 0.01528, abs=5e-6)
    assert np.sign(delta["delta_d"]) == turned
    # a little wider than 0.0412, as the slopes were estimated
    assert (delta["delta_auc_high"] - delta["delta_auc_low"]) / 2 == pytest.approx(0.042, abs=2e-4)


def test_clear_atrophy_reads_as_an_auc_above_one_half(statistics):
    """Without a claim the medians of the reference decide for all methods, and this is stated."""
    found = biomarkers_table(groups120(statistics))
    assert (found["auc"] > 0.55).all()
    assert (found["auc_raw"] < 0.45).all()
    assert set(found["auc_of"]) == {"control larger than patient, by the medians of hand"}


def test_claims_that_disagree_decide_nothing(statistics):
    study = groups120(statistics, a="volume: patient < control", b="volume: control < patient")
    assert biomarkers_table(study)["auc_of"].str.endswith("by the medians of hand").all()


def few(table):
    return table.groupby("group").head(2)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t[t["group"] == "patient"], "0 subjects with group control, wanted 3 or more"),
        (few, "2 subjects with group patient, wanted 3 or more"),
        (lambda t: t.drop(columns="group"), "no covariate group"),
        (lambda t: t.iloc[:0], "0 subjects with group patient, wanted 3 or more"),
    ],
)
def test_too_few_subjects_are_reported(change, reason):
    table = change(people())
    values = {"x": np.arange(len(table)) + 500.0}
    study = measured(table, {"h": "volume: patient < control"}, reference=values, predicted=values)
    for found in (biomarkers_table(study), biomarker_differences_table(study)):
        assert set(found["reason"]) == {reason}
        numbers = found[[name for name in (*NUMBERS, *DELTAS) if name in found]]
        assert numbers.isna().all(axis=None)


def test_constant_and_absent_volumes_are_reported():
    table = people()
    is_patient = (table["group"] == "patient").to_numpy()
    labels = {
        "flat": np.full(40, 500.0),
        "absent": np.full(40, np.nan),
        "steps": np.where(is_patient, 400.0, 500.0),
    }
    bare = table[["subject_id", "group"]]
    found = biomarkers_table(measured(bare, reference=labels, predicted=labels)).set_index("label")
    assert found.loc["flat", "reason"].tolist() == ["the volumes do not vary"] * 2
    text = "no subject of these groups has a volume"
    assert found.loc["absent", "reason"].tolist() == [text] * 2
    steps = found.loc["steps"].iloc[0]
    assert (steps["auc"], steps["auc_high"], steps["auc_raw"]) == (1, 1, 0)
    assert steps["auc_of"] == "control larger than patient, by the medians of reference"
    assert math.isnan(steps["d"])
    assert steps["reason"] == "the volumes do not vary within the groups"
    deltas = biomarker_differences_table(measured(bare, reference=labels, predicted=labels))
    text = "the volumes of reference and predicted do not vary within the groups"
    assert deltas.set_index("label").loc["steps", "reason"] == text


def test_covariates_that_do_not_vary_or_are_too_many_are_reported():
    table = people(sex="F")
    found = biomarkers_table(measured(table, reference=volumes_of(people()))).iloc[0]
    text = "age, tiv (fitted on the controls, group control); sex left out: it does not vary"
    assert found["adjusted_for"] == text
    small = people(n=3)
    found = biomarkers_table(measured(small, reference=volumes_of(small))).iloc[0]
    assert found["adjusted_for"] == "nothing: 6 subjects are too few for age, sex, tiv"
    assert not math.isnan(found["d"])


def test_without_groups_the_tables_are_empty():
    table = people()[["subject_id", "age"]]
    study = measured(table, reference=volumes_of(people()))
    for found, columns in (
        (biomarkers_table(study), COLUMNS),
        (biomarker_differences_table(study), DIFFERENCE_COLUMNS),
    ):
        assert found.empty
        assert tuple(found.columns) == columns


def test_real_patients_and_controls_run_through(shared_data):
    folder = shared_data / "tables" / "enigma"
    table = pd.read_csv(folder / "cov.csv", index_col="SubjID").rename_axis("case_id")
    table.insert(0, "subject_id", table.index)
    values = pd.read_csv(folder / "metr1_SubVol.csv", index_col="SubjID").drop(columns="ICV")
    study = measured(table, reference=values.to_dict("series"))
    found = biomarkers_table(study)
    assert len(found) == 17
    assert set(found["adjusted_for"]) == {"Age, Sex, ICV (fitted on the controls, Dx 0)"}
    assert set(found[["n_a", "n_b"]].to_numpy().ravel()) == {10}
    assert found[NUMBERS].notna().all(axis=None)
    # adjusted, nothing of 20 subjects passes the control of false discoveries
    assert found["q"].min() > 0.05
