"""The table of a run's metrics, over kills, lost power and odd headers."""

import csv

import pytest
from neurotarget.problems import DataError

from neurotarget.runs.tracking.metrics_log import UNREAD, metrics_log, read_metrics

WHOLE = b"epoch,loss,step\r\n0,0.5,1\r\n0,nan,3\r\n1,,5\r\n"


def log(folder, step, *, resumed_step=0, **values):
    logger = metrics_log(folder, resumed_step)
    logger.log_metrics(values, step)
    logger.save()
    return logger


def table(folder):
    with (folder / "logs" / "metrics.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(
    ("content", "steps", "dropped"),
    [
        (WHOLE, ["1", "3", "5"], 0),
        (WHOLE[:-1], ["1", "3"], 1),  # killed before the end of the line
        (WHOLE[:-4], ["1", "3"], 1),
        (WHOLE + b"1,0.4", ["1", "3", "5"], 1),
        (WHOLE + b"\0" * 512, ["1", "3", "5"], 1),  # lost power
        (WHOLE + b"1,\xff,7\r\n", ["1", "3", "5"], 1),
        (WHOLE + b"1,0.1,7,8\r\n", ["1", "3", "5"], 1),
        (WHOLE + b"1,0.1,x\r\n1,0.1,\r\n1,0.1,-2\r\n", ["1", "3", "5"], 3),
        (WHOLE + b"1,0.1," + b"9" * 5000 + b"\r\n", ["1", "3", "5"], 1),
        (WHOLE + b'1,"0.1,7\r\n1,0.1\r2,8\r\n', ["1", "3", "5"], 2),
        (b"", [], 0),
        (b"epoch,lo", [], 1),
        (b"epoch,loss\r\n0,0.5\r\n", [], 2),  # no step
        (b"step,step\r\n0,1\r\n", [], 2),
        (b"\0\0\0\0\r\n0,1\r\n", [], 2),
    ],
)
def test_only_whole_rows_are_read_and_the_others_counted(content, steps, dropped):
    _, rows, count = read_metrics(content)
    assert ([row["step"] for row in rows], count) == (steps, dropped)


def test_a_resumed_run_keeps_the_rows_before_its_checkpoint(tmp_path):
    for step in (1, 3, 5):
        log(tmp_path, step, resumed_step=step, loss=0.5)
    log(tmp_path, 4, resumed_step=4, dice=0.7)
    found = [(row["step"], row["loss"], row["dice"]) for row in table(tmp_path)]
    assert found == [("1", "0.5", ""), ("3", "0.5", ""), ("4", "", "0.7")]


def test_a_broken_line_is_reported_and_the_old_table_stays(tmp_path, capsys):
    log(tmp_path, 1, loss=0.5)
    path = tmp_path / "logs" / "metrics.csv"
    broken = path.read_bytes() + b"0.4"
    path.write_bytes(broken)
    log(tmp_path, 2, resumed_step=2, loss=0.3)
    assert [row["loss"] for row in table(tmp_path)] == ["0.5", "0.3"]
    assert "lines that were cut or broken are left out (1 of them)" in capsys.readouterr().out
    assert path.with_name(UNREAD).read_bytes() == broken


def test_a_new_name_rewrites_the_table_in_one_step(tmp_path, monkeypatch):
    logger = log(tmp_path, 1, loss=0.5)
    before = (tmp_path / "logs" / "metrics.csv").read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    logger.log_metrics({"dice": 0.7}, 2)
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            logger.save()
    assert (tmp_path / "logs" / "metrics.csv").read_bytes() == before
    logger.save()
    assert [row["dice"] for row in table(tmp_path)] == ["", "0.7"]


def test_a_full_disk_is_one_sentence(tmp_path):
    logger = log(tmp_path, 1, loss=0.5)
    path = tmp_path / "logs" / "metrics.csv"
    path.unlink()
    path.symlink_to("/dev/full")
    logger.experiment.metrics = [{"loss": 0.1, "step": 2}]
    with pytest.raises(DataError, match=r"metrics\.csv: cannot be written \(No space"):
        logger.experiment._append(path)
