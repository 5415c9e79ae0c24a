"""Survival studies from a table to the page."""

import re

import numpy as np
import pandas as pd
import pytest

import neurotarget as nt
from neurotarget.cli.commands import survival as command
from neurotarget.data.tables.follow_up import read_follow_up
from neurotarget.data.tables.model_terms import design, parse_terms
from neurotarget.problems import DataError
from neurotarget.stats.survival.concordance import harrell_pairs
from neurotarget.stats.survival.cox import fit_cox

SMALL = ["folds=3", "repeats=1", "months=6,12"]


def people(n=60, seed=0):
    random = np.random.default_rng(seed)
    age = random.normal(60, 10, size=n).round(1)
    days = np.ceil(400 * random.exponential(size=n) * np.exp(-(age - 60) / 10))
    ends = np.ceil(random.uniform(200, 900, size=n))
    return pd.DataFrame({
        "id": [f"p{seed}_{number}" for number in range(n)],
        "age": age,
        "resection": np.where(random.random(n) < 0.5, "GTR", "STR"),
        "volume": random.normal(size=n).round(3),
        "days": np.minimum(days, ends).astype(int),
        "died": (days <= ends).astype(int),
    })  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("survival")
    first = people()
    first["age"] = first["age"].astype(object)
    first.loc[0, "age"] = "n/a"
    first.to_csv(place / "people.csv", index=False)
    other = people(40, 1).rename(columns={"age": "years", "resection": "gtr"})
    other["gtr"] = other["gtr"].map({"GTR": "Y", "STR": "N"})
    other.loc[len(other)] = ["p0_3", 50, "Y", 0, 100, 1]
    other.to_csv(place / "others.csv", index=False)
    return place


@pytest.fixture(scope="module")
def made(folder):
    arguments = [f"table={folder / 'people.csv'}", "time=days", "event=died", "group=resection"]
    arguments += ["clinical=age,resection=GTR", "image=volume", f"external={folder}/others.csv"]
    arguments += ["names=age:years,resection=GTR:gtr=Y", f"output={folder / 'out'}", *SMALL]
    assert command.run(arguments) == 0
    return folder / "out"


def test_the_page_says_whether_images_add(made):
    page = re.sub(r"\s+", " ", (made / "report.html").read_text(encoding="utf-8"))
    assert re.search("Images add nothing|Images are not shown to add anything", page)
    assert "C of held-out people is" in page
    assert "Median survival is" in page
    for name in ("curve", "curve_group", "curve_thirds", "hazards", "risk_calibration"):
        assert (made / "survival" / "figures" / f"{name}.svg").is_file()


def test_who_was_left_out_is_written_with_the_reason(made):
    left_out = pd.read_csv(made / "survival" / "left_out.tsv", sep="\t")
    assert left_out.to_dict("records") == [
        {"table": "people.csv", "reason": "no age", "n": 1},
        {"table": "others.csv", "n": 1,
         "reason": "also in the cohort that the models were fitted to"},
    ]  # fmt: skip


def test_each_person_has_a_risk(made):
    risks = pd.read_csv(made / "survival" / "risks.tsv", sep="\t")
    assert len(risks) == 59
    assert risks["risk_12m"].between(risks["risk_12m_low"], risks["risk_12m_high"]).mean() > 0.9


def test_a_notebook_gets_the_same_numbers(folder, made):
    found = nt.survival(
        pd.read_csv(folder / "people.csv"), "days", "died", clinical=["age", "resection=GTR"],
        image=["volume"], folds=3, repeats=1, months=[6, 12],
    )  # fmt: skip
    written = pd.read_csv(made / "survival" / "scores.tsv", sep="\t")
    assert found.tables["scores"]["value"].to_numpy() == pytest.approx(written["value"].to_numpy())
    assert len(found.risks) == 59
    assert "people, " in str(found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clinical="], "clinical= has no value"),
        (["time=days"], "no term, wanted clinical= or image="),
        (["clinical=agee"], "no column agee, wanted terms of the model among the columns; did you"),
        (["clinical=age", "group=age"], "different values in age, wanted 2 to 4 groups"),
        (["clinical=age", "where=id=p0_1|p0_2"], "2 people with . events, wanted at least 10"),
        (["clinical=age", "names=a:b"], "names= and external_where= belong to external="),
        (["clinical=age", "folds=1"], "folds: found 1, wanted 2 or more"),
        (["clinical=age", "event=id"], "the values .* in id, wanted 1 and 0, or dead and alive"),
    ],
)
def test_bad_arguments_are_one_sentence(folder, tmp_path, arguments, message):
    whole = {"time": "days", "event": "died", "table": folder / "people.csv",
             "output": tmp_path / "out"}  # fmt: skip
    whole |= dict(one.split("=", 1) for one in arguments)
    with pytest.raises(DataError, match=message):
        command.run([f"{key}={value}" for key, value in whole.items()])


def test_transport_by_names_of_columns(shared_data):
    """The published C of a model of UCSF on UPENN, .6254, with terms as users name them."""
    diagnosis = "Final pathologic diagnosis (WHO 2021)=Glioblastoma, IDH-wildtype"
    ucsf = read_follow_up(
        shared_data / "ucsf_pdgm" / "metadata_v2.csv",
        time="OS", event="1-dead 0-alive", where=diagnosis,
    )  # fmt: skip
    upenn = read_follow_up(
        shared_data / "upenn_gbm" / "clinical_info_v1.1.csv",
        time="Survival_from_surgery_days", where="Time_since_baseline_preop=0",
    )  # fmt: skip
    names = {"Age at MRI": "Age_at_scan_years", "Sex=M": "Gender=M",
             "EOR=GTR": "GTR_over90percent=Y"}  # fmt: skip
    terms = parse_terms(list(names), ucsf.rows, "")
    fit = fit_cox(ucsf.days, ucsf.event, design(terms, ucsf.rows, {}, "").values)
    score = fit.score(design(terms, upenn.rows, names, "").values)
    assert harrell_pairs(upenn.days, upenn.event, score).value == pytest.approx(0.6254, abs=5e-5)
