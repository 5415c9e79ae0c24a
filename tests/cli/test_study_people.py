"""Cohorts as people have them: spellings, codes, other columns, copies, one value throughout."""

import numpy as np
import pandas as pd
import pytest

from neurotarget.cli.main import run

ASKED = "ask=volume ~ sex + age: F > M"


@pytest.fixture
def study(tmp_path, capsys):
    """`study(table, *words)` makes a study: its exit code, what it printed, its tables."""

    def make(table, *arguments):
        try:
            done = run(["study", f"table={table}", f"output={tmp_path / 'out'}", *arguments])
        except SystemExit as refused:
            done = refused.code
        printed = capsys.readouterr()

        def read(name):
            return pd.read_csv(tmp_path / "out" / "study" / f"{name}.tsv", sep="\t")

        return done, printed.out + printed.err, read

    return make


def effect(read):
    return read("effects").query("model == 'declared'").iloc[0]


@pytest.fixture
def coded(statistics, tmp_path):
    """A table of the same people with sex as 0 and 1."""
    table = pd.read_csv(statistics / "gender.csv")
    table["Gender"] = table["Gender"].map({"M": 0, "F": 1})
    table.to_csv(tmp_path / "coded.csv", index=False)
    return tmp_path / "coded.csv"


def test_a_sex_spelt_in_many_ways_is_two_sexes(statistics, study):
    done, _, read = study(statistics / "sex_mixed.csv", "labels=vol", ASKED)
    assert done == 0
    assert effect(read)["n"] == 40
    assert effect(read)["estimate"] == pytest.approx(81.9187, abs=1e-3)
    assert set(read("cases")["sex"]) == {"F", "M"}


def test_a_column_of_another_name_is_found_and_named(statistics, study):
    done, printed, read = study(statistics / "gender.csv", "labels=vol", ASKED)
    assert done == 0
    assert "the column 'Gender', wanted sex; it is read as sex" in printed
    assert effect(read)["n"] == 40


def test_codes_without_a_code_book_are_refused_with_both_ways_to_give_one(coded, study):
    done, printed, _ = study(coded, "labels=vol", ASKED)
    assert done == 2
    assert "found the codes 0, 1 in 40 cases, wanted F and M" in printed
    assert 'levels="sex: 0=M, 1=F"' in printed
    assert "levels: {sex: {0: M, 1: F}} in the target" in printed


@pytest.mark.parametrize("column", ["sex", "Gender"])
def test_a_declared_code_book_says_who_is_who(coded, study, column):
    done, _, read = study(coded, "labels=vol", ASKED, f"levels={column}: 0=M, 1=F")
    assert done == 0
    assert effect(read)["estimate"] == pytest.approx(81.9187, abs=1e-3)


def test_a_code_book_for_no_column_is_refused(coded, study):
    done, printed, _ = study(coded, "labels=vol", ASKED, "levels=sx: 0=M, 1=F")
    assert done == 2
    assert "levels: found no column sx" in printed


def test_groups_match_in_usual_spellings_and_others_are_counted(statistics, study, tmp_path):
    table = pd.read_csv(statistics / "hetero.csv")
    names = {"patient": ["Patients", "patient"], "control": ["HC", "controls"]}
    spelt = [names[group][number % 2] for number, group in enumerate(table["group"])]
    table = table.assign(group=spelt).rename(columns={"group": "Diagnosis"})
    table.loc[[0, 1, 2], "Diagnosis"] = ["MCI", "MCI", "unknown"]
    table.to_csv(tmp_path / "groups.csv", index=False)
    question = "ask=volume ~ group + age: patient < control"
    done, printed, read = study(tmp_path / "groups.csv", "labels=vol", question)
    assert done == 0
    assert effect(read)["n"] == len(table) - 3
    assert "3 of" in printed
    assert "(MCI 2, unknown 1)" in printed
    assert "they are read as" in printed


def test_copied_people_are_named(statistics, study):
    done, printed, _ = study(statistics / "dup_other_id.csv", "labels=vol", ASKED)
    assert done == 2
    assert "30 pairs of different ids with all values equal (s0000 and s0000_b" in printed


@pytest.mark.parametrize(("name", "value"), [("refzero", "0"), ("refflat", "700")])
def test_a_reference_of_one_value_allows_no_conclusion(statistics, study, name, value):
    arguments = (
        "labels=v",
        "methods=hand,net",
        "reference=hand",
        "ask=volume ~ age + sex: negative",
    )
    done, _, read = study(statistics / f"{name}.csv", *arguments)
    assert done == 0
    effects = read("effects")
    assert set(effects["verdict"]) == {"no conclusion"}
    assert effects["estimate"].isna().all()
    assert f"no reference spread: v by hand is {value} mm³ in all 30 cases" in effects["reason"][0]
    assert np.isnan(read("effect_differences")["difference"]).all()


def test_a_cohort_of_women_is_not_compared_at_equal_sex(statistics, study):
    done, printed, read = study(
        statistics / "samesex.csv", "labels=vol", "ask=volume ~ age + sex: negative"
    )
    assert done == 0
    assert effect(read)["n"] == 30
    assert "equal sex" not in printed


def test_repeats_have_slopes_within_and_between_people(statistics, study, tmp_path):
    arguments = ("labels=v", "methods=hand,net", "reference=hand", "ask=volume ~ age: negative")
    done, _, read = study(statistics / "repeats.csv", *arguments)
    assert done == 0
    slopes = read("longitudinal")
    assert set(slopes["method"]) == {"hand", "net"}
    assert (slopes["n_people"] == 12).all()
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Change within people" in page
    text = (tmp_path / "out" / "study" / "methods.md").read_text()
    assert "within people" in text
    assert "@laird1982" in text
    assert "laird1982" in (tmp_path / "out" / "study" / "references.bib").read_text()
    assert len(read("claim")) == 44
