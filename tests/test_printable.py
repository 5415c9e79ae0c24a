"""What strangers write moves no terminal and computes nothing in a spreadsheet."""

import csv
import io
import logging
import sys

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotarget.cli.main import run
from neurotarget.data.tables.text_table import read_text_table
from neurotarget.files.writing import table_text
from neurotarget.inference.ledger import CaseResult, Ledger, volume_form
from neurotarget.printable import (
    CONTROL,
    UNSEEN,
    EscapedStream,
    cell,
    escape_controls,
    one_line,
    uncell,
)
from neurotarget.problems import DataError, Problem
from neurotarget.process.exit_codes import ShownRecord, escape_output
from neurotarget.report.sections.plain_page import _seen
from neurotarget.scoring import read_rows, write_rows
from neurotarget.sweeps.job_log import logged
from neurotarget.types import Case, Row

HOSTILE = [
    "\x1b[31mred",
    "\x9b2J",
    "a\x07",
    "a\rb",
    "a\nerror: b",
    "a\x00b",
    "\u202eabc",
    "a\u2066b\u2069",
    "a\u200bb",
    "\ufeffa",
    "a\u2028b",
    "\x7f",
]
FORMULAS = ['=HYPERLINK("http://a","b")', "+1+1", "-1+1", "@SUM(A1)", "=1", "'=1", "-", "+", "-x"]
NUMBERS = ["-3.2", "+1", "-1e5", "12", "0", "-007"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_letter_is_obeyed_or_unseen_in_a_line(text):
    for made in (one_line(text), str(cell(text)), str(DataError(f"{text}: found a"))):
        assert not CONTROL.search(made)
        assert not UNSEEN.search(made)
    problem = Problem("error", text, text, text, text, text)
    assert not CONTROL.search(str(problem))
    assert not UNSEEN.search(str(DataError([problem])))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_stream_shows_them_and_keeps_lines_and_bars(text):
    stream = io.StringIO()
    print(f"a {text} b", file=EscapedStream(stream))
    left = stream.getvalue().replace("\n", "")
    assert not CONTROL.search(left)
    assert not UNSEEN.search(left)
    EscapedStream(stream).write("\r 50% of Müller 头部\tb\r\n")
    assert stream.getvalue().endswith("\r 50% of Müller 头部\tb\r\n")


def test_several_sentences_stay_lines():
    assert str(DataError(["a\n", "b"])) == "a\\n\nb"


def test_the_terminal_and_the_log_show_them(tmp_path, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    factory = logging.getLogRecordFactory()
    try:
        escape_output()
        escape_output()  # a launcher asks again
        print("\x1b[2Ja\u202eb\rc")
        with logged(tmp_path / "job.log", redirects=True):
            print("\x1b[2Ja\u202eb\rc")
        assert "\\x1b[2Ja\\u202eb\\rc\n" in terminal.getvalue()
        assert "\\x1b[2Ja\\u202eb\\rc\n" in (tmp_path / "job.log").read_text()
        record = logging.getLogger("a").makeRecord("a", 30, "f", 1, "b %s", ("\x1b[1m",), None)
        assert isinstance(record, ShownRecord)
        assert record.getMessage() == "b \\x1b[1m"
    finally:
        logging.setLogRecordFactory(factory)


def test_a_table_of_a_stranger_is_linted_in_lines_that_are_seen(tmp_path, capsys):
    path = tmp_path / "m\x1b[31m.csv"
    path.write_text('case_id,"t1\x1b[31m",label\n"a\nerror: b\u202e",no.nii,x.nii\n')
    assert run(["lint", str(path)]) == 2
    out = capsys.readouterr()
    text = escape_controls(out.out + out.err)
    assert "\x1b" not in text
    assert not any(line.startswith("error: b") for line in text.splitlines())


def test_a_case_is_called_after_what_a_file_can_be_called():
    case = Case("a\nb\x1b", "p\t1", {})
    assert (case.case_id, case.subject_id) == ("a%0Ab%1B", "p%091")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula_and_reading_undoes_it(text):
    assert str(cell(text)).startswith("'")
    assert uncell(str(cell(text))) == text


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_is_no_formula(text):
    assert cell(text) == text
    assert cell(-3.2) == -3.2


@given(st.text())
def test_every_text_comes_back_from_a_cell(text):
    assert uncell(str(cell(text))) == one_line(text)


@pytest.mark.parametrize("text", [*FORMULAS, *HOSTILE])
def test_our_tables_hold_no_formula_and_are_read_again(text, tmp_path):
    rows = [Row(text, "=p", "test", "a", "dice", 0.5, "")]
    write_rows(rows, tmp_path / "rows.csv")
    raw = next(iter(list(csv.reader((tmp_path / "rows.csv").open()))[1:]))
    assert raw[1] == "'=p"
    assert not raw[0].startswith(("=", "@", "\t", "\r"))
    assert read_rows(tmp_path / "rows.csv")["case_id"][0] == one_line(text)

    ledger = Ledger(tmp_path / "out", volume_form(("a",)))
    (tmp_path / "out").mkdir()
    ledger.record(CaseResult(one_line(text), "done", {"a": 1.0}, "=note", "h"))
    assert "'=note" in (tmp_path / "out" / "volumes.tsv").read_text()
    assert ledger.finished()[one_line(text)].note == "=note"

    table = table_text(pd.DataFrame({"=head": [text], "n": [-3.2]}))
    (tmp_path / "a.tsv").write_text(table)
    assert "'=head\tn\n" in table
    found = read_text_table(tmp_path / "a.tsv")
    assert found.columns == ["=head", "n"]
    assert found.rows == [{"=head": one_line(text), "n": "-3.2"}]


def test_a_page_shows_them():
    assert _seen("a\u202eb\x1b") == "a\\u202eb\\x1b"
