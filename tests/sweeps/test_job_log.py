import io
import sys

import pytest
from neurotarget.problems import DataError

from neurotarget.sweeps.job_log import Both, logged


def test_what_is_printed_is_shown_and_logged(tmp_path, capsys):
    with logged(tmp_path / "job.log", shown=True):
        print("out")
        print("err", file=sys.stderr)
    assert capsys.readouterr() == ("out\n", "err\n")
    assert (tmp_path / "job.log").read_text().splitlines()[1:] == ["out", "err"]


def test_what_is_not_shown_is_logged_all_the_same(tmp_path, capsys):
    with logged(tmp_path / "job.log", shown=False):
        print("out", end="")
        assert not sys.stdout.isatty()
    assert capsys.readouterr().out == ""
    assert (tmp_path / "job.log").read_text().endswith("\nout\n")


def test_a_second_sitting_adds_to_the_log(tmp_path):
    for word in ("first", "second"):
        with logged(tmp_path / "job.log", shown=False):
            print(word)
    lines = (tmp_path / "job.log").read_text().splitlines()
    assert [line for line in lines if not line.startswith("--")] == ["first", "second"]


def test_a_bar_that_is_drawn_over_and_over_leaves_its_last_state():
    terminal, log = io.StringIO(), io.StringIO()
    stream = Both(terminal, log, shown=True)
    for text in ("\r 1%", "\r 50%", "\r100%", "\n", "then\n"):
        stream.write(text)
    assert log.getvalue() == "100%\nthen\n"
    assert terminal.getvalue() == "\r 1%\r 50%\r100%\nthen\n"


def test_a_long_bar_is_noted_from_time_to_time():
    log = io.StringIO()
    stream = Both(io.StringIO(), log, shown=False)
    stream.write("\r 1%")
    stream.noted_s -= 61
    stream.write("\r 2%")
    assert log.getvalue() == " 1%\n"


def test_a_thread_that_prints_after_the_end_breaks_nothing(tmp_path):
    with logged(tmp_path / "job.log", shown=False):
        late = sys.stdout
    late.write("too late\n")
    late.flush()
    assert "too late" not in (tmp_path / "job.log").read_text()


def test_a_log_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "job").touch()
    with (
        pytest.raises(DataError, match=r"job.log: cannot be written"),
        logged(tmp_path / "job" / "job.log", shown=True),
    ):
        pass
