from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from neurotarget.comparison.arms_text import verdicts
from neurotarget.files.writing import write_text
from neurotarget.problems import DataError
from neurotarget.report.comparison.comparison_page import compare_html, question
from neurotarget.report.sections.plain_page import PageFigure
from neurotarget.report.text.numbers import amount, chance, duration, energy, memory, operations
from oracles.comparisons import ODD, a_comparison
from oracles.pages import Page

FIGURES = [PageFigure("dice", "Dice", "words", '<svg viewBox="0 0 9 9"><text>here</text></svg>')]


@pytest.fixture(scope="module")
def comparison():
    return a_comparison(6)


def read(comparison, figures=FIGURES, title="gland: nets"):
    return Page(compare_html(comparison, figures, title=title))


def columns_of(page):
    found = [page.json(name) for name in page.scripts if name.startswith("table-")]
    return {sheet["name"]: sheet["columns"] for sheet in found}


def with_arms(comparison, **columns):
    arms = comparison.tables["arms"].assign(**columns)
    return replace(comparison, tables={**comparison.tables, "arms": arms})


def test_the_page_begins_with_what_was_asked_and_found(comparison):
    message = read(comparison).text
    order = [message.index(text) for text in (
        "gland: nets", question(comparison),
        "6 arms, 15 trainings, 1 fold, 3 seeds, 20 cases, 20 people.", comparison.sentence,
        "Arms", "Cost", "Conclusions", "Figures", "Tables", "Notes",
    )]  # fmt: skip
    assert order[:4] == sorted(order[:4])
    assert {"1 case has no age.", "commit", "abc123"} <= set(message)


def test_arms_that_differ_by_more_than_their_model_are_called_settings(comparison):
    assert question(comparison) == "Which of these settings is best for the target gland?"
    nets = a_comparison(["model=unet", "model=nnunet", "ensemble"])
    assert question(nets) == "Which architecture is best for the target gland?"


def test_the_table_of_arms_reads_in_units_of_people(comparison):
    rows = read(comparison).rows()
    first = next(row for row in rows if row[:2] == ["1", "model=nnunet_resenc,optimizer.lr=0.01"])
    assert first[2:6] == ["0.915 [0.903, 0.927]", first[3], "62 %", "best net"]
    assert first[6:] == ["0.940", "0 of 60"]
    cost = [row for row in rows if row[0] == "1"][1]
    assert cost[2:] == ["1.2 M", "4 GFLOP", "0.05 s", "100 s",
                        "900 MiB", "0.4 s"]  # fmt: skip


def test_the_cheapest_of_those_that_cannot_be_told_apart_is_named(comparison):
    swapped = with_arms(comparison, train_s=[9000.0, 600.0, *[9e9] * 3, np.nan])
    text = " ".join(read(swapped).text).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "model=unet trained the fastest: in 10 min instead of 2 h 30 min" in text


def test_where_all_trained_equally_long_the_fastest_to_predict_is_named(comparison):
    equal = with_arms(
        comparison, train_s=[120.0, 121.0, *[120.0] * 4], predict_s_per_case=[0.5, 0.2, *[9.0] * 4]
    )
    text = " ".join(read(equal).text).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "model=unet predicts a case the fastest: in 0.2 s instead of 0.5 s" in text


def beside(comparison):
    """The differences in Dice again as those of volume error, of the means alone."""
    rows = comparison.tables["differences"]
    columns = ["mean_difference", "low", "high", "model_difference", "model_low", "model_high"]
    more = rows[rows["label"] == "mean"].assign(
        metric="volume_error_abs_mm3", **{key: 1000 * rows[key] for key in columns}
    )
    return {**comparison.tables, "differences": pd.concat([rows, more], ignore_index=True)}


def test_differences_are_shown_in_dice_and_in_the_scores_beside_it(comparison):
    page = read(replace(comparison, tables=beside(comparison)))
    assert "Each arm minus model=nnunet_resenc,optimizer.lr=0.01" in page.text
    rows = [row for row in page.rows() if row[0] == "model=unet" and len(row) == 5]
    dice, error = rows
    assert dice[1] == "Dice"
    assert error[1] == "volume error, mm³ (less is better)"
    value = float(dice[2].split()[0].replace("−", "-"))
    assert float(error[2].split()[0].replace("−", "-")) == pytest.approx(1000 * value, abs=0.6)
    assert dice[3:] == error[3:]


def test_one_training_has_no_chance_and_no_test(comparison):
    rows = comparison.tables["differences"]
    once = rows.assign(told_apart="not testable from one training")
    page = read(
        replace(
            with_arms(comparison, p_best=np.nan),
            tables={**comparison.tables, "differences": once}
            | {"arms": comparison.tables["arms"].assign(p_best=np.nan)},
        )
    )
    text = " ".join(page.text)
    assert "The probability of being best needs two seeds or three folds" in text
    assert "but not between trainings" in text
    first, second = (next(row for row in page.rows() if row[0] == n) for n in "12")
    assert (first[4:6], second[4:6]) == (["–", "best net"], ["–", "not testable from one training"])
    assert ["–", "not testable from one training"] in [row[3:] for row in page.rows()]


def with_parts(comparison):
    columns = ["arm", "seed", "part", "against", "label", "statistic", "value", "published"]
    rows = [
        ("model=unet", seed, part, against, label, statistic, value + seed / 100, published)
        for seed in (1, 3)
        for part, against, label, statistic, value, published in (
            ("internal", "reference", "left", "dice", 0.90, 0.95),
            ("external", "reference", "left", "dice", 0.80, np.nan),
            ("external", "reference", "left", "icc_a1", 0.70, np.nan),
            ("external", "reference", "left", "bias", 12.0, np.nan),
            ("internal", "bela", "left", "dice", 0.60, np.nan),
            ("external", "reference", "mean", "dice", 0.50, np.nan),
            ("external", "reference", "total", "icc_a1", 0.40, np.nan),
        )
    ]
    parts = pd.DataFrame(rows, columns=columns).assign(published_sd=0.03, source="a paper")
    return replace(comparison, tables={**comparison.tables, "parts": parts})


def test_arms_on_unseen_sites_stand_beside_what_is_published(comparison):
    page = read(with_parts(comparison))
    assert "Internal and external" in page.text
    heads = ["Dice, internal", "Dice, external", "ICC(A,1), external", "Dice with bela, internal"]
    assert [text for text in page.text if text in heads] == heads
    assert ["left", "model=unet", "0.920", "0.820", "0.720", "0.620"] in page.rows()
    assert ["left", "published", "0.95 ± 0.03", "–", "–", "–"] in page.rows()
    assert ["all", "model=unet", "–", "0.520", "0.420", "–"] in page.rows()
    assert not [row for row in page.rows() if row[:2] == ["left", "model=nnunet"]]
    assert "Internal and external" not in read(comparison).text


def test_verdicts_are_counted_over_seeds(comparison):
    rows = read(comparison).rows()
    assert ["reference", "shown", "shown"] in rows
    assert ["model=unet", "shown (3 of 3)", "shown (3 of 3)"] in rows


def test_verdicts_on_means_are_by_masks_and_those_on_volumes_by_volumes(comparison):
    assert next(iter(verdicts(comparison))) == "reference volumes"
    assert "the volumes of each arm" in " ".join(read(comparison).text)
    asked = replace(
        comparison.target,
        units={comparison.target.contrasts[0]: "ppm"},
        hypotheses={"chi": f"mean_{comparison.target.contrasts[0]}: F > M"},
    )
    means = replace(comparison, target=asked)
    assert next(iter(verdicts(means))) == "reference masks"
    assert "the masks of each arm" in " ".join(read(means).text)


def test_every_table_is_there_in_full_with_headings_for_people(comparison):
    page = read(comparison)
    shown = [found for _, found in page.elements if "data-table" in found]
    assert {found["data-name"] for found in shown} == set(comparison.tables)
    for found in shown:
        sheet = page.json(f"table-{found['data-table']}")
        table = comparison.tables[sheet["name"]]
        assert list(sheet["data"]) == list(table)
        if sheet["name"] != "cases":
            assert not any("_" in column["heading"] for column in sheet["columns"])


def test_intervals_stand_with_what_they_belong_to(comparison):
    sheets = columns_of(read(comparison))
    ends = {(name, column["key"]): column["low"] for name, columns in sheets.items()
            for column in columns if column["low"]}  # fmt: skip
    assert ends == {
        ("arms", "dice"): "dice_low", ("differences", "mean_difference"): "low",
        ("differences", "model_difference"): "model_low", ("agreement", "icc_a1"): "icc_low",
        ("agreement", "bias_mm3"): "bias_low", ("effects", "estimate"): "low",
    }  # fmt: skip


def test_columns_of_arms_keep_the_names_of_arms():
    columns = columns_of(read(a_comparison(["n_mm3", "p_x"])))["cases"]
    assert [(one["heading"], one["kind"]) for one in columns][3:] == [
        ("n_mm3", "setting"), ("p_x", "setting")
    ]  # fmt: skip


def test_names_with_markup_are_text():
    names = [ODD, "<b>x</b>"]
    page = read(a_comparison(names), title=ODD)
    plain = read(a_comparison(["a", "b"]))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    assert page.text.count(ODD) >= 3


def test_the_page_asks_for_nothing_and_runs_one_script(comparison):
    page = read(comparison)
    for _, attributes in page.elements:
        link = attributes.get("href") or attributes.get("src") or ""
        assert not link or link.startswith(("#", "https://doi.org/"))
    assert len([name for name in page.scripts if name.startswith("code-")]) == 1


@pytest.mark.parametrize("how", ["missing", "empty", "undefined"])
def test_a_comparison_with_nothing_in_it_has_a_page(comparison, how):
    tables = {name: table.iloc[:0] for name, table in comparison.tables.items()}
    if how == "undefined":
        tables = {}
        for name, table in comparison.tables.items():
            numbers = table.select_dtypes("number").columns.difference(["fold", "seed"])
            tables[name] = table.assign(**dict.fromkeys(numbers, np.nan), reason="no volumes")
    page = read(replace(comparison, tables={} if how == "missing" else tables), figures=[])
    text = " ".join(page.text)
    assert "nan" not in text.lower().split()
    expected = {"missing": "1 case has no age.", "empty": "Without any row: Arms",
                "undefined": "could not be estimated: no volumes"}  # fmt: skip
    assert expected[how] in text


def test_a_page_is_written_whole_or_not_at_all(comparison, tmp_path):
    write_text(tmp_path / "compare.html", compare_html(comparison, FIGURES, title="gland"))
    text = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert len(text) < 300_000
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        write_text(tmp_path / "file" / "x.html", compare_html(comparison, [], title="gland"))


@pytest.mark.parametrize(
    ("read_as", "value", "arguments"),
    [
        (amount, 1_234_000, "1.23 M"), (amount, 999_600, "1 M"), (amount, 950, "950"),
        (amount, np.nan, "–"), (operations, 4.2e9, "4.2 GFLOP"), (duration, 0.0531, "0.0531 s"),
        (duration, 100, "100 s"), (duration, 119.4, "119 s"), (duration, 120, "2 min"),
        (duration, 11_100, "3 h 05 min"), (memory, 900, "900 MiB"), (memory, 2048, "2 GiB"),
        (energy, 1500, "1.5 kWh"), (energy, 0, "0 Wh"), (chance, 0.62, "62 %"),
        (chance, 0.995, "> 99 %"), (chance, 0.0, "< 1 %"), (chance, np.nan, "–"),
    ],
)  # fmt: skip
def test_amounts_are_read_at_a_glance(read_as, value, arguments):
    assert read_as(value).replace("\N{NARROW NO-BREAK SPACE}", " ") == arguments
