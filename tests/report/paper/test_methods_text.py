"""Paragraphs for a paper: one set of numbers with the page, and citations that are there."""

import re
from dataclasses import replace
from html import unescape
from itertools import groupby

import pandas as pd
import pytest

from neurotarget.report.figures.study_figures import all_figures
from neurotarget.report.pages.study_page import page_html
from neurotarget.report.paper.checklist import ITEMS, claim_table
from neurotarget.report.paper.methods_text import methods_text, short_command
from neurotarget.report.paper.references import bibtex, references
from neurotarget.report.sections.people_section import (
    missing_sentence,
    people_lines,
    people_sections,
)
from neurotarget.report.sections.plain_page import page_figures
from neurotarget.report.text.assets import asset_table
from neurotarget.report.text.definitions import known_definitions
from neurotarget.report.text.placeholders import VOLUMES, placeholders_of
from neurotarget.stats.study.analysis import analyse
from neurotarget.stats.study.reporting import with_reporting

WITH_ENDS = re.compile(r"[+\N{MINUS SIGN}]?\d[\d.\N{NARROW NO-BREAK SPACE}]* \[[^\]@]+\]")


@pytest.fixture(scope="module")
def reported(make_study):
    facts = {"study seed": "7", "software": "neurotarget 0.1.0", "command": "neurotarget study"}
    study = analyse(make_study().measured, facts=facts)
    return with_reporting(study, n_listed=26)


@pytest.fixture(scope="module")
def written(reported):
    return methods_text(reported)


@pytest.fixture(scope="module")
def page(reported):
    return page_html(reported, page_figures(all_figures(reported)), [], title="t")


def test_every_citation_has_its_entry_and_every_entry_its_citation(written):
    cited = set(re.findall(r"\[@(\w+)\]", written.text))
    entries = set(re.findall(r"@misc\{(\w+),", written.references))
    assert cited
    assert cited == entries


def test_text_and_page_carry_one_set_of_numbers(written, page):
    results = written.text.split("## Results")[1].split("## Statistics")[0]
    shown = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", page)))
    numbers = WITH_ENDS.findall(results)
    assert len(numbers) > 4
    for number in numbers:
        value, ends = number.split(" [")
        assert value in shown
        assert f"[{ends}" in shown


def test_table_1_stands_on_the_page_as_in_the_text(written, page):
    (age,) = re.findall(r"age (\d\S* ± [^;]+\))", written.text)
    assert age in page
    assert "sex F 12 (50.0 %), M 12 (50.0 %)" in written.text
    assert "12 (50.0 %)" in page


def test_people_of_the_training_stand_beside_those_studied(reported):
    people = pd.DataFrame(
        {"subject_id": list("abc"), "split": ["train", "train", "val"]}, list("abc")
    )
    study = with_reporting(reported, people=people.assign(site="elsewhere"))
    (section, *_) = people_sections(study)
    heads = [heading.text for heading in section.grids[0].columns]
    assert heads == ["Characteristic", "All studied", "training", "validation"]
    rows = {row[0]: row[1:] for row in section.grids[0].rows}
    assert rows["People"] == ["24", "2", "1"]
    assert rows["Site: elsewhere"] == ["–", "2 (100.0 %)", "1 (100.0 %)"]
    names = [row[0].partition(":")[0] for row in section.grids[0].rows]
    assert [name for name, _ in groupby(names)] == list(dict.fromkeys(names))
    split = claim_table(study).set_index("item").loc[19]
    assert split["text"] == "people: 2 training, 1 validation (study/people.tsv)"


def test_seeds_versions_and_the_command_are_stated(written):
    assert "neurotarget 0.1.0; intervals were computed with seed 7" in written.text
    assert "Command: `neurotarget study`" in written.text


def test_the_checklist_is_whole_and_says_who_fills_in_what(reported):
    table = claim_table(reported)
    assert list(table["item"]) == list(range(1, 45))
    assert len(ITEMS) == 44
    filled = table.set_index("item")["filled_by"]
    assert filled[44] == "authors"  # funding
    assert filled[36] == "study"  # people
    assert (table.loc[table["filled_by"] == "study", "text"] != "").all()
    assert (table.loc[table["filled_by"] == "authors", "text"] == "").all()


def test_the_checklist_has_the_sections_of_the_published_one(reported):
    counts = claim_table(reported)["section"].value_counts(sort=False)
    assert counts.to_dict() == {
        "title and abstract": 2,
        "introduction": 2,
        "methods": 30,
        "results": 5,
        "discussion": 2,
        "other information": 3,
    }


def test_every_cited_doi_has_its_title():
    assert {one.doi for one in known_definitions() if one.doi} <= {*asset_table("references")}
    (found,) = references([("DeLong 1988", "10.2307/2531595")])
    assert "Characteristic Curves: A Nonparametric Approach}" in bibtex([found])


def test_two_works_of_one_author_and_year_have_two_keys():
    found = references(
        [("Efron 1987", "10.1/a"), ("Efron 1987", "10.1/b"), ("Efron 1987", "10.1/a")]
    )
    assert [one.key for one in found] == ["efron1987", "efron1987b"]


def test_the_flow_is_drawn_and_listed(reported, page):
    names = [figure.name for figure in all_figures(reported)]
    assert names[-1] == "flow"
    assert "26 cases" in page
    assert "not among the scored cases" in page


def test_every_statistic_with_a_source_has_a_sentence_of_its_own():
    assert {one.name for one in known_definitions() if one.source} == {
        name.format_map(placeholders_of(VOLUMES)) for name in asset_table("methods")
    }
    assert all(
        text.count("{}") == 1 and text.endswith(" {}.") for text in asset_table("methods").values()
    )


def test_the_methods_are_sentences_about_what_was_done(written):
    methods = written.text.split("## Methods")[1].split("## Results")[0]
    assert "intraclass correlation of absolute agreement, ICC(A,1) [@mcgraw1996]." in methods
    assert "Carkeet's exact intervals where values look normal" in methods
    assert "reported as kind of interval" not in methods


def test_missing_values_are_reported_by_the_names_of_the_covariates(reported, written):
    assert "No value of age, sex and site is missing." in written.text
    table = reported.tables["people"]
    counts = table[table["characteristic"].isin(["people", "scans"])]
    bare = replace(reported, tables={**reported.tables, "people": counts})
    assert missing_sentence(bare) == "There are no covariates."
    assert people_lines(bare) == ["24 people", "24 scans"]
    assert "24 people; 24 scans.\n" in methods_text(bare).text
    assert "Values are mean ± SD (range), or n (%)." in written.text


def test_one_flagged_case_is_one_case(reported):
    one = pd.DataFrame({"case_id": ["c1", "c1"]})
    found = claim_table(replace(reported, tables={**reported.tables, "failed_cases": one}))
    assert found.set_index("item").at[39, "text"].startswith("1 case failed or was flagged: ")


def test_without_sites_no_site_is_harmonised_or_left_out(with_covariates, make_study):
    study = analyse(with_covariates(make_study(), site=None).measured)
    written = methods_text(study).text
    assert "ComBat" not in written
    filled = claim_table(study).set_index("item")["filled_by"]
    assert filled[30] == "authors"


def test_with_sites_they_are(reported, written):
    assert "harmonisation of sites by ComBat [@johnson2007]." in written.text
    assert claim_table(reported).set_index("item").at[30, "filled_by"] == "study"


def test_a_command_shows_paths_below_its_folder_and_names_of_other_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = f"neurotarget study table={tmp_path}/a/b.csv,/else/c.tsv ask='volume ~ age: any'"
    short = "neurotarget study table=a/b.csv,c.tsv 'ask=volume ~ age: any'"
    assert short_command(command) == short
