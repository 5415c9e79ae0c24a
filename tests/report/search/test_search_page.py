from dataclasses import replace

import pytest

from neurotarget.files.writing import write_text
from neurotarget.problems import DataError
from neurotarget.report.search.search import Objective, Parameter
from neurotarget.report.search.search_page import sentence, sweep_html
from oracles.pages import Page
from oracles.sweeps import a_sweep, without_values

HOSTILE = '"]]></script><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def one():
    return a_sweep()


@pytest.fixture(scope="module")
def two():
    return a_sweep(("dice", "volume_icc"))


def read(sweep, title="Search: gland"):
    return Page(sweep_html(sweep, title=title))


@pytest.fixture(scope="module")
def page(one):
    return read(one)


def test_the_page_begins_with_what_was_sought_and_found(one, page):
    texts = page.text
    assert "Which settings give the highest dice for the target gland?" in texts
    assert any(text.startswith("30 trials (25 done, 1 failed, 4 pruned)") for text in texts)
    assert sentence(one) in texts
    assert one.command in texts
    assert one.space in texts
    assert {"Sampler", "tpe", "Trials are judged on validation cases only."} <= set(texts)


def test_the_sentence_names_the_best_trial_with_its_settings(one):
    row = one.trials.set_index("trial").loc[one.best[0]]
    text = sentence(one)
    assert text.startswith(f"Trial {one.best[0]} is best, dice {row['dice']:.4f}, with optimizer.")
    assert f"model.width={row['model.width']}" in text
    assert text.endswith("optimizer.lr mattered most for dice (70 %).")


def test_of_two_objectives_the_front_is_reported_and_listed(two):
    page = read(two)
    assert sentence(two).startswith(f"{len(two.best)} trials are on the Pareto front of dice and")
    rows = [row for row in page.rows() if row and row[0].isdigit()]
    assert [int(row[0]) for row in rows] == list(two.best)
    assert any("Train with the settings of the first" in text for text in page.text)
    assert "Pareto front" in page.text


def test_what_is_lower_is_better_is_asked_for_so(one):
    sweep = replace(one, objectives=(Objective("dice", "minimize"),))
    assert "Which settings give the lowest dice for the target gland?" in read(sweep).text


def test_settings_keep_their_names_and_digits(one, page):
    trials = page.json("table-0")
    kinds = {column["key"]: (column["heading"], column["kind"]) for column in trials["columns"]}
    assert kinds["optimizer.lr"] == ("optimizer.lr", "setting")
    assert kinds["trial"] == ("Trial", "count")
    assert kinds["dice"] == ("dice", "number")
    assert trials["data"]["optimizer.lr"] == one.trials["optimizer.lr"].tolist()


def test_a_search_without_results_has_a_page(one):
    text = " ".join(read(without_values(one)).text)
    assert "No trial is done yet." in text
    assert "nan" not in text.lower().split()


def test_names_with_markup_are_text(one, page):
    bad = replace(
        one,
        target=HOSTILE,
        trials=one.trials.rename(columns={"optimizer": HOSTILE}).assign(reason=HOSTILE),
        parameters=(*one.parameters[:2], Parameter(HOSTILE), one.parameters[3]),
        command=HOSTILE,
        space=HOSTILE,
        notes=(HOSTILE,),
    )
    found = read(bad, HOSTILE)
    tags, usual = [[tag for tag, _ in each.elements] for each in (found, page)]
    assert "img" not in tags
    assert tags.count("script") == usual.count("script")
    assert found.text.count(HOSTILE) >= 4


def test_a_table_without_a_wanted_column_is_refused(one):
    with pytest.raises(ValueError, match=r"trials have no column seconds; wanted one for each of"):
        replace(one, trials=one.trials.drop(columns="seconds"))


def test_a_page_is_written_whole_or_not_at_all(one, tmp_path):
    write_text(tmp_path / "sweep.html", sweep_html(one, title="x"))
    text = (tmp_path / "sweep.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        write_text(tmp_path / "file" / "sweep.html", sweep_html(one, title="x"))
