import sys

import pytest

from neurotarget.problems import DataError
from neurotarget.sweeps.job_log import logged


def test_output_goes_to_the_terminal_or_to_the_log(tmp_path, capsys):
    for redirects in (False, True):
        with logged(tmp_path / "job.log", redirects=redirects) as log:
            print(f"printed {redirects}")
            print("\x1b[31merr", file=sys.stderr)
            log.write("traceback\n")
    assert capsys.readouterr().out == "printed False\n"
    lines = (tmp_path / "job.log").read_text().splitlines()
    added = [line for line in lines if not line.startswith("--")]
    assert added == ["traceback", "printed True", "\\x1b[31merr", "traceback"]


def test_a_log_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "job").touch()
    with (
        pytest.raises(DataError, match=r"job.log: cannot be written"),
        logged(tmp_path / "job" / "job.log", redirects=False),
    ):
        pass
