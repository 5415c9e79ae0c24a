"""Cohorts as people have them: spellings, codes, other columns, copies, one value throughout."""

import numpy as np
import pandas as pd
import pytest

from neurotarget.cli.main import run
from neurotarget.report.text.sentences import headlines
from oracles.asked_study import asked

QUESTION = "volume ~ sex + age: F > M"
ASKED = f"ask={QUESTION}"


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


def effect(tables):
    return tables["effects"].query("model == 'declared'").iloc[0]


def words_of(study):
    """What a command prints of a study."""
    return " ".join([*headlines(study), *study.notes])


@pytest.fixture
def coded(statistics, tmp_path):
    """A table of the same people with sex as 0 and 1."""
    table = pd.read_csv(statistics / "gender.csv")
    table["Gender"] = table["Gender"].map({"M": 0, "F": 1})
    table.to_csv(tmp_path / "coded.csv", index=False)
    return tmp_path / "coded.csv"


def test_a_sex_spelt_in_many_ways_is_two_sexes(statistics):
    tables = asked(statistics / "sex_mixed.csv", labels="vol", ask=QUESTION).tables
    assert effect(tables)["n"] == 40
    assert effect(tables)["estimate"] == pytest.approx(81.9187, abs=1e-3)
    assert set(tables["cases"]["sex"]) == {"F", "M"}


def test_a_column_of_another_name_is_found_and_named(statistics, study):
    done, printed, read = study(statistics / "gender.csv", "labels=vol", ASKED)
    assert done == 0
    assert "the column 'Gender', wanted sex; it is read as sex" in printed
    assert read("effects").query("model == 'declared'")["n"].tolist() == [40]


def test_codes_without_a_code_book_are_refused_with_both_ways_to_give_one(coded, study):
    done, printed, _ = study(coded, "labels=vol", ASKED)
    assert done == 2
    assert "found the codes 0, 1 in 40 cases, wanted F and M" in printed
    assert 'levels="sex: 0=M, 1=F"' in printed
    assert "levels: {sex: {0: M, 1: F}} in the target" in printed


@pytest.mark.parametrize("column", ["sex", "Gender"])
def test_a_declared_code_book_says_who_is_who(coded, column):
    study = asked(coded, labels="vol", ask=QUESTION, levels=f"{column}: 0=M, 1=F")
    assert effect(study.tables)["estimate"] == pytest.approx(81.9187, abs=1e-3)


def test_a_code_book_for_no_column_is_refused(coded, study):
    done, printed, _ = study(coded, "labels=vol", ASKED, "levels=sx: 0=M, 1=F")
    assert done == 2
    assert "levels: found no column sx" in printed


def test_groups_match_in_usual_spellings_and_others_are_counted(statistics, tmp_path):
    table = pd.read_csv(statistics / "hetero.csv")
    names = {"patient": ["Patients", "patient"], "control": ["HC", "controls"]}
    spelt = [names[group][number % 2] for number, group in enumerate(table["group"])]
    table = table.assign(group=spelt).rename(columns={"group": "Diagnosis"})
    table.loc[[0, 1, 2], "Diagnosis"] = ["MCI", "MCI", "unknown"]
    table.to_csv(tmp_path / "groups.csv", index=False)
    question = "volume ~ group + age: patient < control"
    study = asked(tmp_path / "groups.csv", labels="vol", ask=question)
    assert effect(study.tables)["n"] == len(table) - 3
    assert "3 of" in words_of(study)
    assert "(MCI 2, unknown 1)" in words_of(study)
    assert "they are read as" in words_of(study)


def test_copied_people_are_named(statistics, study):
    done, printed, _ = study(statistics / "dup_other_id.csv", "labels=vol", ASKED)
    assert done == 2
    assert "30 pairs of different ids with all values equal (s0000 and s0000_b" in printed


@pytest.mark.parametrize(("name", "value"), [("refzero", "0"), ("refflat", "700")])
def test_a_reference_of_one_value_allows_no_conclusion(statistics, name, value):
    both = {"methods": ["hand", "net"], "reference": "hand"}
    question = "volume ~ age + sex: negative"
    tables = asked(statistics / f"{name}.csv", labels="v", ask=question, **both).tables
    effects = tables["effects"]
    assert set(effects["verdict"]) == {"no conclusion"}
    assert effects["estimate"].isna().all()
    assert f"no reference spread: v by hand is {value} mm³ in all 30 cases" in effects["reason"][0]
    assert np.isnan(tables["effect_differences"]["difference"]).all()


def test_a_cohort_of_women_is_not_compared_at_equal_sex(statistics):
    question = "volume ~ age + sex: negative"
    study = asked(statistics / "samesex.csv", labels="vol", ask=question)
    assert effect(study.tables)["n"] == 30
    assert "equal sex" not in words_of(study)


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
    shown = (tmp_path / "out" / "report.html").read_text()
    assert shown.count("## Methods") == shown.count("@misc{laird1982") == 1  # to copy
    assert "## Statistics, as they are defined here" not in shown
    assert len(read("claim")) == 44
